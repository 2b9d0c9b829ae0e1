"""Pictures of the numbers of a data set: its classes, parts, brightness and sizes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.members import PARTS
from learnerkit.core.text import some
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

COLOURS = {"train": "#4878a8", "valid": "#e0a03c", "test": "#9a5b8d", "": "#b8c1c9"}  # of parts; '' is in none
MARKS = {"train": "o", "valid": "s", "test": "D"}
A_COLUMN, MOST_COLUMNS = 25, 4  # classes below one another, and columns beside one another
ENDS = 12  # classes that are shown of the darkest, and of the brightest
LETTERS = 22
LINE = 0.21  # inches of a class


def draw_class_distribution(classes: Sequence[dict[str, Any]], things: str) -> Figure:
    """How many there are of each class, the parts in colours.

    classes: rows of `data.balance.class_counts`; things: what is counted, such as 'images'.
    """
    figure, columns, left = _class_panels(classes)
    sums = {part: sum(row[part] for row in classes) for part in PARTS}
    sums[""] = sum(row["all"] for row in classes) - sum(sums.values())
    for panel, rows in columns:
        places, begin = np.arange(len(rows)), np.zeros(len(rows))
        for part in (*PARTS, ""):
            counts = np.array([row[part] if part else row["all"] - sum(row[p] for p in PARTS) for row in rows])
            if sums[part]:
                panel.barh(places, counts, left=begin, color=COLOURS[part], label=part or "in no part", height=0.72)
            begin = begin + counts
        for place, row in zip(places, rows, strict=True):
            panel.text(row["all"], place, f" {row['all']:,}", va="center", fontsize=7, color="#5b6b7a")
        panel.set_xlim(0, 1.14 * max(1, *(row["all"] for row in classes)))
        panel.set_xlabel(things)
    _finish(figure, columns, f"{things.capitalize()} of each class", left)
    return figure


def draw_split_comparison(classes: Sequence[dict[str, Any]], things: str) -> Figure | None:
    """The share of each class in train, valid and test, beside one another: where they differ the marks lie apart.

    None where nothing is in a part.
    """
    sums = {part: sum(row[part] for row in classes) for part in PARTS}
    parts = [part for part in PARTS if sums[part]]
    if not parts:
        return None
    figure, columns, left = _class_panels(classes)
    most = max(row[part] / sums[part] for row in classes for part in parts)
    for panel, rows in columns:
        places = np.arange(len(rows))
        shares = np.array([[100 * row[part] / sums[part] for row in rows] for part in parts])
        panel.hlines(places, shares.min(axis=0), shares.max(axis=0), color="#c8d0d8", linewidth=2.5, zorder=1)
        for part, values in zip(parts, shares, strict=True):
            look = {"color": COLOURS[part], "marker": MARKS[part], "s": 26, "zorder": 2, "alpha": 0.9}
            panel.scatter(values, places, label=f"{part} ({sums[part]:,})", **look)
        panel.set_xlim(0, 108 * most)
        panel.set_xlabel(f"% of the part's {things}")
        panel.grid(axis="x", color="#eef1f4")
        panel.set_axisbelow(True)
    _finish(figure, columns, "Share of each class in each part", left)
    return figure


def _class_panels(classes: Sequence[dict[str, Any]]) -> tuple[Figure, list[tuple[Any, Sequence[dict]]], list[str]]:
    """A figure with columns of classes, each with its rows, and the names of classes that found no room."""
    shown, left = _with_room(classes)
    n = max(1, -(-len(shown) // A_COLUMN))
    each = max(1, -(-len(shown) // n))
    figure, axes = new_figure(7.5 if n == 1 else 3.1 * n, LINE * each + 1.5, 1, n)
    columns = []
    for number, panel in enumerate(np.atleast_1d(axes)):
        rows = shown[number * each : (number + 1) * each]
        panel.set_yticks(range(len(rows)), [plain_text(row["name"], LETTERS) for row in rows], fontsize=8)
        panel.set_ylim(each - 0.4, -0.6)
        panel.tick_params(axis="x", labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        columns.append((panel, rows))
    return figure, columns, left


def _with_room(classes: Sequence[dict[str, Any]]) -> tuple[list[dict], list[str]]:
    """The classes that a figure has room for: of too many the largest and the smallest, in their order."""
    room = A_COLUMN * MOST_COLUMNS
    if len(classes) <= room:
        return list(classes), []
    order = sorted(range(len(classes)), key=lambda row: -classes[row]["all"])
    chosen = {*order[: room // 2], *order[-room // 2 :]}
    rows = [row for number, row in enumerate(classes) if number in chosen]
    return rows, [row["name"] for number, row in enumerate(classes) if number not in chosen]


def _finish(figure: Figure, columns: list[tuple[Any, Any]], title: str, left: list[str]) -> None:
    handles, labels = columns[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(labels)), fontsize=8, frameon=False)
    half = A_COLUMN * MOST_COLUMNS // 2
    note = f"\nthe {half} largest and {half} smallest; without {plain_text(some(left), 70)}" if left else ""
    figure.suptitle(title + note, fontsize=11)


def draw_brightness(means: np.ndarray, parts: np.ndarray, classes: Sequence[dict[str, Any]]) -> Figure:
    """How bright the images of each part are and, where there are classes, those of each: mean and deviation.

    means: brightness in 0..1 [N]; parts: the part of each [N]; classes: rows of `data.look_facts.class_brightness`.
    """
    shown = sorted(classes, key=lambda row: row["mean"])
    shown = shown if len(shown) <= 2 * ENDS else [*shown[:ENDS], *shown[-ENDS:]]
    columns = 2 if shown else 1
    figure, axes = new_figure(4.75 * columns + (2 - columns), max(3.4, LINE * len(shown) + 1.3), 1, columns)
    panels = np.atleast_1d(axes)
    bins = np.linspace(0, 1, 1 + int(np.clip(2 * np.sqrt(len(means)), 10, 40)))
    for part in (*PARTS, ""):
        if (own := means[parts == part]).size:
            look = {"color": COLOURS[part], "label": f"{part or 'in no part'} ({len(own):,})"}
            panels[0].hist(own, bins, weights=np.full(len(own), 100 / len(own)), histtype="step", linewidth=1.6, **look)
    panels[0].set(xlabel="brightness of an image", ylabel="% of the part", xlim=(0, 1))
    panels[0].set_title("by part", fontsize=10)
    panels[0].legend(fontsize=8, frameon=False)
    if shown:
        few = f", the {ENDS} darkest and brightest of {len(classes)}" if len(shown) < len(classes) else ""
        _draw_class_brightness(panels[1], shown, f"by class{few}")
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_class_brightness(panel: Any, rows: Sequence[dict[str, Any]], title: str) -> None:
    places, spread = np.arange(len(rows)), [row["deviation"] for row in rows]
    look = {"fmt": "o", "color": COLOURS["train"], "ecolor": "#b5c7da", "elinewidth": 3, "markersize": 5}
    panel.errorbar([row["mean"] for row in rows], places, xerr=spread, **look)
    panel.set_yticks(places, [plain_text(row["name"], LETTERS) for row in rows], fontsize=8)
    panel.set(xlabel="mean and deviation", xlim=(0, 1), ylim=(-0.7, len(rows) - 0.3))
    panel.set_title(title, fontsize=10)


def draw_sizes(widths: np.ndarray, heights: np.ndarray) -> Figure | None:
    """Width against height of the images, a dot's area by their number; None where all are alike."""
    sides, counts = np.unique(np.stack([widths, heights]), axis=1, return_counts=True)
    if len(counts) == 1:
        return None
    figure, panel = new_figure(6.5, 4.6)
    areas = 18 + 260 * counts / counts.max()
    panel.scatter(*sides, s=areas, color=COLOURS["train"], alpha=0.45, edgecolor="white", linewidth=0.5)
    most = 1.06 * sides.max()
    panel.plot([0, most], [0, most], color="#c8d0d8", linewidth=1, zorder=0)
    panel.text(most, most, "square ", fontsize=8, color="#5b6b7a", ha="right", va="bottom")
    panel.set(xlim=(0, most), ylim=(0, most), xlabel="width in pixels", ylabel="height in pixels")
    panel.set_title(
        f"{len(counts):,} sizes of {counts.sum():,} images; the commonest {counts.max():,} times", fontsize=10
    )
    panel.spines[["top", "right"]].set_visible(False)
    return figure
