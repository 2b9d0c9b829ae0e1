"""The commands that measure: `compare`, `evaluate`, `profile`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from learnerkit.commands.shared import (
    UNTIL,
    AsJson,
    confidence,
    console,
    heavy,
    numbers,
    print_json,
    progress_aside,
    show,
)
from learnerkit.core.errors import RecipeError, RunError, nearest

PRECISIONS = ("fp32", "bf16", "fp16")


def compare(
    roots: Annotated[list[Path], typer.Argument(help="folders of runs, such as a sweep's, or runs")],
    out: Annotated[Path | None, typer.Option(help="where table and page go; ROOT, or what holds all ROOTS")] = None,
    as_json: AsJson = False,
) -> None:
    """Rank the finished runs below a folder, with intervals and tests, and write the table, pictures and page."""
    comparing = heavy("runs.compare")
    comparison = comparing.compare_runs(roots)
    target = comparing.write_comparison(comparison, out)
    if as_json:
        print_json("compare", {"page": target, **comparing.facts_of(comparison)})
        return
    comparing.print_comparison(comparison, console)
    console.print(f"  written to           {target}")


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="a run folder; several are averaged as an ensemble")],
    tta: Annotated[int | None, typer.Option(help="test-time views")] = None,
    until: Annotated[str | None, typer.Option(help=UNTIL)] = None,
    data: Annotated[str | None, typer.Option(help="other data: a labelled set, or unlabelled samples")] = None,
    codes: Annotated[bool, typer.Option(help="write class indices instead of names into predictions.csv")] = False,
    weights: Annotated[str, typer.Option(help="best, those that the monitor chose, or final")] = "best",
    as_json: AsJson = False,
) -> None:
    """Measure a run's weights with and without TTA, on its own parts or on other data, or an ensemble of runs.

    Each evaluation has a folder of its own, by data, views and weights.
    """
    measures = _measures(runs[0])
    if len(runs) > 1 and (tta or data or weights != "best"):
        raise RecipeError("an ensemble averages what the runs hold; leave --tta, --data and --weights out")
    with progress_aside(as_json):
        if len(runs) > 1:
            folder, results = heavy("runs.ensemble").ensemble_runs(runs, codes=codes, until=confidence(until))
            lines = _told_gain(results, measures[0])
        else:
            given = {"tta": tta, "until": confidence(until), "codes": codes}
            options = {key: value for key, value in given.items() if value}
            evaluating = heavy("runs.evaluate")
            folder, results = evaluating.evaluate_run(runs[0], data=data, weights=weights, **options)
            lines = evaluating.told(results, measures)
    show("evaluate", as_json, {"runs": runs, "folder": folder, "results": results}, lines, folder)


def _told_gain(results: dict[str, Any], measure: str) -> list[str]:
    """What an ensemble gained, a line a part."""
    form, keys = (
        "{} {:.4f}   single runs: mean {:.4f}, best {:.4f}   gain {:+.4f}",
        ("single_mean", "single_best", "gain"),
    )
    parts = [part for part in ("valid", "test") if f"{part}_gain" in results]
    return [form.format(part, *(results[f"{part}_{key}"] for key in (measure, *keys))) for part in parts]


def _measures(path: Path) -> tuple[str, ...]:
    """The figures that the task of a run is measured by."""
    run = heavy("core.run_folder").RunFolder.open(path)
    return heavy("tasks").task_of(run.described(), path).measures


def profile(
    target: Annotated[str, typer.Argument(help="a finished run's folder, or a model's name such as resnet18")],
    sizes: Annotated[str | None, typer.Option(help="sides in pixels, such as 32,64; a run's own, else 32")] = None,
    bs: Annotated[str, typer.Option(help="images at a time, such as 1,16")] = "1",
    precision: Annotated[str | None, typer.Option(help="fp32, bf16, fp16 or several; a run's own, else fp32")] = None,
    training: Annotated[bool, typer.Option("--training", help="measure training steps as well")] = False,
    compile: Annotated[bool, typer.Option("--compile", help="measure what torch.compile makes of it as well")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="timed passes")] = 30,
    threads: Annotated[int | None, typer.Option(min=1, help="of a CPU; those of this process without it")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; cuda where there is one")] = None,
    n_in: Annotated[int, typer.Option(min=1, help="channels, of a model by name")] = 3,
    n_out: Annotated[int, typer.Option(min=1, help="classes, of a model by name")] = 10,
    out: Annotated[Path | None, typer.Option(help="where it is written, of a model by name; profiles/NAME")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency, throughput, operations and memory of a run's best weights or of a model, by one protocol."""
    profiling = heavy("runs.profile")
    wanted = profiling.Wanted(
        numbers("--sizes", sizes),
        numbers("--bs", bs),
        _precisions(precision),
        training,
        compile,
        repeats,
        threads,
        device,
    )
    if Path(target).is_dir():
        if out is not None:
            raise RecipeError(f"--out {out}: a run's profile is written into the run, {target}/profile; leave it out")
        folder, rows = profiling.profile_run(target, wanted)
    elif "/" in target and ":" not in target:
        raise RunError(f"{target}: no such folder; give a finished run's, or a model's name such as resnet18")
    else:
        wanted = wanted if wanted.size else replace(wanted, size=(32,))
        folder, rows = profiling.profile_name(
            target, out or Path("profiles") / target.replace(":", "_"), wanted, n_in, n_out
        )
    if as_json:
        print_json("profile", {"target": target, "folder": folder, "rows": rows})
        return
    heavy("pages.profile").print_profile(rows, console)
    console.print(f"  written to           {folder}")


def _precisions(text: str | None) -> tuple[str, ...]:
    found = tuple((text or "").replace(" ", "").split(",")) if text else ()
    if wrong := [word for word in found if word not in PRECISIONS]:
        raise RecipeError(f"--precision {text}: {nearest(wrong[0], PRECISIONS)}")
    return found
