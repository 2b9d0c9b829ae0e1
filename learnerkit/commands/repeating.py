"""The commands that do a training again: `replay`, `reproduce`."""

from pathlib import Path
from typing import Annotated

import typer

from learnerkit.commands.shared import AsJson, heavy, progress_aside, show, stoppable


def replay(
    run: Annotated[Path, typer.Argument(help="a run folder")],
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
    show("replay", as_json, {**found.facts(), "folder": folder}, writing.told(found), folder)
    if not found.same:
        raise typer.Exit(1)


def reproduce(
    source: Annotated[Path, typer.Argument(help="report.html of a finished run, or its folder")],
    data: Annotated[Path | None, typer.Option(help="where the data are now, where they have moved")] = None,
    out: Annotated[Path, typer.Option(help="the folder of the run that is trained")] = Path("runs") / "reproduced",
    name: Annotated[str | None, typer.Option(help="its name; the date and a number without it")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="of a CPU; those recorded without it")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a run again from its page alone: `identical`, or the first step that differs and the likely cause.

    Exits with 1 where the weights are others.
    """
    reproducing = heavy("runs.reproduce")
    with progress_aside(as_json):
        found = stoppable(reproducing.reproduce_run, source, data, out, name, threads)
    show("reproduce", as_json, reproducing.facts_of(found), reproducing.told(found), found.folder)
    if not found.identical:
        raise typer.Exit(1)
