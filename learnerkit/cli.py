"""The command line. Heavy imports stand inside the commands: `--help` is instant, `doctor` can report a broken install.

Exit codes: 0 done, 1 training could not go on, 2 a fault of the user's that the message says how to repair, 130 and 143
stopped by Ctrl-C and SIGTERM.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from learnerkit import __version__
from learnerkit.core.errors import LearnerkitError, RecipeError, RunError, stopped
from learnerkit.core.signals import exit_at_sigterm
from learnerkit.core.warn import escape_unprintable, warnings_as_lines
from learnerkit.runs.options import option, recipe_parameters, refuse_foreign
from learnerkit.runs.recipes import load_recipe, recipe_names, resumed_recipe
from learnerkit.tasks import DEFAULT, all_recipes, recipe_of

console = Console(soft_wrap=True, markup=False, highlight=False)


def _heavy(module: str) -> Any:
    """A module of learnerkit that imports torch and fastai."""
    return import_module(f"learnerkit.{module}")


def _stoppable(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Run a training; a polite stop becomes its exit code."""
    try:
        return function(*args, **kwargs)
    except KeyboardInterrupt as stop:
        raise stopped(stop, "Where a checkpoint was written, `learnerkit train --resume RUN` goes on from it") from None


def _finish(path: Path) -> None:
    """Draw a finished run's report and say where everything is."""
    reports, run = _heavy("runs.report"), _heavy("core.run_folder").RunFolder.open(path)
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
    demos, out = _heavy("runs.demo"), out or Path("runs") / f"{which}-demo"
    prepared = demos.prepare_demo(which, out, console)
    if prepared.grid:
        demos.compare_demo(prepared, out, console)
    else:
        _finish(_stoppable(demos.train_demo, prepared, name))


def train(recipe: str | None, **given: Any) -> None:
    """Train a recipe into a run folder, evaluate the best weights once on the test part, and write the report."""
    out, name, resume, allow = given.pop("out"), given.pop("name"), given.pop("resume"), given.pop("allow")
    overrides = {key: value for key, value in given.items() if value is not None}
    if resume is not None:
        settings, out, name = resumed_recipe(resume, recipe, overrides), resume.parent, resume.name
    else:
        settings, out = load_recipe(_needed(recipe), overrides), out or Path("runs") / Path(recipe).stem
    allowed = tuple(filter(None, (allow or "").split(",")))
    run_training = _heavy("runs.train").train
    _finish(_stoppable(run_training, settings, out, name, resume=resume is not None, allow=allowed).path)


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
        _heavy("runs.sweep").run_sweep(recipe, list(grid or []), overrides, out, jobs or 1, threads, console)
    except KeyboardInterrupt as stop:
        raise stopped(stop, "The trials that ran wrote checkpoints; the same command goes on") from None
    console.print(f"  compare them         learnerkit compare {out}")


SWEEP_OPTIONS = (
    option("grid", list[str], "an axis, such as fusion=all or seed=1,2,3; may be given several times", "--grid"),
    option("jobs", int, "trials at a time; 1 without it"),
    option("threads", int, "threads of each trial; the cores shared out without it"),
    option("out", Path, "the sweep's folder; runs/RECIPE without it"),
)


def compare(
    roots: Annotated[list[Path], typer.Argument(help="folders of runs, such as a sweep's, or runs")],
    out: Annotated[Path | None, typer.Option(help="where table and page go; ROOT, or what holds all ROOTS")] = None,
) -> None:
    """Rank the finished runs below a folder, with intervals and tests, and write the table, pictures and page."""
    comparing = _heavy("runs.compare")
    comparison = comparing.compare_runs(roots)
    target = comparing.write_comparison(comparison, out)
    comparing.print_comparison(comparison, console)
    console.print(f"  written to           {target}")


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="a run folder; several are averaged as an ensemble")],
    tta: Annotated[int | None, typer.Option(help="test-time views")] = None,
    data: Annotated[str | None, typer.Option(help="other data: a labelled set, or unlabelled samples")] = None,
    codes: Annotated[bool, typer.Option(help="write class indices instead of names into predictions.csv")] = False,
    weights: Annotated[str, typer.Option(help="best, those that the monitor chose, or final")] = "best",
) -> None:
    """Measure a run's weights with and without TTA, on its own parts or on other data, or an ensemble of runs.

    Each evaluation has a folder of its own, by data, views and weights.
    """
    measures = _measures(runs[0])
    if len(runs) > 1:
        if tta or data or weights != "best":
            raise RecipeError("an ensemble averages what the runs hold; leave --tta, --data and --weights out")
        folder, results = _heavy("runs.ensemble").ensemble_runs(runs, codes=codes)
        for part in ("valid", "test"):
            if f"{part}_gain" in results:
                figures = (results[f"{part}_{key}"] for key in (measures[0], "single_mean", "single_best", "gain"))
                console.print(
                    "  {} {:.4f}   single runs: mean {:.4f}, best {:.4f}   gain {:+.4f}".format(part, *figures)
                )
    else:
        options = {key: value for key, value in (("tta", tta), ("codes", codes)) if value}
        evaluating = _heavy("runs.evaluate")
        folder, results = evaluating.evaluate_run(runs[0], data=data, weights=weights, **options)
        for line in evaluating.told(results, measures):
            console.print(f"  {line}")
    console.print(f"  written to           {folder}")


