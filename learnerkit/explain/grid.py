"""Pictures of maps over their images."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from learnerkit.explain.overlay import overlay
from learnerkit.pages.figure import new_figure

SIDE = 1.55  # inches of a picture's shorter side
GAP = 0.1  # inches between pictures
LINE = 0.135  # inches of a line of text
LETTERS = 12  # of a title, an inch
RIGHT, WRONG = "#1a7f37", "#c62828"


class Cell(NamedTuple):
    """A picture uint8 [C,H,W], the map [h,w] that is laid over it, where there is one, and its texts."""

    image: np.ndarray
    map: np.ndarray | None = None
    title: str = ""
    color: str = "black"
    bare: bool = False  # without a map on purpose
    greatest: float | None = None  # see `overlay`


def draw_cells(rows: Sequence[Sequence[Cell]], heads: Sequence[str], title: str = "", small: str = "") -> Figure:
    """Pictures in rows and columns, each with its map; a map that says nothing is called so.

    heads: of the columns; title, small: above them.
    """
    columns = max(len(row) for row in rows)
    height, width = rows[0][0].image.shape[1:]
    wide, high = SIDE * max(1.0, width / height), SIDE * max(1.0, height / width)
    whole = columns * (wide + GAP) + GAP
    small = fill(small, max(24, int(LETTERS * whole)))
    title = "\n".join(filter(None, (title, small)))
    lines = max(cell.title.count("\n") + bool(cell.title) for row in rows for cell in row)
    of_heads = max((head.count("\n") + 1 for head in heads), default=0)
    above, of_row = LINE * (1 + title.count("\n")) * 1.3 + LINE * of_heads + 0.1, high + LINE * lines + 0.12
    figure, axes = new_figure(whole, len(rows) * of_row + above)
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    for number, row in enumerate(rows):
        top = above + number * of_row + LINE * lines
        for place, cell in enumerate(row):
            left = GAP + place * (wide + GAP)
            head = heads[place] if number == 0 and place < len(heads) else ""
            _show(axes, cell, head, (left, left + wide, top + high, top))
    axes.set(xlim=(0, whole), ylim=(len(rows) * of_row + above, 0))
    axes.text(whole / 2, LINE * 0.5, title, ha="center", va="top", fontsize=10)
    return figure


def _show(axes: Any, cell: Cell, head: str, box: tuple[float, float, float, float]) -> None:
    """A picture in its box (left, right, bottom, top, in inches from the upper left), its texts above it."""
    silent = cell.map is None or not np.abs(cell.map).max() > 0
    image = overlay(cell.image, np.zeros((2, 2)) if silent else cell.map, 0.0 if cell.bare else 0.55, cell.greatest)
    left, right, bottom, top = box
    axes.imshow(image, extent=box, aspect="auto")
    middle = (left + right) / 2
    if silent and not cell.bare:
        axes.text(middle, (top + bottom) / 2, "n/a", ha="center", va="center", color="white", fontsize=11)
    text = "\n".join(filter(None, (head, cell.title)))
    axes.text(middle, top - 0.03, text, ha="center", va="bottom", fontsize=7.5, color=cell.color)
