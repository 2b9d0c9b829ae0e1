"""The commands that measure: `compare`, `evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from learnerkit.commands.shared import console, heavy
from learnerkit.core.errors import RecipeError


def compare(
    roots: Annotated[list[Path], typer.Argument(help="folders of runs, such as a sweep's, or runs")],
    out: Annotated[Path | None, typer.Option(help="where table and page go; ROOT, or what holds all ROOTS")] = None,
) -> None:
    """Rank the finished runs below a folder, with intervals and tests, and write the table, pictures and page."""
    comparing = heavy("runs.compare")
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
        folder, results = heavy("runs.ensemble").ensemble_runs(runs, codes=codes)
        for part in ("valid", "test"):
            if f"{part}_gain" in results:
                figures = (results[f"{part}_{key}"] for key in (measures[0], "single_mean", "single_best", "gain"))
                console.print(
                    "  {} {:.4f}   single runs: mean {:.4f}, best {:.4f}   gain {:+.4f}".format(part, *figures)
                )
    else:
        options = {key: value for key, value in (("tta", tta), ("codes", codes)) if value}
        evaluating = heavy("runs.evaluate")
        folder, results = evaluating.evaluate_run(runs[0], data=data, weights=weights, **options)
        for line in evaluating.told(results, measures):
            console.print(f"  {line}")
    console.print(f"  written to           {folder}")


def _measures(path: Path) -> tuple[str, ...]:
    """The figures that the task of a run is measured by."""
    run = heavy("core.run_folder").RunFolder.open(path)
    return heavy("tasks").task_of(run.described(), path).measures
