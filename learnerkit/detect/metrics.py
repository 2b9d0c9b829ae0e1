"""Average precision of detections by torchmetrics on faster-coco-eval, as COCO defines it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learnerkit._fastai import Learner, Metric
from learnerkit.core.optional import optional
from learnerkit.detect.boxes import scores_of, unpack_boxes, unpack_ignored

FIGURES = {"mAP": "map", "mAP50": "map_50", "mAP75": "map_75"}
SIZES = {"mAP_small": "map_small", "mAP_medium": "map_medium", "mAP_large": "map_large"}


def need_detect() -> None:
    """LearnerkitError when the packages that measure detections are not installed."""
    for module in ("torchmetrics.detection", "faster_coco_eval"):
        optional(module, "detect", "mAP")


def average_precision(
    detections: Sequence[Tensor], targets: Sequence[Tensor], n_classes: int | None = None
) -> dict[str, Any]:
    """mAP, mAP50, mAP75 over all classes and by size of the object; with `n_classes` also by class.

    detections: [D,6] an image; targets: [M,5] an image, see `detect.boxes`; regions to be ignored count as crowds do.
    n_classes: how many there are; adds 'per_class' and 'per_class50', lists of AP and AP50, and 'precision50', the
        precision at IoU .5 at 101 recalls, an array [101,K] (nan where a class has no object).
    Sizes are COCO's, in pixels: small below 32x32, large from 96x96. A figure without any object is None.
    """
    result = _measure(detections, targets, n_classes is not None)
    figures = {name: _figure(result[key]) for name, key in {**FIGURES, **SIZES}.items()}
    if n_classes is not None:
        places = {code: place for place, code in enumerate(result["classes"].reshape(-1).tolist())}
        precision = result["precision"].numpy()  # thresholds of IoU, recalls, classes, sizes, greatest numbers
        curves = np.full((precision.shape[1], n_classes), np.nan)
        averages = [None] * n_classes
        for code, place in places.items():
            held = precision[:, :, place, 0, -1]
            if held[0].min() >= 0:
                averages[code], curves[:, code] = float(held.mean()), held[0]
        figures |= {"per_class": averages, "precision50": curves}
        figures["per_class50"] = [
            None if average is None else float(curves[:, code].mean()) for code, average in enumerate(averages)
        ]
    return figures


def _figure(value: Any) -> float | None:
    """torchmetrics says -1 where there is no object."""
    value = float(value)
    return None if value < 0 or value != value else value


def _measure(detections: Sequence[Tensor], targets: Sequence[Tensor], per_class: bool) -> dict[str, Tensor]:
    module = optional("torchmetrics.detection", "detect", "mAP")
    optional("faster_coco_eval", "detect", "mAP")
    # the default thresholds are float32 and move ties at hundredths of the recall by 1e-5
    thresholds = np.linspace(0, 1, 101).tolist()
    metric = module.MeanAveragePrecision(
        backend="faster_coco_eval", rec_thresholds=thresholds, extended_summary=per_class
    )
    metric.warn_on_many_detections = False
    found, truth = [], []
    for rows in detections:
        boxes, codes = unpack_boxes(rows)
        found.append({"boxes": boxes, "labels": codes, "scores": scores_of(rows)})
    for rows in targets:
        (boxes, codes), (aside, of_aside) = unpack_boxes(rows), unpack_ignored(rows)
        crowd = torch.cat([torch.zeros_like(codes), torch.ones_like(of_aside)])
        truth.append({"boxes": torch.cat([boxes, aside]), "labels": torch.cat([codes, of_aside]), "iscrowd": crowd})
    metric.update(found, truth)
    return metric.compute()


class BoxMAP(Metric):
    """One figure of average precision over a validation pass; those made together measure once.

    figure: 'mAP', 'mAP50' or 'mAP75'; shared: the metric that gathers for all, None for this one.

    Examples:
        >>> dls = detection_dls(make_digit_scenes("scenes", {"train": 32, "val": 2, "test": 2}), bs=2, keeps=())
        >>> learn = detection_learner(dls, "mit_b0", metrics=[BoxMAP("mAP50")])
        >>> [metric.name for metric in learn.metrics]
        ['mAP50']
    """

    def __init__(self, figure: str = "mAP", shared: "BoxMAP | None" = None) -> None:
        self.figure, self.shared = figure, shared
        self.detections: list[Tensor] = []
        self.targets: list[Tensor] = []
        self.measured: dict[str, Any] | None = None

    def reset(self) -> None:
        """Forget everything."""
        self.detections, self.targets, self.measured = [], [], None

    def accumulate(self, learn: Learner) -> None:
        """Take in a batch's detections and truth."""
        if self.shared is None:
            self.detections += learn.pred.detach().as_subclass(torch.Tensor).float().cpu()
            self.targets += learn.yb[0].detach().as_subclass(torch.Tensor).float().cpu()
            self.measured = None

    @property
    def value(self) -> float | None:
        """The figure; None where there is no object."""
        if self.shared is not None:
            return self.shared.figures()[self.figure]
        return self.figures()[self.figure]

    def figures(self) -> dict[str, Any]:
        """All figures of what was taken in."""
        if self.measured is None:
            self.measured = average_precision(self.detections, self.targets)
        return self.measured

    @property
    def name(self) -> str:
        """As it is shown."""
        return self.figure


def detection_metrics() -> list[BoxMAP]:
    """mAP, mAP50 and mAP75, measured once for all three."""
    first = BoxMAP("mAP")
    return [first, *(BoxMAP(figure, first) for figure in ("mAP50", "mAP75"))]
