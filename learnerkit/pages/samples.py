"""Sheets of sample pictures: a row a class, and pairs side by side, each sheet one mosaic of pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from learnerkit.core.text import some
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

CELL, GAP = 96, 5  # pixels of a picture's height in a mosaic, and between two
WIDEST = 3.0  # a picture's width to its height
A_ROW, A_SHEET, MOST_SHEETS = 10, 20, 5  # pictures of a class, classes of a sheet, sheets
MOST_PAIRS, PAIRS_A_ROW = 12, 3
INCH, WIDE = 110, 1060  # pixels of a mosaic to an inch of the figure, and of its greatest width
Shown = np.ndarray | None  # uint8 [C,H,W] with one channel or three; None for one that cannot be shown


@dataclass(frozen=True)
class Pair:
    """Two pictures to be compared by eye: their pixels when they are asked for, and what is written below them."""

    pictures: Callable[[], tuple[Shown, Shown]]
    names: tuple[str, str]
    kind: str


def sample_rows(codes: np.ndarray, n: int = A_ROW) -> list[np.ndarray]:
    """At most n rows of each class that there is anything of, evenly spaced over the set. codes: class numbers [N]."""
    found = []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        found.append(rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int)])
    return found


def sample_sheets(names: Sequence[str], title: str) -> list[tuple[list[int], str]]:
    """The classes of each sheet as places in `names`, and its title; the last says which classes found no room.

    names: of the classes that have samples; title: of all sheets.
    """
    sheets = [list(range(start, min(start + A_SHEET, len(names)))) for start in range(0, len(names), A_SHEET)]
    kept, left = sheets[:MOST_SHEETS], [names[row] for sheet in sheets[MOST_SHEETS:] for row in sheet]
    titles = [title + (f", sheet {n} of {len(kept)}" if len(kept) > 1 else "") for n in range(1, len(kept) + 1)]
    if left:
        titles[-1] += f"; without {len(left)} classes: {some(left, 4)}"
    return list(zip(kept, titles, strict=True))


def draw_samples(
    rows: Sequence[Sequence[Shown]], names: Sequence[str], columns: int = A_ROW, widest: float = 1.0
) -> Figure:
    """A row of pictures for each class.

    rows: the pictures of each; names: what is written before each row; columns: most pictures of a row.
    widest: width to height of the room that a picture has.
    """
    cells = [[as_cell(picture, widest) for picture in row] for row in rows]
    width = max((cell.shape[1] for row in cells for cell in row), default=CELL)
    columns = max(1, min(columns, max(map(len, cells), default=1)))
    gap = GAP if width <= 1.5 * CELL else 3 * GAP  # what has parts of its own stands farther apart
    mosaic = np.full((len(rows) * (CELL + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for down, row in enumerate(cells):
        for right, cell in enumerate(row[:columns]):
            place = right * (width + gap) + (width - cell.shape[1]) // 2
            mosaic[down * (CELL + gap) :, place:][:CELL, : cell.shape[1]] = cell
    shrunk = min(1.0, WIDE / mosaic.shape[1])
    high, wide = (max(1, round(side * shrunk)) for side in mosaic.shape[:2])
    labels = [plain_text(name, 26) for name in names]
    beside = 0.5 + 0.085 * max(map(len, labels), default=0)
    figure, panel = new_figure(wide / INCH + beside, high / INCH + 0.15)
    panel.imshow(np.asarray(Image.fromarray(mosaic).resize((wide, high), Image.Resampling.LANCZOS)))
    panel.set_yticks([shrunk * (down * (CELL + gap) + CELL / 2) for down in range(len(rows))], labels)
    panel.tick_params(length=0, labelsize=9)
    panel.set_xticks([])
    panel.set_anchor("E")  # names have what room is left
    panel.spines[:].set_visible(False)
    return figure


def draw_pairs(pairs: Sequence[Pair]) -> Figure | None:
    """The first `MOST_PAIRS` pairs side by side, with names and what makes them alike; None where there are none."""
    shown = pairs[:MOST_PAIRS]
    if not shown:
        return None
    columns = min(PAIRS_A_ROW, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = new_figure(3.3 * columns, 2.25 * lines + 0.1, lines, columns)
    for panel in np.ravel(axes):
        panel.set_axis_off()
    for panel, pair in zip(np.ravel(axes), shown, strict=False):
        cells = [as_cell(picture) for picture in pair.pictures()]
        gap = np.full((CELL, 2 * GAP, 3), 255, np.uint8)
        panel.imshow(np.concatenate([cells[0], gap, cells[1]], axis=1), interpolation="nearest")
        names = "\n".join(plain_text(name, 44) for name in pair.names)
        panel.set_title(f"{plain_text(pair.kind, 44)}\n{names}", fontsize=7)
    return figure


def as_cell(picture: Shown, widest: float = WIDEST) -> np.ndarray:
    """A picture as uint8 [CELL,W,3] at its own proportions; small ones by whole factors, so that pixels stay pixels.

    widest: width to height of the room that it has.
    """
    if picture is None:
        return np.full((CELL, CELL, 3), 235, np.uint8)
    pixels = picture.transpose(1, 2, 0)
    pixels = np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[..., :1].repeat(3, axis=2))
    high, wide = pixels.shape[:2]
    scale = min(CELL / high, widest * CELL / wide)
    if scale >= 2:
        scale = int(scale)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    how = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(pixels).resize(size, how))
    cell = np.full((CELL, size[0], 3), 255, np.uint8)
    top = (CELL - size[1]) // 2
    cell[top : top + size[1]] = small
    return cell
