"""The pictures that a comparison of any task has: bars with their spread, and the course of every variant."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.finished import Comparison, Finished, variants_of
from learnerkit.pages.figure import legend_below, look_of, new_figure, whole_epochs
from learnerkit.pages.letters import plain_text

LONGEST = 36  # letters of a variant in a picture
FEW = 4  # variants whose legend finds room inside a panel


def styles_of(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Colour, line and mark of each variant, in their order."""
    return {row["variant"]: look_of(number) for number, row in enumerate(comparison.rows)}


def names_of(comparison: Comparison) -> dict[str, str]:
    """What each variant is called in a picture."""
    return {label: plain_text(text, 80) for label, text in comparison.short_names(LONGEST)[0].items()}


def bar_height(comparison: Comparison) -> float:
    """Inches of a panel with a bar a variant."""
    return max(4.4, 0.32 * len(comparison.rows) + 2)


def has_seeds(comparison: Comparison) -> bool:
    """Whether any variant has several runs."""
    return any(row["n"] > 1 for row in comparison.rows)


def titled(comparison: Comparison, title: str) -> str:
    """The title of a panel of courses, with what its lines and bands are."""
    return f"{title} (mean and range over seeds)" if has_seeds(comparison) else title


def draw_bars(panel: Any, comparison: Comparison, key: str, spread: str, form: str, beside: str = "") -> None:
    """One bar a variant, the first on top, with the spread over its seeds where there is any.

    key, spread: of the bar and its spread; beside: of a figure that a diamond marks, such as that on valid.
    """
    rows, styles, names = comparison.rows, styles_of(comparison), names_of(comparison)
    places, values = np.arange(len(rows))[::-1], [row[key] or 0 for row in rows]
    error = [row[spread] or 0 for row in rows] if any(row.get(spread) for row in rows) else None
    panel.barh(places, values, xerr=error, color=[styles[row["variant"]]["color"] for row in rows], capsize=3)
    panel.set_yticks(places, list(names.values()))
    low = min(0, *values) if values else 0
    for place, value in zip(places, values, strict=True):
        inside = low + 0.005 * (max(map(abs, values)) or 1)
        panel.text(inside, place, form.format(value), va="center", color="white", fontsize=8, fontweight="bold")
    known = [(row[beside], place) for row, place in zip(rows, places, strict=True) if row.get(beside) is not None]
    if known:
        panel.scatter(*zip(*known, strict=True), marker="D", s=22, color="white", edgecolor="black", zorder=3)


def course_of(runs: list[Finished], key: str) -> tuple[list[int], np.ndarray]:
    """A figure of the ledger over the epochs that all runs have, [runs, epochs]; nan where it is not known."""
    courses = [{row["epoch"]: row.get(key) for row in run.history} for run in runs]
    epochs = sorted(set.intersection(*map(set, courses)))
    return epochs, np.array([[np.nan if c[e] is None else c[e] for e in epochs] for c in courses], dtype=float)


def draw_courses(panel: Any, comparison: Comparison, key: str) -> None:
    """A figure of the ledger over the epochs: a line a variant, the mean of its runs, in a band."""
    styles, names = styles_of(comparison), names_of(comparison)
    variants, faint = variants_of(comparison.runs), 0.15 if len(styles) <= FEW else 0.08
    for label, style in styles.items():
        epochs, values = course_of(variants[label], key)
        mark = {"marker": ".", "markersize": 4} if len(epochs) < 40 else {"marker": ""}
        panel.plot(epochs, values.mean(axis=0), **{**style, **mark}, label=names[label], linewidth=1.4)
        if len(values) > 1:
            band = values.min(axis=0), values.max(axis=0)
            panel.fill_between(epochs, *band, color=style["color"], alpha=faint, linewidth=0)
    whole_epochs(panel)


def draw_points(panel: Any, comparison: Comparison, points: dict[str, list[tuple[float, float]]]) -> None:
    """Points of each variant in its colour."""
    styles, names = styles_of(comparison), names_of(comparison)
    for label, style in styles.items():
        if points.get(label):
            look = {"color": style["color"], "marker": style["marker"], "edgecolor": "white", "linewidth": 0.5}
            panel.scatter(*zip(*points[label], strict=True), **look, label=names[label], s=46)


def add_legends(figure: Figure, panels: list[Any], comparison: Comparison) -> None:
    """Say which colour is which: in each panel of several colours, or once below all of them where there are many."""
    if len(comparison.rows) < 2:
        return
    unsaid = plain_text(comparison.short_names(LONGEST)[1], 80)
    if len(comparison.rows) <= FEW:
        for panel in panels:
            panel.legend(fontsize=8, title=unsaid, title_fontsize=8)
        return
    legend_below(figure, list(names_of(comparison).values()), unsaid)


def draw_ranked(comparison: Comparison, key: str, spread: str, title: str, monitor: str, form: str) -> Figure:
    """Bars of a figure of the rows and, beside them, the course of a figure of the ledger."""
    figure, (bars, curves) = new_figure(13, bar_height(comparison), 1, 2)
    draw_bars(bars, comparison, key, spread, form, beside="valid")
    title = plain_text(title.replace("_", " "))
    bars.set(title=bar_title(comparison, title, "valid"), xlabel=title)
    draw_courses(curves, comparison, monitor)
    monitor = plain_text(monitor)
    curves.set(title=titled(comparison, monitor), xlabel="epoch", ylabel=monitor)
    add_legends(figure, [curves], comparison)
    for panel in (bars, curves):
        panel.grid(alpha=0.3)
    return figure


def bar_title(comparison: Comparison, title: str, beside: str) -> str:
    """The title of a panel of bars, with what its whiskers and diamonds are."""
    said = ["whisker: std over seeds"] if has_seeds(comparison) else []
    said += ["diamond: on valid"] if any(row.get(beside) is not None for row in comparison.rows) else []
    return f"{title} ({', '.join(said)})" if said else title


def draw_all_courses(comparison: Comparison, curve: tuple[str, str]) -> Figure:
    """Training loss, validation loss, a figure of the task and the rate of every variant over the epochs.

    curve: the figure's name in the ledger, and what it is called.
    """
    figure, axes = new_figure(13, 8.5, 2, 2)
    titles = {"train_loss": "Training loss", "valid_loss": "Validation loss", curve[0]: curve[1], "lr": "Rate"}
    drawn = axes.ravel()[: len(titles)]
    for panel, (key, title) in zip(drawn, titles.items(), strict=True):
        draw_courses(panel, comparison, key)
        panel.set(title=plain_text(title), xlabel="epoch")
        panel.grid(alpha=0.3)
    for panel in axes.ravel()[len(titles) :]:
        panel.set_axis_off()
    if has_seeds(comparison):
        figure.suptitle(
            "Lines: mean over the seeds of a variant; bands: from the least to the greatest of them", fontsize=11
        )
    add_legends(figure, list(drawn), comparison)
    return figure
