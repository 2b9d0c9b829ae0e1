"""The commands that do a training again: `replay`, `reproduce`."""

from pathlib import Path
from typing import Annotated

import typer

from learnerkit.commands.shared import AsJson, console, heavy, print_json


def replay(
    run: Annotated[Path, typer.Argument(help="a run of `learnerkit train`")],
    step: Annotated[int, typer.Option(min=1, help="of the training, as batch_metrics.csv counts it, from 1")],
    data: Annotated[Path | None, typer.Option(help="where the data are now, where they have moved")] = None,
    out: Annotated[Path | None, typer.Option(help="a folder; replays/step_NUMBER in the run")] = None,
    as_json: AsJson = False,
) -> None:
    """Go through one training batch again: as the model saw it, with the loss and the gradient of each sample.

    Exits with 1 where the loss is not the recorded one.
    """
    replaying, writing = heavy("runs.replay"), heavy("runs.replayed")
    found = replaying.replay_step(run, step, data)
    folder = writing.write_replay(found, out)
    if as_json:
        print_json("replay", {**found.facts(), "folder": folder})
    else:
        for line in writing.told(found):
            console.print(f"  {line}")
        console.print(f"  written to           {folder}")
    if not found.same:
        raise typer.Exit(1)
