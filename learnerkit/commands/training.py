"""The commands that train: `demo`, `train`, `sweep`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from learnerkit.commands.shared import console, heavy, stoppable
from learnerkit.core.errors import RecipeError, stopped
from learnerkit.runs.options import option
from learnerkit.runs.recipe_file import recipe_names
from learnerkit.runs.recipes import load_recipe, resumed_recipe
from learnerkit.tasks import DEFAULT, recipe_of


def _finish(path: Path) -> None:
    """Draw a finished run's report and say where everything is."""
    reports, run = heavy("runs.report"), heavy("core.run_folder").RunFolder.open(path)
    report = reports.write_report(run)
    for label, figure in reports.headlines_of(run):
        console.print(f"  {label:<24} {figure}")
    console.print(f"  {'run':<24} {path}\n  {'report':<24} {report}")


def demo(
    which: str = recipe_of(DEFAULT).DEMO[0],
    name: Annotated[str | None, typer.Option(help="the run's name; the date and a number without it")] = None,
    out: Annotated[Path | None, typer.Option(help="the demo's folder; runs/WHICH-demo without it")] = None,
) -> None:
    """Train in minutes, without any download, to a page that shows what a task does."""
    demos, out = heavy("runs.demo"), out or Path("runs") / f"{which}-demo"
    prepared = demos.prepare_demo(which, out, console)
    if prepared.grid:
        demos.compare_demo(prepared, out, console)
    else:
        _finish(stoppable(demos.train_demo, prepared, name))


def train(recipe: str | None, **given: Any) -> None:
    """Train a recipe into a run folder, evaluate the best weights once on the test part, and write the report."""
    out, name, resume, allow = given.pop("out"), given.pop("name"), given.pop("resume"), given.pop("allow")
    overrides = {key: value for key, value in given.items() if value is not None}
    if resume is not None:
        settings, out, name = resumed_recipe(resume, recipe, overrides), resume.parent, resume.name
    else:
        settings, out = load_recipe(_needed(recipe), overrides), out or Path("runs") / Path(recipe).stem
    allowed = tuple(filter(None, (allow or "").split(",")))
    run_training = heavy("runs.train").train
    _finish(stoppable(run_training, settings, out, name, resume=resume is not None, allow=allowed).path)


def _needed(recipe: str | None) -> str:
    if recipe is None:
        raise RecipeError(f"which recipe? One of {', '.join(recipe_names())}, or a .yaml file")
    return recipe


TRAIN_OPTIONS = (
    option("out", Path, "the experiment's folder; runs/RECIPE without it"),
    option("name", str, "the run's name; the date and a number without it"),
    option("resume", Path, "go on with this run folder from its newest checkpoint; with --epochs to as many"),
    option("allow", str, "what may differ at a resume, such as versions,threads"),
)


def sweep(recipe: str | None, **given: Any) -> None:
    """Train a recipe with every combination of a grid, a process each; run again, it does what is missing."""
    grid, jobs, threads, out = (given.pop(name) for name in ("grid", "jobs", "threads", "out"))
    out = out or Path("runs") / Path(_needed(recipe)).stem
    overrides = {key: value for key, value in given.items() if value is not None}
    try:
        heavy("runs.sweep").run_sweep(recipe, list(grid or []), overrides, out, jobs or 1, threads, console)
    except KeyboardInterrupt as stop:
        raise stopped(stop, "The trials that ran wrote checkpoints; the same command goes on") from None
    console.print(f"  compare them         learnerkit compare {out}")


SWEEP_OPTIONS = (
    option("grid", list[str], "an axis, such as fusion=all or seed=1,2,3; may be given several times", "--grid"),
    option("jobs", int, "trials at a time; 1 without it"),
    option("threads", int, "threads of each trial; the cores shared out without it"),
    option("out", Path, "the sweep's folder; runs/RECIPE without it"),
)
