"""The pictures of a detector's run, from the run folder's files alone."""

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.run_folder import RunFolder
from learnerkit.detect.draw import with_packed
from learnerkit.detect.error_list import SCORE
from learnerkit.detect.matching import box_confusion
from learnerkit.detect.plots import fill_kinds
from learnerkit.detect.samples import Sample, read_samples, samples_of
from learnerkit.detect.seen import Evaluation
from learnerkit.pages.confusion import draw_confusion
from learnerkit.pages.curves import draw_lines
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

GALLERIES = {"worst": "top_losses", "spread": "predictions"}  # kept frames, and the names of their pictures
DRAWN = 8  # frames of a gallery's picture; the page shows all that are kept
ENDS = 10  # classes at each end that are drawn where there are more than twice as many
BAR = "#0072B2"
PICTURES = (
    ("training_curves", "Curves"),
    ("loss_parts", "Loss parts"),
    ("error_kinds", "What goes wrong, and what it costs"),
    ("precision_recall", "Precision and recall"),
    ("class_precision", "Average precision by class"),
    ("learning_rate", "Learning rate"),
)


def figures(seen: Evaluation | None, run: RunFolder, rows: list[dict]) -> dict[str, Figure]:
    """The pictures of a detector for which the run has files, by the names of their files."""
    drawn = {}
    if rows and any(key.startswith("train_loss_") for key in rows[-1]):
        drawn["loss_parts"] = draw_parts(rows)
    if seen is None:
        return drawn
    drawn["error_kinds"] = draw_kinds(seen)
    drawn["class_precision"] = draw_classes(seen.kinds.per_class, seen.vocab, seen.part)
    drawn["precision_recall"] = draw_precision(seen.precision50, seen.vocab, seen.part)
    counts = box_confusion(seen.detections, seen.targets, len(seen.vocab), SCORE)
    title = f"Objects and what they were found as ({seen.part}, score {SCORE} and more)"
    drawn["confusion_matrix"] = draw_confusion(counts, [*seen.vocab, "nothing"], title)
    for kind, shown in read_samples(run, seen.ids).items():
        drawn[GALLERIES[kind]] = draw_samples(shown, kind, seen.vocab, seen.modalities)
    return drawn


def draw_parts(rows: list[dict]) -> Figure:
    """The four loss parts over the epochs, of training and validation."""
    figure, axes = new_figure(13, 3.6, 1, 4)
    names = [key.removeprefix("train_") for key in rows[-1] if key.startswith("train_loss_")]
    for panel, name in zip(axes, names, strict=False):
        labels = {f"{part}_{name}": part for part in ("train", "valid")}
        draw_lines(panel, rows, labels, name.removeprefix("loss_").replace("_", " "))
    return figure


def draw_precision(curves: np.ndarray, vocab: list[str], part: str) -> Figure:
    """Precision over recall at an overlap of .5: the ten best and worst classes where there are many.

    curves: [101,K], nan where a class has no object.
    """
    figure, axes = new_figure(7, 4.6)
    areas = curves.mean(axis=0)
    order = [code for code in np.argsort(-areas) if not np.isnan(areas[code])]
    drawn = order if len(order) <= 20 else [*order[:10], *order[-10:]]
    for code in drawn:
        label = f"{plain_text(vocab[code])} ({areas[code]:.2f})"
        axes.plot(np.linspace(0, 1, len(curves)), curves[:, code], label=label)
    axes.set(title=f"Precision and recall ({part}, IoU .5)", xlabel="recall", ylabel="precision", ylim=(0, 1.03))
    axes.grid(alpha=0.3)
    if drawn:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_classes(areas: np.ndarray, vocab: list[str], part: str) -> Figure:
    """AP50 of each class as bars, the ten best and worst where there are many.

    areas: [K], nan where a class has no object.
    """
    known = [code for code in np.argsort(-areas, kind="stable") if not np.isnan(areas[code])]
    drawn = known if len(known) <= 2 * ENDS else [*known[:ENDS], *known[-ENDS:]]
    figure, axes = new_figure(7, 1.2 + 0.26 * max(2, len(drawn)))
    gap = 1 if len(drawn) < len(known) else 0
    places = [-(place + gap * (place >= ENDS)) for place in range(len(drawn))]
    bars = axes.barh(places, areas[drawn], color=BAR, height=0.7)
    axes.bar_label(bars, [f"{value:.3f}" for value in areas[drawn]], padding=3, fontsize=8)
    axes.set_yticks(places, [plain_text(vocab[code], 26) for code in drawn], fontsize=9)
    if gap:
        axes.text(0.01, -ENDS, f"{len(known) - len(drawn)} more between", va="center", fontsize=8, color="dimgrey")
    axes.set(title=f"Average precision of each class ({part}, IoU .5)", xlabel="AP50", xlim=(0, 1.1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_kinds(seen: Evaluation) -> Figure:
    """What each kind of error costs, and how many there are."""
    figure, axes = new_figure(9.5, 3.3, 1, 2)
    fill_kinds(axes, seen.kind_rows)
    axes[1].set_yticklabels([])
    figure.suptitle(
        f"What goes wrong ({seen.part}, IoU .5), and the AP50 that mending it alone would gain", fontsize=11
    )
    return figure


def draw_frames(
    samples: dict[str, np.ndarray], kind: str, ids: np.ndarray, vocab: list[str], modalities: list[str]
) -> Figure:
    """`draw_samples` of samples.npz.

    samples: its arrays; kind: 'worst' or 'spread'; ids: names of the images that its numbers mean.
    """
    return draw_samples(samples_of(samples, kind, ids), kind, vocab, modalities)


def draw_samples(samples: list[Sample], kind: str, vocab: list[str], modalities: list[str]) -> Figure:
    """The first frames of a gallery with truth, with detections and, beside them, their further channels."""
    columns = ["truth", f"found (score {SCORE} and more)", *modalities]
    shown = samples[:DRAWN]
    rows = []
    for one in shown:
        colours, *others = one.pictures
        rows.append([*(with_packed(colours, boxes, vocab) for boxes in (one.truth, one.sure())), *others])
    side, above = 3.4, 0.25  # inches of a picture's width, and of what is written above it
    heights = [above + side * min(2.0, row[0].shape[1] / row[0].shape[2]) for row in rows]
    figure, axes = new_figure(side * len(columns), sum(heights) + 0.4, len(rows), len(columns))
    np.ravel(axes)[0].get_gridspec().set_height_ratios(heights)
    for number, (line, pictures) in enumerate(zip(np.reshape(axes, (len(rows), -1)), rows, strict=True)):
        for panel, picture, name in zip(line, pictures, columns, strict=True):
            panel.imshow(picture.permute(1, 2, 0).numpy())
            panel.set_axis_off()
            title = plain_text(shown[number].id) if name == "truth" else ""
            head = plain_text(name)
            panel.set_title(head if number == 0 and not title else f"{title}: {head}" if title else "", fontsize=8)
    figure.suptitle("Most errors" if kind == "worst" else "Evenly spaced over the part")
    return figure
