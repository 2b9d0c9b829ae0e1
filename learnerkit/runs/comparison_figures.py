"""The pictures of a comparison: bars with their spread, one figure against another, each run's curves."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from learnerkit.runs.figures import new_figure, plain_text
from learnerkit.runs.finished import Comparison


def _colors(labels: list[str]) -> dict[str, Any]:
    palette = colormaps["tab10" if len(labels) <= 10 else "turbo"]
    last = max(1, len(labels) - 1)
    return {name: palette(i) if len(labels) <= 10 else palette(i / last) for i, name in enumerate(labels)}


def draw_comparison(comparison: Comparison) -> Figure:
    """Test accuracy with its spread, validation against test accuracy, and each run's curve."""
    rows = comparison.rows
    labels = [row["variant"] for row in rows]
    colors = _colors(labels)
    figure, (bars, points, curves) = new_figure(17, max(4.6, 0.32 * len(rows) + 2), 1, 3)
    places = np.arange(len(rows))[::-1]
    values = [row["test_accuracy"] for row in rows]
    spread = [row["test_std"] or 0 for row in rows] if any(row["test_std"] for row in rows) else None
    bars.barh(places, values, xerr=spread, color=[colors[name] for name in labels], capsize=3)
    bars.set_yticks(places, [plain_text(name) for name in labels])
    for place, value in zip(places, values, strict=True):
        bars.text(0.005, place, f"{value:.1%}", va="center", color="white", fontsize=8, fontweight="bold")
    bars.set(title="Test accuracy, spread over seeds", xlabel="accuracy")
    for run in comparison.runs:
        pair = run.results.get("valid_accuracy"), run.results["test_accuracy"]
        if pair[0] is not None:
            points.scatter(*pair, color=colors[run.label], s=36)
    low, high = points.get_xlim()
    points.plot([low, high], [low, high], color="grey", linewidth=0.8, linestyle="--")
    points.set(title="Validation against test", xlabel="valid accuracy", ylabel="test accuracy")
    _curves(curves, comparison, "accuracy", colors)
    curves.set(title="Validation accuracy of each run", xlabel="epoch", ylabel="accuracy")
    for panel in (bars, points, curves):
        panel.grid(alpha=0.3)
    return figure


def draw_detectors(comparison: Comparison) -> Figure:
    """Average precision, its price in time and in parameters, and each run's curve."""
    rows = comparison.rows
    colors = _colors([row["variant"] for row in rows])
    figure, ((bars, speed), (size, curves)) = new_figure(13, 2 * max(4.2, 0.32 * len(rows) + 2), 2, 2)
    places = np.arange(len(rows))[::-1]
    for offset, (key, shade) in enumerate((("mAP50", 0.45), ("mAP", 1.0))):
        values = [row[key] or 0 for row in rows]
        bars.barh(places + 0.2 - 0.4 * offset, values, 0.4, color=[colors[row["variant"]] for row in rows], alpha=shade)
        for place, value in zip(places, values, strict=True):
            bars.text(value, place + 0.2 - 0.4 * offset, f" {key} {value:.3f}", va="center", fontsize=8)
    bars.set_yticks(places, [plain_text(row["variant"]) for row in rows])
    bars.set(title=f"Average precision ({comparison.runs[0].part})", xlabel="AP")
    bars.margins(x=0.25)
    for panel, key, name, unit in (
        (speed, "ms_per_image", "ms/image", 1),
        (size, "parameters", "million parameters", 1e6),
    ):
        for row in rows:
            if row[key] is not None and row["mAP"] is not None:
                place = row[key] / unit, row["mAP"]
                panel.scatter(*place, color=colors[row["variant"]], s=50)
                panel.annotate(plain_text(f"  {row['variant']}"), place, fontsize=8, va="center")
        panel.set(title=f"mAP against {name}", xlabel=name, ylabel="mAP")
        panel.margins(x=0.3)
    _curves(curves, comparison, "mAP", colors)
    curves.set(title="Validation mAP of each run", xlabel="epoch", ylabel="mAP")
    for panel in (bars, speed, size, curves):
        panel.grid(alpha=0.3)
    return figure


def draw_all_curves(comparison: Comparison) -> Figure:
    """Training loss, validation loss, accuracy or mAP, and rate of every run over the epochs."""
    colors = _colors([row["variant"] for row in comparison.rows])
    figure, axes = new_figure(13, 8.5, 2, 2)
    measure = {"mAP": "mAP"} if comparison.detection else {"accuracy": "Accuracy"}
    titles = {"train_loss": "Training loss", "valid_loss": "Validation loss", **measure, "lr": "Rate"}
    for panel, (key, title) in zip(axes.ravel(), titles.items(), strict=True):
        _curves(panel, comparison, key, colors)
        panel.set(title=title, xlabel="epoch")
        panel.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=8)
    return figure


def _curves(panel: Any, comparison: Comparison, key: str, colors: dict[str, Any]) -> None:
    named = set()
    for run in comparison.runs:
        values = [np.nan if row.get(key) is None else row[key] for row in run.history]
        label = plain_text(run.label) if run.label not in named else None
        named.add(run.label)
        epochs = [row["epoch"] for row in run.history]
        panel.plot(epochs, values, ".-", color=colors[run.label], label=label, linewidth=1.3, markersize=4)
    panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
