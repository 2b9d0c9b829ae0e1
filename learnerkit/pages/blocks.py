"""What a task puts on a page beside tables and figures: samples with their pictures, a matrix that leads to them."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Card:
    """One sample of a gallery.

    picture: uint8 [H,W,3] or [H,W], as it is to be shown, at most 640 pixels wide.
    name: of the sample, such as a file's; lines: what is said below the picture, the most telling first.
    truth, found: names of the true and of the predicted class; '' where there is none.
    right: whether they agree, None where that is not known; confidence: 0 to 1, None where there is none.
    """

    picture: np.ndarray
    name: str
    lines: tuple[str, ...] = ()
    truth: str = ""
    found: str = ""
    right: bool | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Gallery:
    """Samples in a grid, with filters by class, by right or wrong and by confidence where the cards say them.

    wide: whether its pictures need the width of the page, such as frames with boxes.
    apart: whether its samples are others than those that a matrix of the page counts.
    """

    title: str
    cards: list[Card]
    note: str = ""
    wide: bool = False
    apart: bool = False


@dataclass(frozen=True)
class Matrix:
    """Counts of true classes (rows) and predicted ones (columns); a cell leads to the cards of the page's galleries.

    counts: [R,C]; rows, columns: the names of the classes, as the cards' truth and found have them.
    groups: the group of each row's class, in the order of the rows; empty where there are none.
    """

    title: str
    counts: np.ndarray
    rows: list[str]
    columns: list[str]
    groups: list[str] = field(default_factory=list)
    note: str = ""


Block = Gallery | Matrix
