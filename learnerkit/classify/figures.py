"""The pictures and tables of a classifier's run, from the run folder's files alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_fscore_support

from learnerkit.classify.metrics import confusion
from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import formatted
from learnerkit.pages.confusion import draw_confusion
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text
from learnerkit.pages.page import Table

MOST_CONFUSED = 10  # pairs of classes that are listed
PICTURES = (
    ("training_curves", "Curves"),
    ("learning_rate", "Learning rate"),
    ("confusion_matrix", "Confusion matrix"),
    ("top_losses", "Highest losses: the wrong and the unsure"),
    ("predictions", "Predictions, evenly spaced over the part"),
)


@dataclass(frozen=True)
class Evaluation:
    """The last evaluated part of a run, the probabilities averaged over views where there are any.

    targets [N], probabilities [N,K]; matrix: counts [K,K], rows the true classes.
    """

    part: str
    tta: bool
    targets: np.ndarray
    probabilities: np.ndarray
    vocab: list[str]
    matrix: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """Class indices [N]."""
        return self.probabilities.argmax(axis=1)

    @property
    def note(self) -> str:
        """The part, and whether views were averaged."""
        return f"{self.part}{', TTA' if self.tta else ''}"


def evaluation_of(run: RunFolder) -> Evaluation | None:
    """What predictions.npz holds of the last evaluated part; None before an evaluation."""
    if not run.file("predictions.npz").exists():
        return None
    arrays = read_npz(run.file("predictions.npz"))
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
    matrix = confusion(targets, probabilities.argmax(axis=1), len(vocab))
    return Evaluation(part, "probabilities_tta" in arrays, targets, probabilities, vocab, matrix)


def figures(seen: Evaluation | None, run: RunFolder, rows: list[dict]) -> dict[str, Figure]:
    """The pictures of an evaluated classifier, by the names of their files."""
    if seen is None:
        return {}
    drawn = {"confusion_matrix": draw_confusion(seen.matrix, seen.vocab, f"Confusion ({seen.note})")}
    if run.file("samples.npz").exists():
        samples = read_npz(run.file("samples.npz"))
        drawn["predictions"] = _gallery(samples, seen, "spread", "Predictions")
        drawn["top_losses"] = _gallery(samples, seen, "worst", "Highest losses")
    return drawn


def _gallery(samples: dict[str, np.ndarray], seen: Evaluation, kind: str, name: str) -> Figure:
    rows, vocab = samples[kind], [plain_text(name, 24) for name in seen.vocab]
    predicted, targets = seen.predicted[rows], seen.targets[rows]
    sure = seen.probabilities.max(axis=1)[rows]
    titles = [f"{vocab[p]} {s:.0%}\ntrue: {vocab[t]}" for p, s, t in zip(predicted, sure, targets, strict=True)]
    right = (predicted == targets).tolist()
    return draw_gallery(samples[f"{kind}_images"], titles, right, f"{name} ({samples['part']}, predicted and true)")


def draw_gallery(images: np.ndarray, titles: list[str], right: list[bool], title: str) -> Figure:
    """Pictures in a grid, titles green where right and red where wrong.

    images: uint8 [N,C,H,W]; titles: with names as `plain_text`.
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
            panel.set_title(titles[number], fontsize=8, color="green" if right[number] else "red")
    figure.suptitle(title)
    return figure


def tables(seen: Evaluation | None, results: dict[str, Any]) -> list[Table]:
    """The tables of a classifier's page: views, most confused, classes."""
    found = [view_table(results)] if results.get("tta_views") else []
    if seen is not None:
        confused = most_confused(seen.matrix, seen.vocab)
        rows = [(actual, predicted, str(count)) for actual, predicted, count in confused]
        found += [Table("Most confused", ("true", "predicted as", "times"), rows)] if rows else []
        found.append(class_table(seen))
    return found


def view_table(results: dict[str, Any]) -> Table:
    """Accuracy and log loss without and with test-time views."""
    rows = []
    for part in ("valid", "test"):
        if f"{part}_accuracy_tta" in results:
            accuracy = [formatted(results[f"{part}_accuracy{end}"], "{:.2%}") for end in ("", "_tta")]
            loss = [formatted(results[f"{part}_log_loss{end}"], "{:.4f}") for end in ("", "_tta")]
            rows.append((part, *accuracy, *loss))
    heads = ("part", "accuracy", f"with {results['tta_views']} views", "log loss", "with views")
    return Table("Test-time augmentation", heads, rows, early=True)


def class_table(seen: Evaluation) -> Table:
    """Precision, recall and F1 of each class, worst first; 'n/a' where a class has no image in the part."""
    labels = list(range(len(seen.vocab)))
    scores = precision_recall_fscore_support(seen.targets, seen.predicted, labels=labels, zero_division=0)
    rows = []
    for code, (precision, recall, f1, support) in enumerate(zip(*scores, strict=True)):
        values = precision, recall, f1 if support else np.nan
        order = -1 if np.isnan(f1) else f1
        rows.append((order, (seen.vocab[code], *(formatted(value, "{:.3f}") for value in values), str(int(support)))))
    rows.sort(key=lambda row: row[0])
    heads = ("class", "precision", "recall", "F1", "images")
    return Table(f"Classes, worst first ({seen.note})", heads, [row for _, row in rows], long=True)


def most_confused(matrix: np.ndarray, vocab: list[str], k: int = MOST_CONFUSED) -> list[tuple[str, str, int]]:
    """The k largest off-diagonal entries of a confusion matrix: (true, predicted, count)."""
    off = matrix - np.diag(np.diag(matrix))
    best = np.argsort(-off, axis=None, kind="stable")[:k]
    rows, columns = np.unravel_index(best, off.shape)
    pairs = zip(rows, columns, strict=True)
    return [(vocab[row], vocab[column], int(off[row, column])) for row, column in pairs if off[row, column]]
