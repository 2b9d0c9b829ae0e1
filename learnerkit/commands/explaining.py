"""The commands that ask more of a run: `explain`, `suspects`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from learnerkit.commands.shared import AsJson, console, heavy, numbers, print_json, progress_aside
from learnerkit.core.errors import RecipeError

MOST_ROWS = 12  # of a table that are printed


def explain(
    runs: Annotated[list[Path], typer.Argument(help="finished runs; several are explained on the same images")],
    methods: Annotated[str | None, typer.Option(help="gradcam, layercam, saliency, integrated_gradients, ...")] = None,
    sizes: Annotated[str | None, typer.Option(help="further sides in pixels at which images are explained")] = None,
    images: Annotated[int | None, typer.Option(min=1, help="how many, half of them wrong predictions")] = None,
    layer: Annotated[str, typer.Option(help="early, middle, late, or a layer's name such as layer3.1")] = "late",
    controls: Annotated[bool, typer.Option(help="measure whether the maps mean anything")] = True,
    score: Annotated[float, typer.Option(min=0, max=1, help="the least score of a detection")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="of the choice of images and of the controls")] = 0,
    data: Annotated[Path | None, typer.Option(help="where the data are now, where they have moved")] = None,
    out: Annotated[Path | None, typer.Option(help="where the agreement of several runs goes")] = None,
    as_json: AsJson = False,
) -> None:
    """Explain what a run's predictions or detections came from, with controls, and put it on the run's page.

    Without --methods Grad-CAM and saliency; integrated_gradients, smoothgrad and deeplift need the extra `explain`.
    """
    explaining, asked = heavy("runs.explain"), heavy("explain.methods")
    names = tuple((methods or "").replace(" ", "").split(",")) if methods else ()
    for name in names:
        asked.method_of(name)
    if out is not None and len(runs) == 1:
        raise RecipeError(f"--out {out}: is for several runs; what is explained of one stands in it")
    wanted = asked.Asked(
        methods=names,
        layer=layer,
        at=numbers("--sizes", sizes),
        images=images,
        controls=controls,
        score=score,
        seed=seed,
    )
    with progress_aside(as_json):
        folder, found = explaining.explain_runs(runs, wanted, data, out)
    if as_json:
        print_json(
            "explain", {"folder": folder, "explained": [_facts(*pair) for pair in zip(runs, found, strict=True)]}
        )
        return
    for run, explained in zip(runs, found, strict=True):
        facts = explained.facts
        counts = [f"{facts[key]:,} {key}" for key in ("images", "frames", "detections") if key in facts]
        console.print(f"  explained            {', '.join(counts)} of the {facts.get('part', 'whole')} part")
        for note in explained.notes:
            console.print(f"  {run}: not explained: {note}")
        for table in explained.tables:
            console.print(f"  {table.title}")
            for line in _aligned(table.heads, table.rows[:MOST_ROWS]):
                console.print(f"    {line}")
            if len(table.rows) > MOST_ROWS:
                console.print(f"    ... and {len(table.rows) - MOST_ROWS} rows more on the page")
    console.print(f"  written to           {folder}")
    for run in runs:
        console.print(f"  page                 {run / 'report.html'}")


def _facts(run: Path, explained: Any) -> dict[str, Any]:
    """What was found of a run as JSON has it."""
    tables = [{"title": table.title, "heads": table.heads, "rows": table.rows} for table in explained.tables]
    return {"run": run, "facts": explained.facts, "notes": explained.notes, "tables": tables}


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, its heads first, each column as wide as its widest text."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    ]


def suspects(
    run: Annotated[Path, typer.Argument(help="a finished run")],
    folds: Annotated[int, typer.Option(min=2, help="models that are trained, each without one fold")] = 5,
    epochs: Annotated[int | None, typer.Option(min=1, help="of each; those of the run without it")] = None,
    data: Annotated[Path | None, typer.Option(help="where the data are now, where they have moved")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the folds")] = 0,
    as_json: AsJson = False,
) -> None:
    """Find labels of a run's set that are probably wrong, from predictions out of fold; needs the extra `clean`."""
    with progress_aside(as_json):
        folder, table = heavy("runs.suspects").find_suspects(run, data, folds, epochs, seed)
    if as_json:
        print_json("suspects", {"run": run, "folder": folder, "suspects": table.to_dict("records")})
        return
    for row in table.head(MOST_ROWS).itertuples():
        console.print(f"  {row.id} ({row.part}): {row.label}, rather {row.suggested} {row.suggested_probability:.0%}")
    counts = ", ".join(f"{n:,} of {part}" for part, n in table["part"].value_counts(sort=False).items())
    console.print(f"  suspected labels     {len(table):,}{f' ({counts})' if counts else ''}")
    console.print(f"  written to           {folder}")
    console.print(f"  page                 {run / 'report.html'}")
