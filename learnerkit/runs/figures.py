"""The pictures of a run, each drawn from the run folder's files alone. No pyplot: nothing global is touched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz

MAX_TEXT_CLASSES = 30  # past so many classes the numbers of a confusion matrix cannot be read


def new_figure(width: float = 7, height: float = 4.5, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure on the Agg canvas and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def plain_text(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def _lines(axes: Any, rows: list[dict], keys: list[str], title: str, ylabel: str) -> None:
    epochs = [row["epoch"] for row in rows]
    for key in keys:
        values = [row.get(key) if row.get(key) is not None else np.nan for row in rows]
        axes.plot(epochs, values, marker="o" if len(rows) < 30 else None, markersize=3, label=key.replace("_", " "))
    axes.set(title=title, xlabel="epoch", ylabel=ylabel)
    axes.grid(alpha=0.3)
    if keys:
        axes.legend()
    axes.xaxis.get_major_locator().set_params(integer=True)


def _metric_keys(rows: list[dict]) -> list[str]:
    fixed = {"epoch", "lr", "step", "seconds", "skipped", "is_best", "checkpoint", "timestamp"}
    shown = [key for key in rows[-1] if key not in fixed and not key.startswith(("train_", "valid_"))]
    return [key for key in shown if any(isinstance(row.get(key), (int, float)) for row in rows)]


def _rates(run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    path = run.file("batch_metrics.csv")
    if not path.exists():
        return np.empty(0), np.empty(0)
    header, *rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()] or [[]]
    whole = [row for row in rows if len(row) == len(header)]  # a kill may tear the last line
    return np.array([float(row[0]) for row in whole]), np.array([float(row[3]) for row in whole])


def draw_loss(run: RunFolder, rows: list[dict]) -> Figure:
    figure, axes = new_figure()
    _lines(axes, rows, ["train_loss", "valid_loss"], "Loss", "loss")
    return figure


def draw_validation(run: RunFolder, rows: list[dict]) -> Figure:
    figure, axes = new_figure()
    _lines(axes, rows, _metric_keys(rows), "Validation", "value")
    return figure


def draw_learning_rate(run: RunFolder, rows: list[dict]) -> Figure:
    figure, axes = new_figure()
    steps, rates = _rates(run)
    axes.plot(steps, rates)
    axes.set(title="Learning rate", xlabel="step", ylabel="rate")
    axes.grid(alpha=0.3)
    return figure


def draw_training_curves(run: RunFolder, rows: list[dict]) -> Figure:
    figure, (left, right) = new_figure(11, 4.2, 1, 2)
    _lines(left, rows, ["train_loss", "valid_loss"], "Loss", "loss")
    _lines(right, rows, _metric_keys(rows), "Validation", "value")
    return figure


def draw_combined(run: RunFolder, rows: list[dict]) -> Figure:
    figure, axes = new_figure(11, 8, 2, 2)
    _lines(axes[0, 0], rows, ["train_loss", "valid_loss"], "Loss", "loss")
    _lines(axes[0, 1], rows, _metric_keys(rows), "Validation", "value")
    steps, rates = _rates(run)
    axes[1, 0].plot(steps, rates)
    axes[1, 0].set(title="Learning rate", xlabel="step", ylabel="rate")
    axes[1, 1].bar([row["epoch"] for row in rows], [row["seconds"] for row in rows])
    axes[1, 1].set(title="Time", xlabel="epoch", ylabel="seconds")
    for panel in axes[1]:
        panel.grid(alpha=0.3)
    return figure


def draw_confusion(matrix: np.ndarray, vocab: list[str], title: str) -> Figure:
    """A confusion matrix: rows the true classes, columns the predicted ones.

    matrix: counts [K,K]. Numbers are written up to 30 classes, names up to 50.
    """
    vocab = [plain_text(name) for name in vocab]
    side = min(14, 3 + 0.45 * len(vocab))
    figure, axes = new_figure(side + 1, side)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    figure.colorbar(
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1), ax=axes, shrink=0.8, label="part of the true class"
    )
    if len(vocab) <= 50:
        axes.set_xticks(range(len(vocab)), vocab, rotation=90)
        axes.set_yticks(range(len(vocab)), vocab)
    if len(vocab) <= MAX_TEXT_CLASSES:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, matrix[row, column], ha="center", va="center", color=color, fontsize=8)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    return figure


def draw_gallery(images: np.ndarray, titles: list[str], right: list[bool], title: str) -> Figure:
    """Pictures in a grid, titles green where right and red where wrong.

    images: uint8 [N,C,H,W].
    """
    columns = min(5, max(1, len(images)))
    rows = max(1, -(-len(images) // columns))
    side = 2.1 * images.shape[2] / images.shape[3] if len(images) else 2.1  # pairs of maps are wider than high
    figure, axes = new_figure(2.1 * columns, (side + 0.35) * rows + 0.4, rows, columns)
    for number, panel in enumerate(np.ravel(axes)):
        panel.set_axis_off()
        if number < len(images):
            picture = images[number].transpose(1, 2, 0)
            panel.imshow(picture if picture.shape[2] == 3 else picture[..., 0], cmap="gray", vmin=0, vmax=255)
            panel.set_title(plain_text(titles[number]), fontsize=8, color="green" if right[number] else "red")
    figure.suptitle(title)
    return figure


CURVES: dict[str, Callable[[RunFolder, list[dict]], Figure]] = {
    "training_curves": draw_training_curves,
    "loss": draw_loss,
    "validation": draw_validation,
    "learning_rate": draw_learning_rate,
    "combined": draw_combined,
}


def evaluation_of(run: RunFolder) -> dict[str, Any] | None:
    """Targets, probabilities (averaged over views where there are any) and names of the last evaluated part."""
    if not run.file("predictions.npz").exists():
        return None
    arrays = read_npz(run.file("predictions.npz"))
    if "detections" in arrays:
        return None
    missing = {"ids", "part", "targets", "probabilities"} - set(arrays)
    if missing:
        raise DataError(
            f"{run.file('predictions.npz')}: lacks {', '.join(sorted(missing))}; run `learnerkit evaluate` again"
        )
    part = str(arrays["part"][-1])
    chosen = arrays["part"] == part
    probabilities = arrays.get("probabilities_tta", arrays["probabilities"])[chosen]
    targets, vocab = arrays["targets"][chosen], read_json(run.file("class_names.json"))
    if not isinstance(vocab, list) or len(vocab) != probabilities.shape[1]:
        raise DataError(
            f"{run.file('class_names.json')}: does not fit the predictions of {probabilities.shape[1]} classes"
        )
    matrix = confusion_matrix(targets, probabilities.argmax(axis=1), labels=list(range(len(vocab))))
    tta = "probabilities_tta" in arrays
    return {
        "part": part,
        "tta": tta,
        "ids": arrays["ids"][chosen],
        "targets": targets,
        "probabilities": probabilities,
        "vocab": vocab,
        "matrix": matrix,
    }


def _gallery(run: RunFolder, evaluation: dict[str, Any], kind: str) -> Figure:
    samples, vocab = read_npz(run.file("samples.npz")), evaluation["vocab"]
    rows = samples[kind]
    predicted = evaluation["probabilities"].argmax(axis=1)[rows]
    sure, targets = evaluation["probabilities"].max(axis=1)[rows], evaluation["targets"][rows]
    titles = [f"{vocab[p]} {s:.0%}\ntrue: {vocab[t]}" for p, s, t in zip(predicted, sure, targets, strict=True)]
    right = (predicted == targets).tolist()
    name = "Highest losses" if kind == "worst" else "Predictions"
    return draw_gallery(samples[f"{kind}_images"], titles, right, f"{name} ({samples['part']}, predicted and true)")


def own_figures(run: RunFolder, rows: list[dict]) -> dict[str, Figure]:
    """The curves of any run, and a classifier's pictures.

    rows: of the ledger.
    """
    evaluation = evaluation_of(run)
    figures = {name: draw(run, rows) for name, draw in CURVES.items()} if rows else {}
    if evaluation:
        note = f"{evaluation['part']}{', TTA' if evaluation['tta'] else ''}"
        figures["confusion_matrix"] = draw_confusion(evaluation["matrix"], evaluation["vocab"], f"Confusion ({note})")
        if run.file("samples.npz").exists():
            figures["predictions"] = _gallery(run, evaluation, "spread")
            figures["top_losses"] = _gallery(run, evaluation, "worst")
    return figures


def save_figures(run: RunFolder, figures: dict[str, Figure]) -> list[Path]:
    """Save figures by their names below a folder's figures/; returns the files."""
    folder = run.file("figures")
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in figures]
