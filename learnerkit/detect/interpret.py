"""What a detector got right and wrong, from one pass over the data, or from what a run kept of one."""

from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from learnerkit._fastai import DataLoader
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import Flag, Share, checked
from learnerkit.core.run_folder import RunFolder
from learnerkit.detect.boxes import unpack_boxes
from learnerkit.detect.dls import channel_means
from learnerkit.detect.error_kinds import check_overlaps, error_kinds, judge, kind_rows
from learnerkit.detect.error_list import error_list
from learnerkit.detect.explain import ExplainedBox, best_detections, explain_detection, frame_of, modality_groups
from learnerkit.detect.learner import DetectionLearner
from learnerkit.detect.matching import box_confusion, image_errors
from learnerkit.detect.metrics import average_precision
from learnerkit.detect.passes import SwitchOff, predicted, quiet
from learnerkit.detect.plots import plot_confusion, plot_kinds, plot_precision, report_text
from learnerkit.detect.samples import kept_samples, show_kept
from learnerkit.detect.seen import read_part


class DetectionInterpretation:
    """Detections and truth of one part of the data; made by `from_learner`, or by `from_run` of what a run kept.

    learn, dl: the learner and the loader that was predicted; None of a run.
    detections: [D,6] an image; targets: [M,5] an image, see `detect.boxes`; ids: the images' names.
    vocab: class names, those of the learner when None; run, part: the run of which the boxes are.

    Examples:
        >>> dls = detection_dls(make_digit_scenes("scenes", {"train": 32, "val": 2, "test": 2}), bs=2, keeps=())
        >>> learn = detection_learner(dls, "mit_b0")
        >>> seen = DetectionInterpretation.from_learner(learn)
        >>> list(seen.error_kinds())
        ['class', 'localisation', 'both', 'duplicate', 'background', 'missed']
    """

    def __init__(
        self,
        learn: DetectionLearner | None,
        dl: DataLoader | None,
        detections: list[Tensor],
        targets: list[Tensor],
        ids: list[str],
        vocab: list[str] | None = None,
        run: RunFolder | None = None,
        part: str = "",
    ) -> None:
        self.learn, self.dl, self.run, self.part = learn, dl, run, part
        self.detections, self.targets, self.ids = detections, targets, ids
        self.vocab = [str(name) for name in (learn.dls.vocab if vocab is None else vocab)]
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

    @classmethod
    @checked
    def from_run(cls, path: PathLike, part: str = "test", tta: Flag = False) -> "DetectionInterpretation":
        """What a run's evaluation kept, read from its folder alone: neither model nor data are needed.

        path: the run folder; part: 'test' or 'valid', as it was evaluated; tta: detections of the merged views.
        Boxes are in pixels of the stored frames. Pictures are drawn of the frames that the run kept. What needs the
        model (`ablation`, `losses`, `top_losses`, `explain`) is a RunError that says so. DataError where
        predictions.npz is damaged.
        """
        run = RunFolder.open(path)
        ids, targets, detections, vocab = read_part(run, part, tta)
        return cls(None, None, detections, targets, ids, vocab, run, part)

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

    @checked
    def error_kinds(
        self, score: Share = 0.5, iou: Share = 0.5, background: Share = 0.1
    ) -> dict[str, dict[str, float | int | None]]:
        """What each of TIDE's six kinds of errors costs, and how many there are: see `detect.error_kinds`.

        score: least of a box that counts as a sure one; iou: overlap from which a box is on an object.
        background: overlap up to which it is on none.
        Of each kind 'cost', the AP50 that is gained when it alone is mended (None without any object), 'boxes', how
        many there are among all detections, which AP counts, and 'sure', among the sure ones.
        """
        check_overlaps(iou, background)
        found = error_kinds(self.detections, self.targets, len(self.vocab), iou, background)
        return kind_rows(found, judge(self.detections, self.targets, score, iou, background))

    @checked
    def errors_table(self, score: Share = 0.5, iou: Share = 0.5, background: Share = 0.1) -> list[dict[str, Any]]:
        """A row a false box or missed object, worst first, as errors.csv of a run has them: see `detect.error_list`.

        score, iou, background: as in `error_kinds`.
        """
        check_overlaps(iou, background)
        return error_list(self.detections, self.targets, self.ids, self.vocab, score, iou, background)

    def confusion_matrix(self, score: float = 0.5, iou: float = 0.5) -> np.ndarray:
        """Counts [K+1,K+1]: rows the true classes, columns the found ones, the last of both 'nothing'."""
        return box_confusion(self.detections, self.targets, len(self.vocab), score, iou)

    def ablation(self) -> dict[str, dict[str, float | None]]:
        """mAP and mAP50 as it is, and with RGB or each further channel put to its mean: how much each is worth.

        The mean is that of the channel over the training part.
        """
        source = self._learner("ablation").dls.source
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
        with quiet(self._learner("losses")):
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
        """Draw truth and detections of images by their numbers; kwargs: for fastai's sake.

        Of a run those that it kept can be drawn; others are a RunError.
        """
        chosen = [int(idx) for idx in (idxs if isinstance(idxs, (list, tuple, range, Tensor)) else [idxs])]
        if self.learn is None:
            return show_kept(self.run, self.part, chosen, self.vocab)
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
        print(report_text(self.confusion_matrix(score, iou), self.vocab))

    def plot_confusion_matrix(self, score: float = 0.5, iou: float = 0.5) -> Any:
        """Draw `confusion_matrix`."""
        return plot_confusion(self.confusion_matrix(score, iou), self.vocab)

    def plot_precision_recall(self) -> Any:
        """Draw precision over recall at an overlap of .5, a line a class."""
        return plot_precision(self.figures(), self.vocab)

    def plot_error_kinds(self, score: float = 0.5, iou: float = 0.5, background: float = 0.1) -> Any:
        """Draw `error_kinds`: what each kind costs, and how many sure boxes and objects there are."""
        return plot_kinds(self.error_kinds(score, iou, background))

    def explain(self, number: int, score: float = 0.5, most: int = 3) -> list[ExplainedBox]:
        """What the best detections of one image came from, by modality: see `explain_detection`.

        number: of the image; score: least of a detection, DataError where the image has none such; most: how many.
        """
        if not 0 <= number < len(self.detections):
            raise DataError(f"number: {number}; the images are 0 to {len(self.detections) - 1}")
        self._learner("explain")
        frame, _ = frame_of(self.learn, self.dl.items[number])
        chosen = best_detections(self.detections[number], self.ids[number], score, most)
        groups = modality_groups(self.learn.dls.source)
        return [explain_detection(self.learn.model, frame, row, groups) for row in chosen]

    def plot_worst(self, k: int = 4) -> Any:
        """Draw the images with most errors, of a run the worst that it kept: truth and detections side by side."""
        numbers = [row["number"] for row in self.errors()]
        if self.learn is None:
            kept = kept_samples(self.run, self.part)
            numbers = [number for number in numbers if number in kept]
        return self.show_results(numbers[:k])

    def _learner(self, what: str) -> DetectionLearner:
        if self.learn is None:
            raise RunError(
                f"{what}: needs the model and the data, which from_run does not read; make it by "
                f"DetectionInterpretation.from_learner(load_run('{self.run.path}'))"
            )
        return self.learn
