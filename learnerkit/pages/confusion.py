"""A confusion matrix as a picture."""

import numpy as np
from matplotlib.figure import Figure

from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

MOST_NUMBERED, MOST_NAMED = 30, 50  # classes past which the numbers, and the names, cannot be read


def draw_confusion(matrix: np.ndarray, vocab: list[str], title: str) -> Figure:
    """A confusion matrix: rows the true classes, columns the predicted ones.

    matrix: counts [K,K]. Numbers are written up to 30 classes, names up to 50.
    """
    vocab = [plain_text(name, 24) for name in vocab]
    side = min(14, 3 + 0.45 * len(vocab))
    figure, axes = new_figure(side + 1, side)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    figure.colorbar(
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1), ax=axes, shrink=0.8, label="part of the true class"
    )
    if len(vocab) <= MOST_NAMED:
        axes.set_xticks(range(len(vocab)), vocab, rotation=90)
        axes.set_yticks(range(len(vocab)), vocab)
    if len(vocab) <= MOST_NUMBERED:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, matrix[row, column], ha="center", va="center", color=color, fontsize=8)
    axes.set(title=plain_text(title, 80), xlabel="predicted", ylabel="true")
    return figure
