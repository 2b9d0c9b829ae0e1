"""`evaluate_run`: measure a finished run again, on its own parts or on other data, labelled or not."""

from pathlib import Path
from typing import Any

from learnerkit.core.calls import check_options
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike, made_folder, read_json, sha256
from learnerkit.core.members import read_members
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.data.source import Source
from learnerkit.runs.load import load_run
from learnerkit.runs.report import write_report
from learnerkit.tasks import task_of


def evaluate_run(path: PathLike, data: PathLike | None = None, **options: Any) -> tuple[Path, dict[str, Any]]:
    """Evaluate a run's best weights.

    path: the run folder.
    data: other data, in any form that the run's task reads, labelled or not. The run's own valid and test parts when
        None; the run's own data need not be there any more where it is given.
    options: of the task's evaluation, such as tta=16 (test-time views) or codes=True (class indices instead of names in
        predictions.csv).
    Returns the folder written to, and the figures.
    """
    run = RunFolder.open(path)
    described = run.described()
    task = task_of(described, run.path)
    if data is None:
        check_options(task.evaluate, options, f"task '{task.name}': evaluate")
        learn = load_run(path, **_own_metrics(run, described))
        results = task.evaluate(learn, run, learn.dls.parts, **options)
        write_report(run)  # its pictures are of the predictions that were just written
        return run.path, results
    evaluate_other = task.verb("evaluate_other")
    check_options(evaluate_other, options, f"task '{task.name}': evaluate")
    if not described.get("data"):
        raise RunError(f"{run.path}: was made from DataLoaders of its own; use load_run(path, data=dls) and get_preds")
    place = Path(data).resolve()
    if not place.exists():
        raise DataError(f"{place}: no such file or folder")
    dls = task.verb("open_other")(place, described)
    learn = load_run(path, data=dls, limit_batches=None, **_own_metrics(run, described))
    target = RunFolder(_output_folder(run, place))
    target.write_results({"data": str(place)} | _trained_on(run, dls.source), anew=True)
    return target.path, evaluate_other(learn, target, **options)


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


def _own_metrics(run: RunFolder, described: dict[str, Any]) -> dict[str, Any]:
    """The factory's own metrics in place of a script's, which no run can record."""
    if "metrics" not in (described["recipe"]["learner"] or {}).get("lost", ()):
        return {}
    warn(f"{run.path}: was trained with metrics of a script, which are not recorded; it is measured by its task's own")
    return {"metrics": None}


def _output_folder(run: RunFolder, place: Path) -> Path:
    """The folder for the evaluation of one place; another place of the same name gets one of its own."""
    target = run.file("evaluations") / place.name
    results = target / "results.json"
    if results.exists() and read_json(results).get("data") != str(place):
        target = target.with_name(f"{place.name}-{sha256(str(place).encode())[:8]}")
    return made_folder(target)
