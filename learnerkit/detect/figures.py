"""The pictures and tables of a detector's run, from the run folder's files alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import formatted
from learnerkit.detect.boxes import confident, scores_of, unpack_boxes
from learnerkit.detect.draw import channel_pictures, with_boxes
from learnerkit.detect.matching import as_tensors, box_confusion
from learnerkit.pages.confusion import draw_confusion
from learnerkit.pages.curves import draw_lines
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text
from learnerkit.pages.page import Table

SCORE = 0.5  # least of a box that counts in confusion and pictures
PICTURES = (
    ("training_curves", "Curves"),
    ("loss_parts", "Loss parts"),
    ("precision_recall", "Precision and recall"),
    ("learning_rate", "Learning rate"),
    ("confusion_matrix", "Confusion matrix"),
    ("top_losses", "Images with most errors"),
    ("predictions", "Predictions, evenly spaced over the part"),
)


@dataclass(frozen=True)
class Evaluation:
    """The last evaluated part of a run, detections of merged views where there are any.

    ids: names of the images; targets, detections: [M,5] and [D,6] of each; precision50: [101,K], over recall.
    vocab: class names; modalities: names of the channels behind RGB.
    """

    part: str
    ids: np.ndarray
    targets: list[Tensor]
    detections: list[Tensor]
    precision50: np.ndarray
    vocab: list[str]
    modalities: list[str]


def evaluation_of(run: RunFolder) -> Evaluation | None:
    """What predictions.npz holds of the last evaluated part; None before an evaluation."""
    described = run.described()
    return read_evaluation(run, described["classes"], described["data"]["modalities"])


def read_evaluation(run: RunFolder, vocab: list[str], modalities: list[str]) -> Evaluation | None:
    """As `evaluation_of`, for a folder without run.json."""
    if not run.file("predictions.npz").exists():
        return None
    arrays = read_npz(run.file("predictions.npz"))
    if not len(arrays["part"]):
        return None
    part = str(arrays["part"][-1])
    chosen = arrays["part"] == part
    return Evaluation(
        part,
        arrays["ids"][chosen],
        as_tensors(arrays["targets"][chosen]),
        as_tensors(arrays.get("detections_tta", arrays["detections"])[chosen]),
        arrays["precision50"],
        vocab,
        modalities,
    )


def figures(seen: Evaluation | None, run: RunFolder, rows: list[dict]) -> dict[str, Figure]:
    """The pictures of a detector for which the run has files, by the names of their files."""
    drawn = {}
    if rows and any(key.startswith("train_loss_") for key in rows[-1]):
        drawn["loss_parts"] = draw_parts(rows)
    if seen is None:
        return drawn
    drawn["precision_recall"] = draw_precision(seen.precision50, seen.vocab, seen.part)
    counts = box_confusion(seen.detections, seen.targets, len(seen.vocab), SCORE)
    title = f"Objects and what they were found as ({seen.part}, score {SCORE} and more)"
    drawn["confusion_matrix"] = draw_confusion(counts, [*seen.vocab, "nothing"], title)
    if run.file("samples.npz").exists():
        samples = read_npz(run.file("samples.npz"))
        for kind, name in (("worst", "top_losses"), ("spread", "predictions")):
            drawn[name] = draw_frames(samples, kind, seen.ids, seen.vocab, seen.modalities)
    return drawn


def tables(seen: Evaluation | None, results: dict[str, Any]) -> list[Table]:
    """The tables of a detector's page: average precision by class and by size, what each modality is worth."""
    part = "test" if "test_mAP" in results else "valid"
    if f"{part}_per_class" not in results:
        return []
    classes = sorted(results[f"{part}_per_class"].items(), key=lambda item: (item[1] is None, item[1] or 0))
    rows = [(name, formatted(value, "{:.3f}")) for name, value in classes]
    found = [Table(f"Average precision ({part})", ("class, worst first", "AP"), rows, long=True)]
    sizes = [(name, formatted(results.get(f"{part}_mAP_{name}"), "{:.3f}")) for name in ("small", "medium", "large")]
    found.append(Table("By size of the object", ("COCO's bounds: 32 and 96 pixels", "mAP"), sizes))
    if ablation := results.get("ablation"):
        rows = [
            (name, *(formatted(row[key], "{:.4f}") for key in ("mAP", "mAP50")))
            for name, row in ablation["rows"].items()
        ]
        title = f"What each modality is worth ({ablation['part']}, {ablation['images']} images)"
        note = (
            "A modality is switched off by putting its channels to their mean over the training part; the model was "
            "not trained again."
        )
        found.append(Table(title, ("channels", "mAP", "mAP50"), rows, note))
    return found


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


def draw_frames(
    samples: dict[str, np.ndarray], kind: str, ids: np.ndarray, vocab: list[str], modalities: list[str]
) -> Figure:
    """Frames with truth, with detections and, beside them, their further channels.

    samples: of samples.npz; kind: 'worst' or 'spread'; ids: names of the images that its numbers mean.
    """
    frames = [
        torch.from_numpy(frame[:, :h, :w])
        for frame, (h, w) in zip(samples[f"{kind}_frames"], samples[f"{kind}_sizes"], strict=True)
    ]
    columns = ["truth", f"found (score {SCORE} and more)", *modalities]
    rows = []
    for frame, truth, found in zip(
        frames, as_tensors(samples[f"{kind}_targets"]), as_tensors(samples[f"{kind}_found"]), strict=True
    ):
        colours, *others = channel_pictures(frame.float() / 255, 3 if len(frame) >= 3 else 1)
        boxes, codes = unpack_boxes(truth)
        sure = confident(found, SCORE)
        texts = [
            f"{vocab[code]} {score:.2f}"
            for code, score in zip(unpack_boxes(sure)[1].tolist(), scores_of(sure).tolist(), strict=True)
        ]
        true = with_boxes(colours, boxes, [vocab[code] for code in codes.tolist()], "lime")
        rows.append([true, with_boxes(colours, unpack_boxes(sure)[0], texts, "red"), *others])
    height, width = max((tuple(row[0].shape[1:]) for row in rows), key=lambda shape: shape[0] / shape[1])
    side = 3.4
    figure, axes = new_figure(
        side * len(columns), (side * height / width + 0.25) * len(rows) + 0.4, len(rows), len(columns)
    )
    for number, (line, pictures) in enumerate(zip(np.reshape(axes, (len(rows), -1)), rows, strict=True)):
        for panel, picture, name in zip(line, pictures, columns, strict=True):
            panel.imshow(picture.permute(1, 2, 0).numpy())
            panel.set_axis_off()
            title = plain_text(str(ids[samples[kind][number]])) if name == "truth" else ""
            head = plain_text(name)
            panel.set_title(head if number == 0 and not title else f"{title}: {head}" if title else "", fontsize=8)
    figure.suptitle("Most errors" if kind == "worst" else "Evenly spaced over the part")
    return figure
