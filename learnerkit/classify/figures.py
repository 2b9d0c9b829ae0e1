"""The pictures of a classifier's run, from the run folder's files alone."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from learnerkit.classify.calibration import is_distribution, reliability
from learnerkit.classify.confidence import aurc, coverage_curve
from learnerkit.classify.confused import confused_pairs
from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.kept import SPREAD, read_maps, read_samples
from learnerkit.classify.per_class import per_class_table
from learnerkit.classify.superclasses import block_sums, grouped_order
from learnerkit.core.run_folder import RunFolder
from learnerkit.data.split import evenly
from learnerkit.explain.grid import RIGHT, WRONG, Cell, draw_cells
from learnerkit.pages.calibration import draw_confidence, draw_reliability
from learnerkit.pages.class_bars import draw_class_bars
from learnerkit.pages.confusion import MOST_NAMED, draw_confusion
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

FEW_CLASSES = 50  # of very many that a matrix shows
DRAWN, ACROSS = 25, 5  # samples of a gallery, and of one of its rows
PICTURES = (
    ("training_curves", "Curves"),
    ("learning_rate", "Learning rate"),
    ("confusion_groups", "Confusion of groups"),
    ("wrong", "The surest mistakes, and where the model looked"),
    ("class_accuracy", "Accuracy of each class"),
    ("calibration", "Reliability diagram"),
    ("confidence", "Confidence of right and wrong predictions"),
)


def figures(seen: Evaluation | None, run: RunFolder, rows: list[dict]) -> dict[str, Figure]:
    """The pictures of an evaluated classifier, by the names of their files."""
    if seen is None or not len(seen.targets):
        return {}
    drawn = {
        "confusion_matrix": confusion_figure(seen),
        "class_accuracy": class_figure(seen),
        "confidence": confidence_figure(seen),
    }
    if seen.groups:
        drawn["confusion_groups"] = groups_figure(seen)
    if is_distribution(seen.probabilities):
        drawn["calibration"] = calibration_figure(seen)
    if pictures := read_samples(run, seen):
        kept = np.array(sorted(pictures))
        spread = [row for row in evenly(len(seen.targets), SPREAD).tolist() if row in pictures]
        worst = kept[np.argsort(-seen.losses[kept], kind="stable")]
        drawn["predictions"] = draw_samples(seen, spread, pictures, f"Predictions ({seen.note})")
        drawn["top_losses"] = draw_samples(seen, worst[:DRAWN], pictures, f"Highest losses ({seen.note})", losses=True)
        if len(wrong := [row for row in seen.surest_mistakes if row in pictures]):
            maps = read_maps(run, seen)
            looked = [row for row in wrong if row in maps] if maps else wrong[:DRAWN]
            of_each = [maps[row] for row in looked] if maps else None
            drawn["wrong"] = draw_samples(seen, looked, pictures, f"The surest mistakes ({seen.note})", of_each)
    return drawn


def confusion_figure(seen: Evaluation, normalize: str | None = None) -> Figure:
    """The confusion matrix, classes of a group side by side; of very many classes, the most confused ones alone.

    normalize: None for counts, 'true' or 'pred' for shares of rows or columns.
    """
    order, title = np.arange(len(seen.vocab)), f"Confusion ({seen.note})"
    if len(order) > MOST_NAMED:
        order = most_confused_classes(seen)
        title = f"Confusion ({seen.note}), {len(order)} of {len(seen.vocab):,} classes, those most confused"
    if seen.groups:
        order = order[grouped_order([seen.groups[code] for code in order])]
    return draw_confusion(
        counts_of(seen, order),
        [seen.vocab[code] for code in order],
        title,
        normalize,
        [seen.groups[code] for code in order] if seen.groups else (),
    )


def most_confused_classes(seen: Evaluation) -> np.ndarray:
    """The classes of the most confused pairs, in the order of the vocabulary; the first ones where nothing is wrong."""
    pairs, _ = confused_pairs(seen.targets, seen.predicted)
    return np.sort(list(dict.fromkeys(pairs.ravel().tolist()))[:FEW_CLASSES] or np.arange(FEW_CLASSES))


def counts_of(seen: Evaluation, order: np.ndarray) -> np.ndarray:
    """The counts [k,k] of some classes in an order; what was taken for another class than these is not among them."""
    place = np.full(len(seen.vocab), -1)
    place[order] = np.arange(len(order))
    rows, columns = place[seen.targets], place[seen.predicted]
    held = (rows >= 0) & (columns >= 0)
    matrix = np.zeros((len(order), len(order)), np.int64)
    np.add.at(matrix, (rows[held], columns[held]), 1)
    return matrix


def groups_figure(seen: Evaluation) -> Figure:
    """The confusion of groups of classes: counts summed over the classes of each."""
    sums = block_sums(seen.matrix, seen.groups)
    return draw_confusion(sums.to_numpy(), list(sums.index), f"Confusion of groups ({seen.note})")


def class_figure(seen: Evaluation) -> Figure:
    """The accuracy of each class with its interval."""
    table = per_class_table(seen.targets, seen.predicted, seen.vocab)
    values, low, high = (table[name].to_numpy() for name in ("accuracy", "accuracy_low", "accuracy_high"))
    title = f"Accuracy of each class ({seen.note})"
    return draw_class_bars(seen.vocab, values, low, high, title, "share of its samples that are right, 95 % interval")


def calibration_figure(seen: Evaluation) -> Figure:
    """How often it is right at each confidence, as it is and with the temperature that was fitted on valid."""
    after = None
    if seen.fitted is not None and seen.fitted.temperature != 1.0:
        after = reliability(seen.fitted.probabilities(seen.probabilities), seen.targets)
    texts = {"title": f"Calibration ({seen.note})", "before": "as it is"}
    texts["after"] = f"temperature {seen.fitted.temperature:.2f}" if after is not None else ""
    return draw_reliability(reliability(seen.probabilities, seen.targets), after, texts)


def confidence_figure(seen: Evaluation) -> Figure:
    """Confidence of right and wrong predictions, and accuracy over coverage."""
    curve, area = coverage_curve(seen.probabilities, seen.targets), aurc(seen.probabilities, seen.targets)
    return draw_confidence(seen.confidence, seen.right, curve, area, f"Confidence ({seen.note})")


def draw_samples(
    seen: Evaluation,
    rows: Sequence[int] | np.ndarray,
    pictures: Mapping[int, np.ndarray],
    title: str,
    maps: Sequence[np.ndarray] | None = None,
    losses: bool = False,
    given: str = "true",
) -> Figure:
    """Samples in a grid with what was predicted and what is true, a tick or a cross, and the three likeliest classes.

    rows: of the part; pictures: uint8 [C,H,W] by row; maps: [h,w] of each, which are drawn beside it.
    losses: the loss of each instead of its likeliest classes; given: what its label is called.
    """
    cells: list[Cell] = []
    for number, row in enumerate(map(int, rows)):
        image = pictures[row]
        image = image if len(image) in (1, 3) else image[:1]
        right = bool(seen.right[row])
        below = f"loss {seen.losses[row]:.2f}" if losses else _likeliest(seen, row)
        text = f"{'✓' if right else '✗'} {plain_text(seen.vocab[seen.predicted[row]], 20)} {seen.confidence[row]:.0%}"
        text += f"\n{given}: {plain_text(seen.vocab[seen.targets[row]], 20)}\n{below}"
        cells.append(Cell(image, title=text, color=RIGHT if right else WRONG, bare=True))
        if maps is not None:
            cells.append(Cell(image, maps[number], title="Grad-CAM"))
    if not cells:
        figure, axes = new_figure(5, 1.2)
        axes.set_axis_off()
        axes.text(0.5, 0.5, "there is none", ha="center", va="center")
        figure.suptitle(title)
        return figure
    across = min(len(cells), ACROSS + (ACROSS % 2 if maps is not None else 0))
    return draw_cells([cells[start : start + across] for start in range(0, len(cells), across)], (), title)


def _likeliest(seen: Evaluation, row: int) -> str:
    """The second and third likeliest classes of a sample, a line each."""
    return "\n".join(f"{plain_text(name, 16)} {chance:.0%}" for name, chance in seen.top(row)[1:])
