"""What an interpretation of a detector draws with pyplot, and its report in letters."""

from typing import Any

import numpy as np
from matplotlib import pyplot

from learnerkit.pages.figure import NamedFigure
from learnerkit.pages.letters import plain_text

COST, NUMBER = "#D55E00", "#0072B2"


def plot_confusion(counts: np.ndarray, vocab: list[str]) -> Any:
    """Objects and what they were found as. counts: [K+1,K+1], the last of both is 'nothing'."""
    names = [plain_text(name, 24) for name in (*vocab, "nothing")]
    side = min(30, 2.5 + 0.5 * len(names))
    _, axes = pyplot.subplots(figsize=(side, side), FigureClass=NamedFigure)
    axes.imshow(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(column, row, counts[row, column], ha="center", va="center")
    axes.set(xlabel="found", ylabel="true")
    return axes


def plot_precision(figures: dict[str, Any], vocab: list[str]) -> Any:
    """Precision over recall at an overlap of .5, a line a class. figures: of `average_precision`."""
    _, axes = pyplot.subplots(figsize=(5.5, 4.5), FigureClass=NamedFigure)
    for name, curve, area in zip(vocab, figures["precision50"].T, figures["per_class50"], strict=True):
        if area is not None:
            axes.plot(np.linspace(0, 1, len(curve)), curve, label=f"{plain_text(name)} ({area:.2f})")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    if axes.lines:
        axes.legend()
    return axes


def plot_kinds(kinds: dict[str, dict[str, float | int | None]]) -> Any:
    """What each kind of error costs and, beside it, how many there are. kinds: of `DetectionInterpretation`."""
    _, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), FigureClass=NamedFigure, sharey=True, layout="constrained")
    fill_kinds(axes, kinds)
    return axes


def fill_kinds(axes: Any, kinds: dict[str, dict[str, float | int | None]]) -> None:
    """Bars of cost and number in two panels, the kinds from top to bottom."""
    places = np.arange(len(kinds))[::-1]
    columns = (
        ("cost", "AP50 that it costs", COST, "{:.3f}"),
        ("sure", "boxes of .5 and more, objects", NUMBER, "{:,}"),
    )
    for panel, (key, label, colour, form) in zip(axes, columns, strict=True):
        values = [row[key] or 0 for row in kinds.values()]
        bars = panel.barh(places, values, color=colour, height=0.65)
        texts = ["n/a" if row[key] is None else form.format(row[key]) for row in kinds.values()]
        panel.bar_label(bars, texts, padding=3, fontsize=9)
        panel.set_yticks(places, list(kinds))
        panel.set_xlabel(label)
        panel.set_xlim(0, 1.18 * max(values) or 1)
        panel.spines[["top", "right"]].set_visible(False)


def report_text(counts: np.ndarray, vocab: list[str]) -> str:
    """Precision, recall, F1 and objects of each class. counts: as in `plot_confusion`."""
    lines = [f"{'':>24}{'precision':>12}{'recall':>10}{'f1-score':>10}{'support':>10}"]
    for code, name in enumerate(vocab):
        right, found, objects = counts[code, code], counts[:, code].sum(), counts[code].sum()
        figures = [right / n if n else None for n in (found, objects)]
        figures.append(2 * right / (found + objects) if found + objects else None)
        texts = ["n/a" if figure is None else f"{figure:.2f}" for figure in figures]
        lines.append(f"{plain_text(name, 22):>24}{texts[0]:>12}{texts[1]:>10}{texts[2]:>10}{objects:>10}")
    return "\n".join(lines)
