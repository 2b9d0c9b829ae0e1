"""The command that tells two runs apart: `diff`."""

from pathlib import Path
from typing import Annotated

import typer

from learnerkit.commands.shared import AsJson, console, heavy, print_json


def diff(
    first: Annotated[Path, typer.Argument(help="a run's folder, called A")],
    second: Annotated[Path, typer.Argument(help="another run's folder of the same task, called B")],
    out: Annotated[Path | None, typer.Option(help="where the page goes; diff-A-B beside the runs without it")] = None,
    data: Annotated[Path | None, typer.Option(help="where the data are now, for pictures that no run kept")] = None,
    samples: Annotated[int, typer.Option(min=0, help="pictures of each kind of flip at most")] = 24,
    as_json: AsJson = False,
) -> None:
    """Say what differs between two runs: settings, environment, data, course, figures, classes, flipped samples."""
    differing, telling = heavy("runs.diff"), heavy("runs.diff_told")
    writing = heavy("runs.diff_page")
    target = writing.diff_folder(first, second, out)
    found = differing.diff_runs(first, second, data, samples)
    page = writing.write_diff(found, target)
    if as_json:
        print_json("diff", {**telling.content(found, samples), "page": str(page)})
        return
    for line in telling.told(found):
        console.print(f"  {line}")
    console.print(f"  written to           {page}")
