"""The page of a difference, flips.csv and the picture of the courses beside it."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure

from learnerkit import __version__
from learnerkit.core.changed import BOOKKEEPING, FOLLOWS, SEED, SETTING, Change
from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike, atomic_write, made_folder
from learnerkit.core.parted import read_batches
from learnerkit.core.run_folder import csv_text
from learnerkit.core.text import some
from learnerkit.pages.changes import class_table, figure_table, shared_text
from learnerkit.pages.charts import Chart, Curve
from learnerkit.pages.figure import new_figure, whole_epochs, write_figures
from learnerkit.pages.letters import plain_text
from learnerkit.pages.page import Picture, Table, embedded, render
from learnerkit.pages.shown_blocks import shown_blocks
from learnerkit.runs.diff import Difference, diff_runs
from learnerkit.runs.diff_told import course_text, data_text, standing

MOST_ROWS = 200  # flips that the page lists; flips.csv has all
KINDS = {SETTING: "setting", SEED: "seed", FOLLOWS: "follows", BOOKKEEPING: "bookkeeping"}
FLIP_HEADS = "id,part,right"


def diff_folder(first: PathLike, second: PathLike, out: PathLike | None = None) -> Path:
    """Where the page of two runs goes: `out`, or diff-A-B in the folder that holds both. RunError inside a run.

    first, second: run folders.
    """
    runs = [Path(first), Path(second)]
    if out is None:
        root = _common(runs)
        names = [os.path.relpath(run.absolute(), root.absolute()).replace(os.sep, "-") for run in runs]
        return root / f"diff-{'-'.join(names)}"
    target = Path(out).absolute()
    held = next((folder for folder in (target, *target.parents) if (folder / "run.json").exists()), None)
    if held is not None:
        raise RunError(f"--out {out}: lies in the run {held}, and no run is written into; choose another folder")
    return Path(out)


def _common(runs: list[Path]) -> Path:
    """The nearest folder that holds both and lies in no run; the working folder where that would be the root."""
    root = Path(os.path.commonpath([run.absolute().parent for run in runs]))
    inside = [folder for folder in (root, *root.parents) if (folder / "run.json").exists()]
    root = inside[-1].parent if inside else root
    if root == Path(root.anchor):
        return Path()
    return root if any(run.is_absolute() for run in runs) else Path(os.path.relpath(root))


def write_diff(found: Difference, out: PathLike) -> Path:
    """Write diff.html, flips.csv and the pictures into a folder; returns the page.

    found: of `diff_runs`; out: the folder, see `diff_folder`.
    """
    out = made_folder(Path(out))
    rows = found.changes.flips
    atomic_write(out / "flips.csv", csv_text(rows) if rows else f"{FLIP_HEADS}\n")
    charts = course_charts(found)
    files = write_figures(out, {"courses": draw_charts(charts)} if charts else {})
    page = render(
        "diff.html.j2",
        [Picture("Courses", embedded(file), charts) for file in files.values()],
        name=" and ".join(side.run.path.resolve().name for side in found.sides),
        version=__version__,
        headline=found.headline,
        sides=[(side.name, str(side.run.path), standing(side)) for side in found.sides],
        notes=found.notes,
        settings=_settings(found),
        course=course_text(found.course),
        figures=figure_table(found.changes) if found.changes.figures else None,
        shared=shared_text(found.changes),
        counts=[(what, f"{number:,}") for what, number in found.changes.counts.items()],
        counted=found.changes.part,
        classes=class_table(found.changes) if found.changes.classes else None,
        blocks=shown_blocks(found.changes.galleries),
        flips=_flips(found),
        data=data_text(found),
        surroundings=_surroundings(found),
    )
    return atomic_write(out / "diff.html", page)


def difference_page(runs: Sequence[PathLike]) -> str:
    """The page of what differs between two runs, made in a folder that is gone afterwards; RunError for more of them.

    runs: run folders.
    """
    if len(runs) != 2:
        raise RunError(f"{len(runs)} runs: a difference is of two; compare shows more of them")
    with TemporaryDirectory() as folder:
        return write_diff(diff_runs(*runs), folder).read_text(encoding="utf-8")


def _settings(found: Difference) -> Table | None:
    rows = [(change.key, *change.words, KINDS[change.kind]) for change in found.settings]
    note = (
        "The most telling first. 'follows' is what another setting brings with it, 'bookkeeping' what changes neither "
        "weights nor figures."
    )
    return Table("Settings that differ", ("setting", "A", "B", "kind"), rows, note, text=True) if rows else None


def _surroundings(found: Difference) -> list[Table]:
    tables = [
        Table(title, ("what", "A", "B"), [_row(change) for change in changes], text=True, long=len(changes) > 20)
        for title, changes in (("Data", found.data), ("Environment", found.environment))
        if changes
    ]
    if found.members and (lines := found.members.lines()):
        rows = [(text, f"{len(ids):,}", some(ids, 5)) for text, ids in lines]
        tables.insert(0, Table("Samples of the parts", ("samples", "number", "such as"), rows, text=True))
    return tables


def _row(change: Change) -> tuple[str, str, str]:
    return change.key, *change.words


def _flips(found: Difference) -> Table | None:
    rows = found.changes.flips
    if not rows:
        return None
    cells = [tuple(str(value) for value in row.values()) for row in rows[:MOST_ROWS]]
    note = f"The first {MOST_ROWS} of {len(rows):,}; all stand in flips.csv." if len(rows) > MOST_ROWS else ""
    heads = tuple(key.replace("_", " ") for key in rows[0])
    return Table("Every flip", heads, cells, note or "The same stand in flips.csv.", long=True)


def course_charts(found: Difference) -> list[Chart]:
    """Both runs' loss a step, then their losses, the task's figure and the rate over the epochs, two lines each."""
    monitor = found.first.described.get("monitor", "valid_loss")
    curve = found.task.ranking.curve or (monitor, monitor)
    titles = {"train_loss": "Training loss", "valid_loss": "Validation loss", curve[0]: curve[1], "lr": "Learning rate"}
    ledgers = [{row["epoch"]: row for row in side.history if "epoch" in row} for side in found.sides]
    epochs = sorted({*ledgers[0], *ledgers[1]})
    charts = []
    for key, title in titles.items():
        columns = [{epoch: row.get(key) for epoch, row in ledger.items()} for ledger in ledgers]
        charts.append(Chart(title, "epoch", epochs, _curves(columns, epochs)))
    batches = [read_batches(side.run.file("batch_metrics.csv")) for side in found.sides]
    steps = sorted({*batches[0], *batches[1]})
    parted = found.course.parted
    note = f"The line marks step {parted.step:,}, where the losses part." if parted else ""
    losses = _curves([{step: row[1] for step, row in run.items()} for run in batches], steps)
    charts.insert(0, Chart("Loss of each step", "step", steps, losses, parted.step if parted else None, note))
    return [chart for chart in charts if any(value is not None for line in chart.curves for value in line.values)]


def _curves(columns: list[dict], places: list[int]) -> list[Curve]:
    """A line a run; columns: of each its values by their place."""
    return [Curve("AB"[n], [held.get(place) for place in places], n) for n, held in enumerate(columns)]


def draw_charts(charts: list[Chart]) -> Figure:
    """The same as a picture, for print and where no script runs."""
    lines = -(-len(charts) // 2)
    figure, axes = new_figure(11, 3.3 * lines, lines, 2, squeeze=False)
    for panel in axes.flat[len(charts) :]:
        panel.set_axis_off()
    for panel, chart in zip(axes.flat, charts, strict=False):
        for curve, style in zip(chart.curves, ("-", "--"), strict=True):
            values = [float("nan") if value is None else value for value in curve.values]
            panel.plot(
                chart.x, values, style, marker="o" if len(chart.x) < 30 else None, markersize=3, label=curve.label
            )
        if chart.best is not None:
            panel.axvline(chart.best, color="grey", linewidth=0.8)
        panel.set(title=plain_text(chart.title), xlabel=chart.x_label)
        panel.grid(alpha=0.3)
        panel.legend()
        whole_epochs(panel)
    return figure
