"""What a replayed step leaves: a picture of the batch as the model saw it, and a table of its samples."""

from pathlib import Path
from typing import Any

from matplotlib import pyplot

from learnerkit.core.files import PathLike, atomic_write, made_folder, write_json
from learnerkit.core.run_folder import csv_text
from learnerkit.core.text import short_count
from learnerkit.pages.figure import write_figures
from learnerkit.runs.replay import Replayed

SHOWN = 12  # samples of the picture, those of the greatest losses


def write_replay(found: Replayed, out: PathLike | None = None) -> Path:
    """Write replay.json, samples.csv and batch.png of a replayed step; returns the folder.

    out: the folder; replays/step_NUMBER in the run when None.
    """
    folder = made_folder(found.run.file("replays") / f"step_{found.step:06d}" if out is None else Path(out))
    write_json(folder / "replay.json", found.facts())
    atomic_write(folder / "samples.csv", csv_text(found.samples))
    write_figures(folder, {"batch": draw_batch(found)})
    return folder


def draw_batch(found: Replayed, shown: int = SHOWN) -> Any:
    """The samples of the greatest losses as the model saw them, each with its loss and the norm of its gradient."""
    order = sorted(range(len(found.samples)), key=lambda number: -found.samples[number]["loss"])[:shown]
    batch = tuple(part[order] for part in (*found.xb, *found.yb))
    before = set(pyplot.get_fignums())
    found.learn.dls.train.show_batch(b=batch, max_n=len(order))
    figure = pyplot.gcf()
    for number in set(pyplot.get_fignums()) - before:
        pyplot.close(number)
    panels = [panel for panel in figure.axes if panel.images]
    each = len(panels) // len(order)
    for number, place in enumerate(order):
        panel = panels[number * each]
        panel.set_title(_title(found.samples[place], panel.get_title()), fontsize=8, **_aside(each))
    figure.set_layout_engine("constrained")
    return figure


def _aside(each: int) -> dict[str, float]:
    return {"x": 1.1} if each == 2 else {}


def _title(row: dict[str, Any], label: str) -> str:
    if "kept" in row:
        label = f"{row['kept']:.0%} {label}"
    return f"{label}\nloss {row['loss']:.3g}, gradient {row['gradient_norm']:.3g}".strip()


def told(found: Replayed) -> list[str]:
    """What is printed of a replayed step."""
    said = "the recorded one" if found.same else f"and recorded was {found.recorded:.9g}"
    begun = found.begun or "the beginning"
    worst = sorted(found.samples, key=lambda row: -row["loss"])[:5]
    lines = [
        f"step {found.step:,}              epoch {found.epoch}, batch {found.batch}, rate {found.lr:.6g}",
        f"loss                 {found.loss:.9g}, {said}",
        f"gone on from         {begun}, {short_count(found.trained)} steps trained again",
        f"greatest of {len(found.samples)} samples:",
    ]
    return lines + [
        f"  {row['id']:<24} loss {row['loss']:<9.4g} gradient {row['gradient_norm']:<9.4g} {_mixed(row)}"
        for row in worst
    ]


def _mixed(row: dict[str, Any]) -> str:
    return f"{row['kept']:.0%} of it, with {row['mixed_with']}" if "kept" in row else ""
