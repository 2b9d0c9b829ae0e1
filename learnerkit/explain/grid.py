"""Pictures of maps over their images."""

from collections.abc import Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from learnerkit.explain.overlay import overlay
from learnerkit.pages.figure import new_figure

SIDE = 1.55  # inches of a picture's shorter side
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
    small = fill(small, max(24, int(LETTERS * (columns * wide + 0.3))))
    above = 0.5 + 0.2 * small.count("\n") + 0.2 * max((head.count("\n") for head in heads), default=0)
    lines = max(cell.title.count("\n") + bool(cell.title) for row in rows for cell in row)
    figure, axes = new_figure(
        columns * wide + 0.3, len(rows) * (high + 0.145 * lines + 0.1) + above, len(rows), columns
    )
    for panels, row, number in zip(np.reshape(axes, (len(rows), columns)), rows, range(len(rows)), strict=True):
        for place, panel in enumerate(panels):
            panel.set_axis_off()
            if place < len(row):
                _show(panel, row[place], heads[place] if number == 0 and place < len(heads) else "")
    figure.suptitle("\n".join(filter(None, (title, small))), fontsize=10)
    return figure


def _show(panel: object, cell: Cell, head: str) -> None:
    silent = cell.map is None or not np.abs(cell.map).max() > 0
    image = overlay(cell.image, np.zeros((2, 2)) if silent else cell.map, 0.0 if cell.bare else 0.55, cell.greatest)
    panel.imshow(image)
    if silent and not cell.bare:
        panel.text(0.5, 0.5, "n/a", transform=panel.transAxes, ha="center", va="center", color="white", fontsize=11)
    panel.set_title("\n".join(filter(None, (head, cell.title))), fontsize=7.5, color=cell.color)