def _measures(path: Path) -> tuple[str, ...]:
    """The figures that the task of a run is measured by."""
    run = _heavy("core.run_folder").RunFolder.open(path)
    return _heavy("tasks").task_of(run.described(), path).measures


def report(
    runs: Annotated[list[Path] | None, typer.Argument(help="run folders")] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="every run below --root")] = False,
    root: Annotated[Path, typer.Option(help="where --all looks")] = Path("runs"),
) -> None:
    """Redraw figures and report.html of existing runs from their files."""
    folders = sorted({path.parent for path in root.rglob("run.json")}) if all_runs else list(runs or [])
    if not folders:
        raise RecipeError("which runs? Give run folders, or --all for every run below --root (runs)")
    write_report = _heavy("runs.report").write_report
    faults = []
    for folder in folders:
        try:
            console.print(str(write_report(folder)))
        except LearnerkitError as error:
            faults.append(str(error))
    if faults:
        raise RunError(f"{len(faults)} of {len(folders)} reports could not be made:\n  " + "\n  ".join(faults))


def doctor(
    data: Annotated[Path | None, typer.Argument(help="a data set to check as well")] = None,
    bad: Annotated[str, typer.Option(help="refuse tells faults, skip and clip what they would leave out")] = "refuse",
    figures: Annotated[Path | None, typer.Option(help="folder for pictures of the data's modalities")] = None,
) -> None:
    """Check the installation and the device and, with a path, the data."""
    if bad not in ("refuse", "skip", "clip"):
        raise RecipeError(f"--bad {bad}: refuse, skip or clip")
    lines, healthy = import_module("learnerkit.runs.doctor").examine(data, bad, figures)
    for good, text in lines:
        console.print(f"  { ({True: 'ok', None: 'warn'}.get(good, 'FAULT')):<5} {text}")
    if not healthy:
        raise typer.Exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Train, evaluate and report image experiments."""


def make_app() -> typer.Typer:
    """The commands, with an option for each field of the recipes of every task that is known now."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_options)
    demos = [f"{name}: {what}" for name, what in (recipe.DEMO for recipe in all_recipes().values()) if name]
    demo.__annotations__["which"] = Annotated[str, typer.Argument(help="; ".join(demos))]
    for function in (demo, compare, evaluate, report, doctor):
        app.command()(function)
    recipe, *fields = recipe_parameters()
    for function, own in ((train, TRAIN_OPTIONS), (sweep, SWEEP_OPTIONS)):
        function.__signature__ = inspect.Signature([recipe, *own, *fields])
        function.__annotations__ = {name: p.annotation for name, p in function.__signature__.parameters.items()}
        app.command()(function)
    return app


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; user errors are one message, never a traceback.

    words: of the command line, such as ['train', 'digits']; those of this process when None.
    """
    escape_unprintable()
    words = list(sys.argv[1:] if words is None else words)
    try:
        with warnings_as_lines(lambda line: typer.echo(line, err=True)), exit_at_sigterm():
            refuse_foreign(words)
            make_app()(args=words, prog_name="learnerkit")
    except LearnerkitError as error:
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    except OSError as error:  # of a place that no other words were found for
        if error.filename is None:
            raise
        typer.echo(f"error: {error.filename}: {error.strerror}", err=True)
        return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
