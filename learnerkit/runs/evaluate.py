"""`evaluate_run`: measure a finished run again, on its own parts or on other data, labelled or not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from fastai.torch_core import trainable_params

from learnerkit.core.calls import check_options
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike
from learnerkit.core.members import read_members
from learnerkit.core.ranges import checked
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.data.source import Source
from learnerkit.pages.figure import save_figures
from learnerkit.runs.evaluations import evaluation, fitted_until, said
from learnerkit.runs.load import load_run
from learnerkit.runs.report import write_report
from learnerkit.tasks import task_of

NOT_NEEDED = {"metrics": None, "loss_func": None, "opt": "sgd", "splitter": trainable_params}  # and the defaults


@checked
def evaluate_run(
    path: PathLike, data: PathLike | None = None, weights: Literal["best", "final"] = "best", **options: Any
) -> tuple[Path, dict[str, Any]]:
    """Evaluate a run, into a folder of its own below evaluations/, called by data, views and weights.

    The first evaluation of a run whose parts are not all measured, such as a script's, completes the run folder itself.

    path: the run folder.
    data: other data, in any form that the run's task reads, labelled or not. The run's own valid and test parts when
        None; the run's own data need not be there any more where it is given.
    weights: 'best', those that the monitor chose, or 'final'.
    options: of the task's evaluation, such as tta=16 (test-time views), until='auto' (of the unsure samples alone; on
        other data the confidence that was fitted on the run's own valid part) or codes=True (class indices instead of
        names in predictions.csv).
    Returns the folder written to, and the figures.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=Run("runs", "first", report=False))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> folder, figures = evaluate_run("runs/first", tta=5)
        >>> sorted(key for key in figures if key.startswith("test_accuracy"))
        ['test_accuracy', 'test_accuracy_tta']
    """
    run = RunFolder.open(path)
    described = run.described()
    task = task_of(described, run.path)
    name = "final_model" if weights == "final" else None
    how = {"weights": weights, **({"tta_views": options["tta"]} if options.get("tta") else {})}
    if data is None:
        check_options(task.evaluate, options, f"task '{task.name}': evaluate")
        learn = load_run(path, weights=name, **_defaults(run, described))
        if name is None and not _measured(run, learn.dls.parts):
            results = task.evaluate(learn, run, learn.dls.parts, **options)
            write_report(run)  # its pictures are of the predictions that were just written
            return run.path, results
        with evaluation(run, "own", said(weights, options), how) as target:
            results = task.evaluate(learn, target, learn.dls.parts, **options)
            save_figures(target, task.figures(task.evaluation(target), target, run.history()))
        write_report(run)  # whose table of evaluations has one more line
        return target.path, results
    evaluate_other = task.verb("evaluate_other")
    check_options(evaluate_other, options, f"task '{task.name}': evaluate")
    if not described.get("data"):
        raise RunError(f"{run.path}: was made from DataLoaders of its own; use load_run(path, data=dls) and get_preds")
    place = Path(data).resolve()
    if not place.exists():
        raise DataError(f"{place}: no such file or folder")
    if options.get("until") == "auto" and options.get("tta"):
        options["until"] = fitted_until(run, weights, options["tta"])
    dls = task.verb("open_other")(place, described)
    learn = load_run(path, data=dls, weights=name, limit_batches=None, **_defaults(run, described))
    facts = {**how, "fingerprint": dls.source.fingerprint, **_trained_on(run, dls.source)}
    with evaluation(run, str(place), said(weights, options), facts) as target:
        results = evaluate_other(learn, target, **options)
    write_report(run)
    return target.path, results


def told(results: dict[str, Any], measures: Sequence[str]) -> list[str]:
    """An evaluation's figures in lines for a terminal.

    measures: the figures that the task is measured by.
    """
    lines = []
    for key in measures:
        for part in ("valid", "test", "all"):
            plain, averaged = results.get(f"{part}_{key}"), results.get(f"{part}_{key}_tta")
            if plain is not None:
                passes = results.get(f"{part}_passes_tta")
                passes = f" ({passes:.2f} passes a sample)" if passes is not None else ""
                views = f"   with {results['tta_views']} views {averaged:.4f}{passes}" if averaged is not None else ""
                lines.append(f"{part + ' ' + key:<20} {plain:.4f}{views}")
    if results.get("images") and not any(f"all_{key}" in results for key in measures):
        lines.append(f"{results['images']:,} samples without labels: predicted, not measured")
    return lines


def _measured(run: RunFolder, parts: Sequence[str]) -> bool:
    """Whether a run folder holds the predictions of all these parts."""
    file = run.file("predictions.npz")
    return file.exists() and set(parts) <= set(read_npz(file)["part"].tolist())


def _trained_on(run: RunFolder, source: Source) -> dict[str, int]:
    """How many samples of a set the run was trained on, said and for results.json; nothing where there is none."""
    members = read_members(run.path)
    seen = members.trained_on(source.contents) if members is not None else []
    if not seen:
        return {}
    names = some([source.ids[row] for row in seen])
    warn(
        f"{source.name}: {len(seen):,} of {len(source):,} samples are of the run's own training part ({names}); "
        "the figures flatter"
    )
    return {"trained_on": len(seen)}


def _defaults(run: RunFolder, described: dict[str, Any]) -> dict[str, Any]:
    """The factory's own for what a script gave, no run can record and a measurement does not need."""
    lost = [name for name in NOT_NEEDED if name in (described["recipe"]["learner"] or {}).get("lost", ())]
    if measuring := [name for name in lost if name in ("metrics", "loss_func")]:
        gave = f"{' and '.join(measuring)} of a script, which are not recorded"
        warn(f"{run.path}: was trained with {gave}; it is measured by its task's own")
    return {name: NOT_NEEDED[name] for name in lost}
