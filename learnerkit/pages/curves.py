"""The curves of a run of any task, from its ledger and its batches."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.run_folder import OF_THE_MACHINE, RunFolder
from learnerkit.pages.figure import new_figure, whole_epochs
from learnerkit.pages.letters import plain_text

NO_METRICS = {"epoch", "lr", "step", "skipped", "is_best", "checkpoint", *OF_THE_MACHINE}
LOSSES = ["train_loss", "valid_loss"]
OF_TRAINING = {
    "train_accuracy": "train accuracy (augmented)",
    "train_accuracy_mixed": "train accuracy (mixed images, label of the larger share)",
}


def curve_figures(run: RunFolder, rows: list[dict]) -> dict[str, Figure]:
    """The curves of a run by the names of their files; none before its first epoch.

    rows: of the ledger.
    """
    if not rows:
        return {}
    rates, metrics = _rates(run), _metric_keys(rows)
    return {
        "training_curves": _training(rows, metrics),
        "loss": _one(rows, LOSSES, "Loss", "loss"),
        "validation": _one(rows, metrics, "Metrics", "value"),
        "learning_rate": _learning_rate(rates),
        "combined": _combined(rows, metrics, rates),
    }


def _one(rows: list[dict], keys: list[str], title: str, ylabel: str) -> Figure:
    figure, axes = new_figure()
    draw_lines(axes, rows, _named(keys), title, ylabel)
    return figure


def _training(rows: list[dict], metrics: list[str]) -> Figure:
    figure, (left, right) = new_figure(11, 4.2, 1, 2)
    draw_lines(left, rows, _named(LOSSES), "Loss", "loss")
    draw_lines(right, rows, _named(metrics), "Metrics", "value")
    return figure


def _learning_rate(rates: tuple[np.ndarray, np.ndarray]) -> Figure:
    figure, axes = new_figure()
    _rate_line(axes, rates)
    return figure


def _combined(rows: list[dict], metrics: list[str], rates: tuple[np.ndarray, np.ndarray]) -> Figure:
    figure, axes = new_figure(11, 8, 2, 2)
    draw_lines(axes[0, 0], rows, _named(LOSSES), "Loss", "loss")
    draw_lines(axes[0, 1], rows, _named(metrics), "Metrics", "value")
    _rate_line(axes[1, 0], rates)
    axes[1, 1].bar([row["epoch"] for row in rows], [row["seconds"] for row in rows])
    axes[1, 1].set(title="Time", xlabel="epoch", ylabel="seconds")
    axes[1, 1].grid(alpha=0.3)
    return figure


def draw_lines(axes: Any, rows: list[dict], labels: dict[str, str], title: str, ylabel: str = "") -> None:
    """Figures of the ledger over the epochs, with points where they are few.

    labels: by the figure's key; ylabel: of the axis, none for ''.
    """
    epochs = [row["epoch"] for row in rows]
    for key, label in labels.items():
        values = [np.nan if row.get(key) is None else row[key] for row in rows]
        style = "--" if key in OF_TRAINING else "-"
        axes.plot(epochs, values, style, marker="o" if len(rows) < 30 else None, markersize=3, label=label)
    axes.set(title=title, xlabel="epoch", ylabel=ylabel)
    axes.grid(alpha=0.3)
    if labels:
        axes.legend()
    whole_epochs(axes)


def _rate_line(axes: Any, rates: tuple[np.ndarray, np.ndarray]) -> None:
    axes.plot(*rates)
    axes.set(title="Learning rate", xlabel="step", ylabel="rate")
    axes.grid(alpha=0.3)


def _named(keys: Iterable[str]) -> dict[str, str]:
    return {key: OF_TRAINING.get(key) or plain_text(key.replace("_", " ")) for key in keys}


def _metric_keys(rows: list[dict]) -> list[str]:
    named = [key for key in rows[-1] if key not in NO_METRICS and not key.startswith(("train_", "valid_"))]
    named += [key for key in OF_TRAINING if key in rows[-1]]
    return [key for key in named if any(isinstance(row.get(key), (int, float)) for row in rows)]


def _rates(run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    """Steps and rates of batch_metrics.csv."""
    path = run.file("batch_metrics.csv")
    if not path.exists():
        return np.empty(0), np.empty(0)
    header, *rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()] or [[]]
    whole = [row for row in rows if len(row) == len(header)]  # a kill may tear the last line
    return np.array([float(row[0]) for row in whole]), np.array([float(row[3]) for row in whole])
