"""Pictures of what a classifier's confidence is worth."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.pages.figure import new_figure

RIGHT, WRONG, HEATED = "#2b7bba", "#d1495b", "#b35c00"
FEW = 10  # samples of a bin that say little


def draw_reliability(
    before: dict[str, np.ndarray], after: dict[str, np.ndarray] | None, texts: dict[str, str]
) -> Figure:
    """How often it is right at each confidence, and below it how many samples have that confidence.

    before, after: 'count', 'confidence' and 'accuracy' of each equally wide bin, as it is and with a temperature.
    texts: 'title', and what 'before' and 'after' are called in the legend.
    """
    figure, (axes, low) = new_figure(6.4, 6.4, 2, 1, height_ratios=[3, 1])
    bins = len(before["count"])
    middles, width = (np.arange(bins) + 0.5) / bins, 1 / bins
    axes.plot([0, 1], [0, 1], color="0.45", linewidth=1, linestyle="--", label="right as often as it says")
    axes.bar(middles, np.nan_to_num(before["accuracy"]), width * 0.92, color=RIGHT, alpha=0.35)
    _points(axes, before, "o-", RIGHT, texts["before"])
    if after is not None:
        _points(axes, after, "s--", HEATED, texts["after"])
    axes.set(title=texts["title"], ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    low.bar(middles, before["count"] / max(1, before["count"].sum()), width * 0.92, color=RIGHT)
    low.set(xlabel="confidence", ylabel="share of samples", xlim=(0, 1))
    for panel in (axes, low):
        panel.grid(alpha=0.3)
    return figure


def _points(axes: Any, bins: dict[str, np.ndarray], style: str, color: str, name: str) -> None:
    """The bins that hold samples, joined; those of few samples are hollow, for they say little."""
    held = bins["count"] > 0
    confidence, accuracy, few = (values[held] for values in (bins["confidence"], bins["accuracy"], bins["count"] < FEW))
    axes.plot(confidence, accuracy, style[1:], color=color, linewidth=1.2)
    for chosen, face, label in ((~few, color, name), (few, "white", f"{name}, fewer than {FEW} samples")):
        if chosen.any():
            axes.plot(confidence[chosen], accuracy[chosen], style[0], color=color, mfc=face, markersize=5, label=label)


def draw_confidence(
    confidence: np.ndarray, right: np.ndarray, curve: tuple[np.ndarray, np.ndarray], aurc: float, title: str
) -> Figure:
    """The confidence of right and of wrong predictions, and the accuracy on the samples that it is surest of.

    confidence, right: of each sample [N]; curve: coverage and accuracy; aurc: the area below risk over coverage.
    """
    figure, (left, axes) = new_figure(11, 4.2, 1, 2)
    edges = np.linspace(0, 1, 26)
    for chosen, name, color, hatch in ((right, "right", RIGHT, ""), (~right, "wrong", WRONG, "////")):
        n = int(chosen.sum())
        weights = np.full(n, 1 / max(1, n))
        look: dict[str, Any] = {"alpha": 0.55, "color": color, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
        left.hist(confidence[chosen], edges, weights=weights, label=f"{name} ({n:,})", **look)
    left.set(
        title="Confidence of right and wrong predictions", xlabel="confidence", ylabel="share of each", xlim=(0, 1)
    )
    figure.legend(fontsize=8, loc="outside lower left", ncols=2)  # no place inside is free of bars in every run
    axes.plot(*curve, color=RIGHT)
    if len(curve[1]):
        worst = min(float(curve[1][len(curve[1]) // 50 :].min(initial=1.0)), float(curve[1][-1]))
        axes.set_ylim(max(0.0, worst - 0.05), 1.0 + (1 - max(0.0, worst - 0.05)) * 0.04)
    axes.set(
        title=f"Accuracy on the samples it is surest of (AURC {aurc:.4f})",
        xlabel="share of the samples that it answers",
        ylabel="accuracy",
        xlim=(0, 1),
    )
    for panel in (left, axes):
        panel.grid(alpha=0.3)
    figure.suptitle(title)
    return figure
