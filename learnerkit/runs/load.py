"""`load_run`: the Learner of a finished run, rebuilt from its recorded calls, its model.json and its best weights."""

from pathlib import Path
from typing import Any, Literal

from learnerkit._fastai import DataLoaders
from learnerkit.core.calls import is_plain
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike, read_json
from learnerkit.core.members import read_members
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import some
from learnerkit.learner.kit import KitLearner
from learnerkit.runs.model_file import load_model
from learnerkit.task import Task
from learnerkit.tasks import task_of

MOVED = (
    " If the data have moved, say where they are: data=, or evaluate's --data. Further samples are predicted without "
    "them: load_run(run, data=False), or `learnerkit predict`."
)
OF_THE_MODEL = ("arch", "weights", "model_args")  # model.json and the weights say these


def load_run(
    path: PathLike,
    data: PathLike | DataLoaders | Literal[False] | None = None,
    weights: str | None = None,
    **replace: Any,
) -> KitLearner:
    """The Learner of a finished run, a script's or the command line's.

    path: the run folder.
    data: where the data are now, or DataLoaders to use instead; needed when the run was made from DataLoaders that
        no `*_dls` function of learnerkit made, or when the data have moved. False takes none: one blank sample stands
        in their place, and the Learner predicts what it is given.
    weights: 'best_model' or 'final_model'; the best ones when None and there are any.
    replace: arguments of the learner's factory to use instead of the recorded ones, those of the model too as long as
        its weights fit; those that could not be recorded, such as a loss function or metrics, must be given here.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=Run("runs", "first", report=False))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> load_run("runs/first").predict(7)[0] == learn.predict(7)[0]
        True
    """
    run = RunFolder.open(path)
    described = run.described()
    task, recorded = task_of(described, run.path), described["recipe"]
    call = recorded["learner"]
    check_trained(run)
    if call is None or not run.file("model.json").exists():
        raise RunError(
            f"{run.path}: its model was not built by name; rebuild the learner and load the .safetensors file"
        )
    missing = [name for name in call["lost"] if name not in replace]
    if missing:
        given = ", ".join(f"{name}=..." for name in missing)
        raise RunError(
            f"{run.path}: was built with {', '.join(missing)}, which cannot be recorded; pass load_run(..., {given})"
        )
    dls = blank_dls(run) if data is False else data if isinstance(data, DataLoaders) else rebuild_dls(run.path, data)
    known = [str(name) for name in getattr(dls, "vocab", [])]
    if known and described["classes"] and known != described["classes"]:
        raise DataError(f"{run.path}: the data have the classes {known}, the run had {described['classes']}")
    spec = read_json(run.file("model.json"))
    changes = {**{key: replace[key] for key in replace if key in spec}, **(replace.get("model_args") or {})}
    arguments = {**{key: value for key, value in call["args"].items() if key not in OF_THE_MODEL}, **replace}
    learn = recorded_function(task, call["call"], run.path)(dls, load_model(run.path, weights, **changes), **arguments)
    plain = {key: value for key, value in replace.items() if is_plain(value)}
    learn.recipe = {**call, "args": {**call["args"], **plain}, "lost": [key for key in replace if key not in plain]}
    learn.run_folder = run
    return learn


def check_trained(run: RunFolder) -> None:
    """RunError where a run has no weights yet: its training was never begun, or ended before its first epoch did."""
    if not any(run.path.glob("*.safetensors")):
        state = f" (it is '{run.status()['state']}')" if run.file("status.json").exists() else ""
        raise RunError(f"{run.path}: nothing has been trained yet{state}, so it has no weights; train it first")


def blank_dls(run: RunFolder) -> DataLoaders:
    """DataLoaders of one blank sample, which know of a run's data what its run.json says."""
    described = run.described()
    if not described.get("data"):
        raise RunError(
            f"{run.path}: was made from DataLoaders of its own, of which run.json keeps nothing; give them: "
            "load_run(path, data=dls), then learn.predict(item)"
        )
    return task_of(described, run.path).verb("blank_dls")(described)


def recorded_function(task: Task, name: str, where: Path) -> Any:
    """One of a task's functions whose calls are recorded, by its name; none other is ever called.

    where: the run, for the message.
    """
    for function in task.calls:
        if function.__name__ == name:
            return function
    raise RunError(f"{where}: records a call of {name}, which is not a function of the task '{task.name}'")


def rebuild_dls(path: PathLike, data: PathLike | None = None, **changes: Any) -> DataLoaders:
    """The DataLoaders of a run, each recorded sample in its part; DataError where one is gone or is another.

    path: the run folder; data: where the data are now, where they have moved.
    changes: arguments of the `*_dls` function to use instead of the recorded ones, such as size (the pixels may then be
        others than the run's) or split.
    """
    run = RunFolder.open(path)
    described = run.described()
    task, call = task_of(described, run.path), described["recipe"]["dls"]
    if call is None or call["lost"]:
        lost = f" (not recorded: {', '.join(call['lost'])})" if call else ""
        raise RunError(f"{run.path}: its data were not made by plain arguments{lost}; pass data= with the DataLoaders")
    arguments, members = {**call["args"], **changes}, read_members(run.path)
    if data is not None and "path" in arguments:
        arguments["path"] = str(data)
    if members is not None and "split" not in changes:
        arguments["split"] = members.ids
    try:
        dls = recorded_function(task, call["call"], run.path)(**arguments)
    except DataError as error:
        raise DataError(
            f"{run.path}: its data cannot be read as it was trained on them: {str(error).rstrip('.')}."
            + (MOVED if data is None else "")
        ) from error
    if members is not None and not changes and (changed := members.changed(dls.source.ids, dls.source.contents)):
        raise DataError(
            f"{run.path}: {len(changed):,} of the samples that it was trained and measured on are others now: "
            f"{some(changed)}. Restore them, or measure it on the set as it is now: evaluate_run(run, data=...), --data"
        )
    return dls
