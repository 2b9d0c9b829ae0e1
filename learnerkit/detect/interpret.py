"""What a detector got right and wrong, from one pass over the data."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from matplotlib import pyplot
from torch import Tensor

from learnerkit._fastai import Callback, DataLoader
from learnerkit.core.errors import DataError
from learnerkit.detect.boxes import unpack_boxes
from learnerkit.detect.dls import channel_means
from learnerkit.detect.explain import ExplainedBox, best_detections, explain_detection, frame_of, modality_groups
from learnerkit.detect.learner import DetectionLearner
from learnerkit.detect.matching import box_confusion, image_errors
from learnerkit.detect.metrics import average_precision
from learnerkit.pages.figure import NamedFigure
from learnerkit.pages.letters import plain_text


class SwitchOff(Callback):
    """Put some channels to a constant, as if their sensor told nothing.

    channels: numbers of them; values: of each channel, normalised.
    """

    order = -15  # before anything has looked at the batch

    def __init__(self, channels: list[int], values: list[float]) -> None:
        self.channels, self.values = channels, values

    def before_batch(self) -> None:
        frames, sizes, *rest = self.learn.xb
        frames = frames.clone()
        for image, (height, width) in zip(frames, sizes.tolist(), strict=True):
            for channel in self.channels:
                image[channel, :height, :width] = self.values[channel]
        self.learn.xb = (frames, sizes, *rest)


class DetectionInterpretation:
    """Detections and truth of one part of the data; made by `from_learner`.

    learn, dl: the learner and the loader that was predicted.
    detections: [D,6] an image; targets: [M,5] an image, see `detect.boxes`; ids: the images' names.
    """

    def __init__(
        self, learn: DetectionLearner, dl: DataLoader, detections: list[Tensor], targets: list[Tensor], ids: list[str]
    ) -> None:
        self.learn, self.dl, self.detections, self.targets, self.ids = learn, dl, detections, targets, ids
        self.vocab = [str(name) for name in learn.dls.vocab]
        self._figures: dict[str, Any] | None = None

    @classmethod
    def from_learner(
        cls, learn: DetectionLearner, ds_idx: int = 1, dl: DataLoader | None = None, cbs: Any = None
    ) -> "DetectionInterpretation":
        """Predict once and keep everything.

        ds_idx: which of `learn.dls`: 0 train, 1 valid, 2 test; or `dl`, any loader with boxes.
        cbs: callbacks of the pass, such as TTA(2).
        """
        if dl is None:
            rows = (learn.dls.split.train, learn.dls.split.valid, learn.dls.split.test)[ds_idx]
            dl = learn.dls.test_dl([int(row) for row in rows], with_labels=True)
        detections, targets = predicted(learn, dl, cbs)
        source = learn.dls.source
        ids = [source.ids[item] if isinstance(item, int) else str(item) for item in dl.items]
        return cls(learn, dl, detections, targets, ids)

    def figures(self) -> dict[str, Any]:
        """mAP, mAP50, mAP75, by size and by class, with the precision at 101 recalls: see `average_precision`."""
        if self._figures is None:
            self._figures = average_precision(self.detections, self.targets, len(self.vocab))
        return self._figures

    def errors(self, score: float = 0.5, iou: float = 0.5) -> list[dict[str, Any]]:
        """Of each image, worst first: missed objects, false boxes, objects of a confused class.

        score: least of a box that counts; iou: least overlap with its object.
        """
        rows = []
        for number, (found, truth) in enumerate(zip(self.detections, self.targets, strict=True)):
            missed, false, confused = image_errors(found, truth, score, iou)
            n = len(unpack_boxes(truth)[0])
            row = {"id": self.ids[number], "objects": n, "missed": missed, "false": false, "confused": confused}
            rows.append({**row, "number": number})
        return sorted(rows, key=lambda row: (-(row["missed"] + row["false"] + row["confused"]), row["id"]))

    def confusion_matrix(self, score: float = 0.5, iou: float = 0.5) -> np.ndarray:
        """Counts [K+1,K+1]: rows the true classes, columns the found ones, the last of both 'nothing'."""
        return box_confusion(self.detections, self.targets, len(self.vocab), score, iou)

    def ablation(self) -> dict[str, dict[str, float | None]]:
        """mAP and mAP50 as it is, and with RGB or each further channel put to its mean: how much each is worth.

        The mean is that of the channel over the training part.
        """
        source = self.learn.dls.source
        if not source.modalities:
            raise DataError(f"{source.name}: has no channel behind its colours; there is nothing to compare")
        means, n = channel_means(source, self.learn.dls.split.train), source.colours
        off = {"all channels": None, "without RGB" if n == 3 else "without channel 0": list(range(n))}
        off |= {f"without {name}": [n + number] for number, name in enumerate(source.modalities)}
        rows = {}
        for name, channels in off.items():
            detections = self.detections
            if channels is not None:
                detections, _ = predicted(self.learn, self.dl, [SwitchOff(channels, means)])
            measured = average_precision(detections, self.targets)
            rows[name] = {key: measured[key] for key in ("mAP", "mAP50")}
        return rows

    @cached_property
    def losses(self) -> Tensor:
        """The loss of each image [N], by a pass of its own in which each is a batch."""
        with quiet(self.learn):
            return self.learn.get_preds(dl=self.dl, with_loss=True)[2].as_subclass(Tensor)

    def top_losses(self, k: int | None = None, largest: bool = True, items: bool = False) -> tuple:
        """The images of the greatest losses, or the least: losses and numbers, as fastai gives them.

        k: how many, all when None; items: give the images' items too.
        """
        values, numbers = self.losses.topk(len(self.losses) if k is None else min(k, len(self.losses)), largest=largest)
        return (values, numbers, [self.dl.items[number] for number in numbers]) if items else (values, numbers)

    def plot_top_losses(self, k: int | list[int], largest: bool = True, **kwargs: Any) -> Any:
        """Draw the images of the greatest losses, or the least, truth and detections side by side.

        k: how many, or which places of that order; kwargs: for fastai's sake.
        """
        numbers = self.top_losses(None if isinstance(k, (list, range)) else k, largest)[1].tolist()
        return self.show_results([numbers[place] for place in k] if isinstance(k, (list, range)) else numbers)

    def show_results(self, idxs: Any, **kwargs: Any) -> Any:
        """Draw truth and detections of images by their numbers; kwargs: for fastai's sake."""
        chosen = [int(idx) for idx in (idxs if isinstance(idxs, (list, tuple, range, Tensor)) else [idxs])]
        items = [self.dl.items[number] for number in chosen]
        dl = self.learn.dls.test_dl(items, with_labels=True, bs=len(items))
        return dl.show_results(dl.one_batch(), [self.detections[number] for number in chosen], max_n=len(items))

    def most_confused(self, min_val: int = 1, score: float = 0.5, iou: float = 0.5) -> list[tuple[str, str, int]]:
        """Pairs of a true and another found class with their counts, most first; 'nothing' is a miss or a false box.

        min_val: least count; score, iou: as in `errors`.
        """
        counts, names = self.confusion_matrix(score, iou), (*self.vocab, "nothing")
        np.fill_diagonal(counts, 0)
        pairs = [
            (names[row], names[column], int(counts[row, column])) for row, column in np.argwhere(counts >= min_val)
        ]
        return sorted(pairs, key=lambda pair: -pair[2])

    def print_classification_report(self, score: float = 0.5, iou: float = 0.5) -> None:
        """Precision, recall, F1 and objects of each class; score, iou: as in `errors`."""
        counts = self.confusion_matrix(score, iou)
        print(f"{'':>24}{'precision':>12}{'recall':>10}{'f1-score':>10}{'support':>10}")
        for code, name in enumerate(self.vocab):
            right, found, objects = counts[code, code], counts[:, code].sum(), counts[code].sum()
            figures = [right / n if n else None for n in (found, objects)]
            figures.append(2 * right / (found + objects) if found + objects else None)
            texts = ["n/a" if figure is None else f"{figure:.2f}" for figure in figures]
            print(f"{plain_text(name, 22):>24}{texts[0]:>12}{texts[1]:>10}{texts[2]:>10}{objects:>10}")

    def plot_confusion_matrix(self, score: float = 0.5, iou: float = 0.5) -> Any:
        """Draw `confusion_matrix`."""
        counts = self.confusion_matrix(score, iou)
        names = [plain_text(name, 24) for name in (*self.vocab, "nothing")]
        _, axes = pyplot.subplots(figsize=(2.5 + 0.5 * len(names),) * 2, FigureClass=NamedFigure)
        axes.imshow(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        for row, column in zip(*np.nonzero(counts), strict=True):
            axes.text(column, row, counts[row, column], ha="center", va="center")
        axes.set(xlabel="found", ylabel="true")
        return axes

    def plot_precision_recall(self) -> Any:
        """Draw precision over recall at an overlap of .5, a line a class."""
        curves = self.figures()["precision50"]
        _, axes = pyplot.subplots(figsize=(5.5, 4.5), FigureClass=NamedFigure)
        for name, curve, area in zip(self.vocab, curves.T, self.figures()["per_class50"], strict=True):
            if area is not None:
                axes.plot(np.linspace(0, 1, len(curve)), curve, label=f"{plain_text(name)} ({area:.2f})")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend()
        return axes

    def explain(self, number: int, score: float = 0.5, most: int = 3) -> list[ExplainedBox]:
        """What the best detections of one image came from, by modality: see `explain_detection`.

        number: of the image; score: least of a detection, DataError where the image has none such; most: how many.
        """
        if not 0 <= number < len(self.detections):
            raise DataError(f"number: {number}; the images are 0 to {len(self.detections) - 1}")
        frame, _ = frame_of(self.learn, self.dl.items[number])
        chosen = best_detections(self.detections[number], self.ids[number], score, most)
        groups = modality_groups(self.learn.dls.source)
        return [explain_detection(self.learn.model, frame, row, groups) for row in chosen]

    def plot_worst(self, k: int = 4) -> Any:
        """Draw the images with most errors: truth and detections side by side."""
        return self.show_results([row["number"] for row in self.errors()[:k]])


def predicted(learn: DetectionLearner, dl: DataLoader, cbs: Any = None) -> tuple[list[Tensor], list[Tensor]]:
    """Detections [D,6] and truth [M,5] of each image of a loader."""
    with quiet(learn):
        detections, targets = learn.get_preds(dl=dl, cbs=cbs)
    return [row.as_subclass(Tensor).float() for row in detections], [row.as_subclass(Tensor) for row in targets]


@contextlib.contextmanager
def quiet(learn: DetectionLearner) -> Iterator[None]:
    """Without progress bar and table."""
    with learn.no_bar(), learn.no_logging(), torch.no_grad():
        yield
