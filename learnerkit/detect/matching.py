"""Which detection means which object, whatever their classes: for confusion, missed and false boxes."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchvision.ops import box_area, box_iou

from learnerkit.detect.boxes import scores_of, unpack_boxes, unpack_ignored


def match_boxes(detections: Tensor, targets: Tensor, score: float = 0.5, iou: float = 0.5) -> list[tuple[int, int]]:
    """Pairs (row of the truth, row of the detections) of one image, by the greatest total overlap; -1 for none.

    detections: [D,6]; targets: [M,5], see `detect.boxes`.
    score: least of a detection that counts; iou: least of a pair.
    Every object and every detection that counts stands in one pair; rows count the held boxes alone. A detection of no
    object that lies in a region to be ignored, by `iou` of its own area, is in none.
    """
    truth, _ = unpack_boxes(targets)
    found, _ = unpack_boxes(detections)
    counted = np.flatnonzero((scores_of(detections) >= score).numpy())
    overlaps = (
        box_iou(truth, found[counted]).numpy() if len(truth) and len(counted) else np.zeros((len(truth), len(counted)))
    )
    allowed = np.where(overlaps >= iou, overlaps, 0.0)
    pairs = [
        (int(a), int(counted[b])) for a, b in zip(*linear_sum_assignment(-allowed), strict=True) if allowed[a, b] > 0
    ]
    seen, used = {a for a, _ in pairs}, {b for _, b in pairs}
    missed = [(row, -1) for row in range(len(truth)) if row not in seen]
    alone = [int(row) for row in counted if int(row) not in used]
    inside = _in_ignored(found, unpack_ignored(targets)[0])
    return pairs + missed + [(-1, row) for row in alone if inside[row] < iou]


def _in_ignored(found: Tensor, regions: Tensor) -> Tensor:
    """The greatest share of each box's area [D] that lies in one of some regions."""
    return shares_inside(found, regions).amax(dim=1) if len(regions) else torch.zeros(len(found))


def shares_inside(found: Tensor, regions: Tensor) -> Tensor:
    """The share of each box's area that lies in each of some regions [D,R]. found: [D,4]; regions: [R,4]."""
    low, high = torch.maximum(found[:, None, :2], regions[:, :2]), torch.minimum(found[:, None, 2:], regions[:, 2:4])
    shared = (high - low).clamp(min=0).prod(dim=2)
    return shared / box_area(found)[:, None].clamp(min=1e-6)


def box_confusion(
    detections: list[Tensor], targets: list[Tensor], n_classes: int, score: float = 0.5, iou: float = 0.5
) -> np.ndarray:
    """Counts [K+1,K+1]: rows the true classes, columns the found ones; the last of both is 'nothing'.

    detections, targets: [D,6] and [M,5] an image; score, iou: as in `match_boxes`.
    """
    counts = np.zeros((n_classes + 1, n_classes + 1), dtype=np.int64)
    for found, truth in zip(detections, targets, strict=True):
        of_truth, of_found = unpack_boxes(truth)[1].tolist(), unpack_boxes(found)[1].tolist()
        for row, column in match_boxes(found, truth, score, iou):
            counts[of_truth[row] if row >= 0 else n_classes, of_found[column] if column >= 0 else n_classes] += 1
    return counts


def image_errors(detections: Tensor, targets: Tensor, score: float = 0.5, iou: float = 0.5) -> tuple[int, int, int]:
    """Of one image: objects that were missed, boxes where nothing is, and objects found as another class."""
    truth, found = unpack_boxes(targets)[1], unpack_boxes(detections)[1]
    pairs = match_boxes(detections, targets, score, iou)
    missed = sum(column < 0 for _, column in pairs)
    false = sum(row < 0 for row, _ in pairs)
    return missed, false, sum(bool(truth[a] != found[b]) for a, b in pairs if a >= 0 and b >= 0)


def as_tensors(rows: np.ndarray) -> list[Tensor]:
    """A numpy array [N,...] as a list of float tensors."""
    return list(torch.from_numpy(np.asarray(rows, dtype=np.float32)))
