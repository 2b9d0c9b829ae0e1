"""The pictures that a comparison of any task has: bars with their spread, and the course of every run."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from learnerkit.core.finished import Comparison
from learnerkit.pages.figure import new_figure, whole_epochs
from learnerkit.pages.letters import plain_text


def variant_colors(labels: list[str]) -> dict[str, Any]:
    """A colour for each variant."""
    palette = colormaps["tab10" if len(labels) <= 10 else "turbo"]
    last = max(1, len(labels) - 1)
    return {name: palette(i) if len(labels) <= 10 else palette(i / last) for i, name in enumerate(labels)}


def colors_of(comparison: Comparison) -> dict[str, Any]:
    """A colour for each variant of a comparison, in its order."""
    return variant_colors([row["variant"] for row in comparison.rows])


def bar_height(comparison: Comparison) -> float:
    """Inches of a panel with a bar a variant."""
    return max(4.4, 0.32 * len(comparison.rows) + 2)


def draw_bars(panel: Any, comparison: Comparison, key: str, spread: str, form: str) -> None:
    """One bar a variant, best on top, with the spread over its seeds where there is any."""
    rows, colors = comparison.rows, colors_of(comparison)
    places, values = np.arange(len(rows))[::-1], [row[key] or 0 for row in rows]
    error = [row[spread] or 0 for row in rows] if any(row.get(spread) for row in rows) else None
    panel.barh(places, values, xerr=error, color=[colors[row["variant"]] for row in rows], capsize=3)
    panel.set_yticks(places, [plain_text(row["variant"], 80) for row in rows])
    low = min(0, *values) if values else 0
    for place, value in zip(places, values, strict=True):
        inside = low + 0.005 * (max(map(abs, values)) or 1)
        panel.text(inside, place, form.format(value), va="center", color="white", fontsize=8, fontweight="bold")


def draw_courses(panel: Any, comparison: Comparison, key: str) -> None:
    """A figure of the ledger over the epochs, a line a run in its variant's colour."""
    named, colors = set(), colors_of(comparison)
    for run in comparison.runs:
        values = [np.nan if row.get(key) is None else row[key] for row in run.history]
        label = plain_text(run.label, 80) if run.label not in named else None
        named.add(run.label)
        epochs = [row["epoch"] for row in run.history]
        panel.plot(epochs, values, ".-", color=colors[run.label], label=label, linewidth=1.3, markersize=4)
    whole_epochs(panel)


def draw_ranked(comparison: Comparison, key: str, spread: str, title: str, monitor: str, form: str) -> Figure:
    """Bars of a figure of the rows and, beside them, the course of a figure of the ledger."""
    figure, (bars, curves) = new_figure(12, bar_height(comparison), 1, 2)
    draw_bars(bars, comparison, key, spread, form)
    title = plain_text(title.replace("_", " "))
    bars.set(title=f"{title}, spread over seeds", xlabel=title)
    draw_courses(curves, comparison, monitor)
    monitor = plain_text(monitor)
    curves.set(title=f"{monitor} of each run", xlabel="epoch", ylabel=monitor)
    for panel in (bars, curves):
        panel.grid(alpha=0.3)
    return figure


def draw_all_courses(comparison: Comparison, curve: tuple[str, str]) -> Figure:
    """Training loss, validation loss, a figure of the task and the rate of every run over the epochs.

    curve: the figure's name in the ledger, and what it is called.
    """
    figure, axes = new_figure(13, 8.5, 2, 2)
    titles = {"train_loss": "Training loss", "valid_loss": "Validation loss", curve[0]: curve[1], "lr": "Rate"}
    for panel, (key, title) in zip(axes.ravel(), titles.items(), strict=False):
        draw_courses(panel, comparison, key)
        panel.set(title=plain_text(title), xlabel="epoch")
        panel.grid(alpha=0.3)
    for panel in axes.ravel()[len(titles) :]:
        panel.set_axis_off()
    axes[0, 0].legend(fontsize=8)
    return figure
