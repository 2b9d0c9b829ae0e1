"""A confusion matrix as a picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

MOST_NUMBERED, MOST_NAMED = 30, 200  # classes past which the numbers, and the names, cannot be read
SMALL = 0.155  # inches of a class among many
KINDS = {None: "part of the true class", "true": "part of the true class", "pred": "part of the predicted class"}


def normalised(matrix: np.ndarray, normalize: str | None) -> np.ndarray:
    """A confusion matrix as shares: of each row where `normalize` is 'true', of each column where it is 'pred'.

    A row or column without counts is 0, as in scikit-learn; None gives the counts.
    """
    if normalize is None:
        return matrix
    axis = 1 if normalize == "true" else 0
    return matrix / np.maximum(1, matrix.sum(axis=axis, keepdims=True))


def draw_confusion(
    matrix: np.ndarray,
    vocab: Sequence[str],
    title: str,
    normalize: str | None = None,
    groups: Sequence[str] = (),
) -> Figure:
    """A confusion matrix: rows the true classes, columns the predicted ones; its colours are shares.

    matrix: counts [K,K] in the order of `vocab`. Numbers are written up to 30 classes, names up to 200.
    normalize: what the shares are of, see `normalised`, and the numbers too; counts in colours of rows when None.
    groups: of each class, side by side; a line is drawn between them, and each is named where there is room.
    """
    n, vocab = len(vocab), [plain_text(name, 24) for name in vocab]
    cells = (0.45 if n <= MOST_NUMBERED else SMALL) * n if n <= MOST_NAMED else 11
    small = 10 if n <= MOST_NUMBERED else 7.5
    names = 0.0092 * small * max(map(len, vocab), default=0) if n <= MOST_NAMED else 0
    beside = 0.062 * max((len(name) for name in groups), default=0)
    cells = max(cells, 2.2)
    figure, axes = new_figure(cells + names + beside + 1.0, cells + names + 1.7)
    shares = normalised(matrix, normalize or "true")
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    look = {"location": "bottom", "shrink": min(1.0, 4 / cells), "aspect": 30, "pad": 0.01}
    figure.colorbar(image, ax=axes, label=KINDS[normalize], **look)
    if n <= MOST_NAMED:
        axes.set_xticks(range(n), vocab, rotation=90, fontsize=small)
        axes.set_yticks(range(n), vocab, fontsize=small)
    if n <= MOST_NUMBERED:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            color = "white" if shares[row, column] > 0.5 else "black"
            text = str(matrix[row, column]) if normalize is None else f"{shares[row, column]:.2f}".lstrip("0")
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    elif n <= MOST_NAMED:
        axes.set_xticks(np.arange(n) - 0.5, minor=True)
        axes.set_yticks(np.arange(n) - 0.5, minor=True)
        axes.grid(which="minor", color="0.93", linewidth=0.4)
        axes.tick_params(which="minor", length=0)
    _draw_groups(axes, groups)
    axes.set(title=plain_text(title, 80), xlabel="predicted", ylabel="true")
    return figure


def _draw_groups(axes: object, groups: Sequence[str]) -> None:
    """Lines between groups of classes, and their names beside their rows."""
    ends = [place for place in range(1, len(groups)) if groups[place] != groups[place - 1]]
    for place in ends:
        axes.axhline(place - 0.5, color="0.35", linewidth=0.7)
        axes.axvline(place - 0.5, color="0.35", linewidth=0.7)
    for first, last in zip([0, *ends], [*ends, len(groups)], strict=True):
        if len(groups):
            name, middle = plain_text(groups[first], 28), (first + last - 1) / 2
            axes.text(len(groups) - 0.3, middle, f" {name}", va="center", ha="left", fontsize=7.5, clip_on=False)
