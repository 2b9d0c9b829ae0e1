"""`load_run`: the Learner of a finished run, rebuilt from its recorded calls and its best weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from learnerkit._fastai import DataLoaders
from learnerkit.callbacks.fusion import Fusion
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike, read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import load_weights
from learnerkit.data.dls import cifar_dls, detection_dls, digits_dls, folder_dls, saliency_dls
from learnerkit.learner.detection import detection_learner
from learnerkit.learner.factory import fusion_learner, image_learner
from learnerkit.learner.kit import KitLearner

CALLS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(cifar_dls, digits_dls, folder_dls, saliency_dls, detection_dls),
        *(image_learner, fusion_learner, detection_learner),
    )
}


def load_run(
    path: PathLike, data: PathLike | DataLoaders | None = None, weights: str | None = None, **replace: Any
) -> KitLearner:
    """The Learner of a finished run, a script's or the command line's.

    path: the run folder.
    data: where the data are now, or DataLoaders to use instead; needed when the run was made from DataLoaders that
        no `*_dls` function of learnerkit made, or when the data have moved.
    weights: 'best_model' or 'final_model'; the best ones when None and there are any.
    replace: arguments of the learner's factory to use instead of the recorded ones; those that could not be recorded,
        such as a loss function, must be given here.
    """
    run = RunFolder.open(path)
    described = run.described()
    recorded = described["recipe"]
    dls = data if isinstance(data, DataLoaders) else _rebuild_dls(run.path, recorded["dls"], data)
    call = recorded["learner"]
    if call is None or "arch" in call["lost"]:
        raise RunError(
            f"{run.path}: its model was not built by name; rebuild the learner and load the .safetensors file"
        )
    known = list(getattr(dls, "vocab", []))
    if known and described["classes"] and [str(name) for name in known] != described["classes"]:
        raise DataError(f"{run.path}: the data have the classes {known}, the run had {described['classes']}")
    missing = [name for name in call["lost"] if name not in replace]
    if missing:
        given = ", ".join(f"{name}=..." for name in missing)
        raise RunError(
            f"{run.path}: was built with {', '.join(missing)}, which cannot be recorded; pass load_run(..., {given})"
        )
    spec = read_json(run.file("model.json")) if run.file("model.json").exists() else {}
    if spec.get("fusion") and call["call"] == image_learner.__name__:  # its callback stands in no record
        replace = {"cbs": Fusion(spec["fusion"], tuple(spec["fusion_weights"])), **replace}
    if call["call"] == detection_learner.__name__:
        replace = {"weights": None, **replace}  # the run's own weights take the place of those it began with
    learn = CALLS[call["call"]](dls, **{**call["args"], **replace})
    if weights is None:
        weights = "best_model" if run.file("best_model.safetensors").exists() else "final_model"
    try:
        learn.model.load_state_dict(load_weights(run.file(f"{weights}.safetensors")))
    except RuntimeError as error:
        raise RunError(f"{run.path}: {weights}.safetensors does not fit the recorded model ({error})") from error
    learn.run_folder = run
    return learn


def _rebuild_dls(run: Path, call: dict | None, data: PathLike | None) -> DataLoaders:
    if call is None or call["lost"]:
        lost = f" (not recorded: {', '.join(call['lost'])})" if call else ""
        raise RunError(f"{run}: its data were not made by plain arguments{lost}; pass data= with the DataLoaders")
    arguments = dict(call["args"])
    if data is not None and "path" in arguments:
        arguments["path"] = str(data)
    try:
        return CALLS[call["call"]](**arguments)
    except DataError as error:
        hint = "" if data is not None else " If the data have moved, say where they are: data=, or evaluate's --data."
        raise DataError(f"{run}: its data cannot be read: {error}{hint}") from error
