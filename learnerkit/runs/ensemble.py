"""`ensemble_runs`: the averaged predictions of several runs, from their files alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learnerkit.core.calls import check_options
from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import Flag, Until, checked
from learnerkit.core.run_folder import RunFolder
from learnerkit.tasks import task_of


@checked
def ensemble_runs(
    paths: Sequence[PathLike], out: PathLike | None = None, codes: Flag = False, until: Until | None = None
) -> tuple[Path, dict[str, Any]]:
    """Average the predictions of runs that were evaluated on the same samples, and measure the gain.

    paths: two run folders or more, of one task.
    out: where results.json, predictions.npz and predictions.csv go; a folder 'ensemble' beside the first run when None.
    codes: class indices instead of names in predictions.csv.
    until: the first run's answer stands where it is as sure as that, and the others are asked of the rest alone; 'auto'
        fits it on the valid part.
    Returns the folder and the figures: of the ensemble, the mean and best single run, and the gain over their mean.

    Examples:
        >>> for seed in (1, 2):
        ...     cbs = Run("runs", f"seed {seed}", report=False)
        ...     learn = image_learner(digits_dls(limit=64), "tiny_cnn", seed=seed, cbs=cbs)
        ...     with learn.no_bar(), learn.no_logging():
        ...         learn.fit(1, 0.1)
        ...     _ = evaluate_run(learn.run_folder.path)
        >>> folder, figures = ensemble_runs(["runs/seed 1", "runs/seed 2"])
        >>> folder.name, "test_gain" in figures
        ('ensemble', True)
    """
    runs = [RunFolder.open(path) for path in paths]
    if len({run.path.resolve() for run in runs}) < 2:
        raise RunError("an ensemble needs two different runs or more")
    tasks = [task_of(run.described(), run.path) for run in runs]
    if len({task.name for task in tasks}) > 1:
        raise RunError(f"an ensemble needs runs of one task; these are {', '.join(task.name for task in tasks)}")
    options = {"codes": codes, **({} if until is None else {"until": until})}
    check_options(tasks[0].verb("ensemble"), options, f"task '{tasks[0].name}': ensemble")
    target = Path(out) if out is not None else runs[0].path.parent / "ensemble"
    return target, tasks[0].verb("ensemble")(runs, RunFolder(target), **options)
