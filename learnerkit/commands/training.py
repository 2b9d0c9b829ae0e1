"""The commands that train: `demo`, `train`, `sweep`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from learnerkit.commands.shared import JSON_OPTION, AsJson, console, heavy, print_json, progress_aside, stoppable
from learnerkit.core.errors import RecipeError, stopped
from learnerkit.runs.options import option
from learnerkit.runs.recipe_file import recipe_names
from learnerkit.runs.recipes import load_recipe, resumed_recipe
from learnerkit.tasks import DEFAULT, command_tasks, recipe_of


def _finish(command: str, path: Path, as_json: bool) -> None:
    """Draw a finished run's report and say where everything is."""
    reports, run = heavy("runs.report"), heavy("core.run_folder").RunFolder.open(path)
    report = reports.write_report(run)
    if as_json:
        print_json(command, {"run": path, "state": run.standing(), "report": report, "results": run.results()})
        return
    for label, figure in reports.headlines_of(run):
        console.print(f"  {label:<24} {figure}")
    console.print(f"  {'run':<24} {path}\n  {'report':<24} {report}")


def demo(
    which: str = recipe_of(DEFAULT).DEMO[0],
    name: Annotated[str | None, typer.Option(help="the run's name; the date and a number without it")] = None,
    out: Annotated[Path | None, typer.Option(help="the demo's folder; runs/WHICH-demo without it")] = None,
    as_json: AsJson = False,
) -> None:
    """Train in minutes, without any download, to a page that shows what a task does."""
    demos, out = heavy("runs.demo"), out or Path("runs") / f"{which}-demo"
    with progress_aside(as_json):
        prepared = demos.prepare_demo(which, out, console)
        made = demos.compare_demo(prepared, out, console) if prepared.grid else None
        path = None if prepared.grid else stoppable(demos.train_demo, prepared, name)
    if path is not None:
        _finish("demo", path, as_json)
    elif as_json:
        print_json("demo", {"run": None, "state": "done", "report": made, "results": {}})


def train(recipe: str | None, **given: Any) -> None:
    """Train a recipe into a run folder, evaluate the best weights once on the test part, and write the report."""
    out, name, resume, allow, as_json = (given.pop(key) for key in ("out", "name", "resume", "allow", "as_json"))
    overrides = {key: value for key, value in given.items() if value is not None}
    if resume is not None:
        settings, out, name = resumed_recipe(resume, recipe, overrides), resume.parent, resume.name
    else:
        settings, out = load_recipe(needed(recipe), overrides), out or Path("runs") / Path(recipe).stem
    allowed = tuple(filter(None, (allow or "").split(",")))
    run_training = heavy("runs.train").train
    with progress_aside(as_json):
        folder = stoppable(run_training, settings, out, name, resume=resume is not None, allow=allowed)
    if folder is not None:  # None on the other ranks of several
        _finish("train", folder.path, as_json)


def needed(recipe: str | None) -> str:
    """The recipe of a command; RecipeError with those that there are where none is given."""
    if recipe is None:
        tasks = ", ".join(command_tasks())
        raise RecipeError(
            f"which recipe? One of {', '.join(recipe_names())}, a .yaml file, or a task for its defaults: {tasks}"
        )
    return recipe


TRAIN_OPTIONS = (
    option("out", Path, "the experiment's folder; runs/RECIPE without it"),
    option("name", str, "the run's name; the date and a number without it"),
    option("resume", Path, "go on with this run folder from its newest checkpoint; with --epochs to as many"),
    option("allow", str, "what may differ at a resume, such as versions,threads"),
    JSON_OPTION,
)


def sweep(recipe: str | None, **given: Any) -> None:
    """Train a recipe with every combination of a grid, a process each; run again, it does what is missing."""
    grid, jobs, threads, out, as_json = (given.pop(name) for name in ("grid", "jobs", "threads", "out", "as_json"))
    where = {name: given.pop(name) for name in ("engine", "partition", "time", "gpus", "cpus", "slurm")}
    where |= {"engine": where["engine"] or "local", "slurm": where["slurm"] or []}
    out = out or Path("runs") / Path(needed(recipe)).stem
    overrides = {key: value for key, value in given.items() if value is not None}
    try:
        with progress_aside(as_json):
            trials = heavy("runs.sweep").run_sweep(
                recipe, list(grid or []), overrides, out, jobs or 1, threads, console, **where
            )
    except KeyboardInterrupt as stop:
        left = "The trials that ran wrote checkpoints; the same command goes on"
        if where["engine"] == "slurm":
            left = "Its jobs go on in Slurm (squeue --me); the same command watches them again"
        raise stopped(stop, left) from None
    if as_json:
        rows = [{"trial": t.name, "run": t.path, "state": t.state, "reason": t.reason} for t in trials]
        print_json("sweep", {"folder": out, "trials": rows, "results": heavy("runs.sweep_results").rows_of(trials)})
    else:
        console.print(f"  compare them         learnerkit compare {out}")


SWEEP_OPTIONS = (
    option("grid", list[str], "an axis, such as fusion=all or seed=1,2,3; may be given several times", "--grid"),
    option("jobs", int, "trials at a time; 1 without it"),
    option("threads", int, "threads of each trial; the cores shared out without it"),
    option("out", Path, "the sweep's folder; runs/RECIPE without it"),
    option("engine", str, "where trials run: local, without it, or slurm for jobs of a cluster"),
    option("partition", str, "of the jobs; Slurm's own default without it"),
    option("time", str, "a job may run so long before it goes back to the queue and on from there, such as 2h"),
    option("gpus", int, "of each job"),
    option("cpus", int, "of each job; 1 without it"),
    option("slurm", list[str], "a further option of sbatch, such as account=lab; may be given several times"),
    JSON_OPTION,
)
