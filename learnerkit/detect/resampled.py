"""Average precision of many resamples of the same images at once, for intervals: COCO's matching once, then weights."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torchvision.ops import box_iou

from learnerkit.detect.boxes import scores_of, unpack_boxes

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # detections of an image and class that COCO counts
CELLS = 4_000_000  # numbers held at a time


def resampled_map(detections: Sequence[Tensor], targets: Sequence[Tensor], counts: np.ndarray) -> np.ndarray:
    """mAP, as `average_precision` has it, of resamples of the images [R]; nan for one without any object.

    detections: [D,6] an image; targets: [M,5] an image, see `detect.boxes`.
    counts: how often each image stands in each resample [R,N]; a row of ones is the set as it is.
    """
    return mean_over_classes(resampled_classes(detections, targets, counts)[1])


def mean_over_classes(averages: np.ndarray) -> np.ndarray:
    """mAP of each resample [R] from the AP of each class in it [K,R]; nan where no class has an object."""
    held = ~np.isnan(averages)
    n = held.sum(axis=0)
    return np.where(n > 0, np.where(held, averages, 0).sum(axis=0) / np.maximum(n, 1), np.nan)


def resampled_classes(
    detections: Sequence[Tensor], targets: Sequence[Tensor], counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The classes that have an object, and the AP of each in each resample [K,R]; arguments as in `resampled_map`."""
    truth = [tuple(tensor.numpy() for tensor in unpack_boxes(rows)) for rows in targets]
    classes = np.unique(np.concatenate([codes for _, codes in truth])) if truth else np.empty(0)
    averages = np.full((len(classes), len(counts)), np.nan)
    for row, code in enumerate(classes):
        objects = np.array([(codes == code).sum() for _, codes in truth])
        averages[row] = _averages(*_matched(detections, targets, int(code)), counts, counts @ objects)
    return classes, averages


def _matched(detections: Sequence[Tensor], targets: Sequence[Tensor], code: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one class's detections, best first: whether each is right at each overlap [10,D], and its image [D]."""
    scores, right, images = [], [], []
    for number, (found, truth) in enumerate(zip(detections, targets, strict=True)):
        boxes, codes = unpack_boxes(found)
        own = np.flatnonzero((codes == code).numpy())
        order = own[np.argsort(-scores_of(found).numpy()[own], kind="stable")][:MOST]
        objects, of_objects = unpack_boxes(truth)
        overlaps = box_iou(boxes[order].double(), objects[of_objects == code].double()).numpy()
        scores.append(scores_of(found).numpy()[order])
        right.append(np.stack([taken(overlaps, least) >= 0 for least in OVERLAPS]))
        images.append(np.full(len(order), number))
    best = np.argsort(-np.concatenate(scores), kind="stable")
    return np.concatenate(right, axis=1)[:, best], np.concatenate(images)[best]


def taken(overlaps: np.ndarray, least: float) -> np.ndarray:
    """The object that each detection, best first, gets, of those that none before it has taken; -1 for none.

    overlaps: [D,M]; least: of a detection with its object. Returns int64 [D].
    """
    free = np.where(overlaps >= min(least, 1 - 1e-10), overlaps, -1.0)
    objects = np.full(len(overlaps), -1)
    for row in np.flatnonzero((free >= 0).any(axis=1)):
        place = int(free[row].argmax())
        if free[row, place] >= 0:
            objects[row], free[:, place] = place, -1.0
    return objects


def _averages(right: np.ndarray, images: np.ndarray, counts: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Average precision over all overlaps in each resample [R]; nan where the class has no object.

    right [10,D], images [D]: of the detections, best first; objects: of the class in each resample [R].
    """
    averages = np.where(objects > 0, 0.0, np.nan)
    if not len(images):
        return averages
    step = max(1, CELLS // len(images))
    for start in range(0, len(counts), step):
        rows = slice(start, start + step)
        weights = counts[rows][:, images].astype(np.float64)
        seen = np.maximum(weights.cumsum(axis=1), 1)
        for hits in right:
            found = (weights * hits).cumsum(axis=1)
            precision = np.maximum.accumulate((found / seen)[:, ::-1], axis=1)[:, ::-1]
            recall = found / np.maximum(objects[rows], 1)[:, None]
            for row, (values, reached) in enumerate(zip(precision, recall, strict=True), start):
                places = np.searchsorted(reached, RECALLS)
                averages[row] += values[places[places < len(values)]].sum() / (len(RECALLS) * len(right))
    return averages
