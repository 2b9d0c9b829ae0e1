"""The six kinds of a detector's errors and what each costs, as TIDE has them (Bolya et al., ECCV 2020).

A false box is 'class' (on an object of another class), 'localisation' (beside one of its own), 'both' (beside one of
another), 'duplicate' (on one that a surer box has) or 'background'; 'missed' is an object that none of the first two
is about. What a kind costs is the AP50 that is gained when it alone is mended: the best box about an object not yet
found is put right, in class or place; all other false boxes go; missed objects are not asked for.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torchvision.ops import box_iou

from learnerkit.core.errors import RecipeError
from learnerkit.detect.boxes import scores_of, unpack_boxes, unpack_ignored
from learnerkit.detect.matching import shares_inside
from learnerkit.detect.resampled import MOST, RECALLS, taken

KINDS = ("class", "localisation", "both", "duplicate", "background", "missed")
FOREGROUND, BACKGROUND = 0.5, 0.1  # overlaps from which a box is on an object, and below which it is on none
RIGHT, CLASS, LOCALISATION, BOTH, DUPLICATE, MISSED = -1, 0, 1, 2, 3, 5


@dataclass(frozen=True)
class Judged:
    """Every detection that counts, and every missed object: arrays of one length.

    image: its number; found, true: row of the detection and of the object it is about, -1 for none.
    kind: place in `KINDS`, -1 for a right one; code: the class found, of a missed object its own.
    meant: class of the object, -1 for none; score: of the detection, nan for none; overlap: with the object it is
    about, or the greatest with any. mends: whether, put right, it would be the detection of its object.
    """

    image: np.ndarray
    found: np.ndarray
    true: np.ndarray
    kind: np.ndarray
    code: np.ndarray
    meant: np.ndarray
    score: np.ndarray
    overlap: np.ndarray
    mends: np.ndarray

    def counts(self, n_classes: int) -> np.ndarray:
        """How many of each kind there are in each class, int64 [6,K]: of false boxes the class they say."""
        counts = np.zeros((len(KINDS), n_classes), np.int64)
        wrong = self.kind != RIGHT
        np.add.at(counts, (self.kind[wrong], self.code[wrong]), 1)
        return counts


@dataclass(frozen=True)
class ErrorKinds:
    """What the errors of a detector are and cost.

    ap50: as it is, None where there is no object; per_class: AP50 of each class [K], nan where it has no object.
    gains: AP50 that mending one kind gains in each class [6,K]; counts: how many there are, [6,K].
    mended: AP50 when all kinds are mended together; judged: each detection and missed object.
    """

    ap50: float | None
    per_class: np.ndarray
    gains: np.ndarray
    counts: np.ndarray
    mended: float | None
    judged: Judged

    @property
    def cost(self) -> dict[str, float | None]:
        """AP50 that each kind costs, mean over the classes that have objects."""
        return {kind: _mean(row) for kind, row in zip(KINDS, self.gains, strict=True)}

    @property
    def number(self) -> dict[str, int]:
        """How many there are of each kind."""
        return dict(zip(KINDS, self.counts.sum(axis=1).tolist(), strict=True))


def error_kinds(
    detections: Sequence[Tensor],
    targets: Sequence[Tensor],
    n_classes: int,
    foreground: float = FOREGROUND,
    background: float = BACKGROUND,
) -> ErrorKinds:
    """The kinds of errors of all detections, and what each costs.

    detections, targets: [D,6] and [M,5] an image, see `detect.boxes`; n_classes: how many there are.
    foreground, background: overlaps from which a box is on an object, and below which it is on none.
    """
    judged = judge(detections, targets, 0.0, foreground, background)
    codes = [unpack_boxes(rows)[1].numpy() for rows in targets]
    objects = np.bincount(np.concatenate([np.empty(0, np.int64), *codes]), minlength=n_classes)
    now = precisions(judged, objects)
    gains = np.stack([precisions(judged, objects, {number}) - now for number in range(len(KINDS))])
    mended = precisions(judged, objects, set(range(len(KINDS))))
    return ErrorKinds(_mean(now), now, gains, judged.counts(n_classes), _mean(mended), judged)


def kind_rows(found: ErrorKinds, sure: Judged) -> dict[str, dict[str, float | int | None]]:
    """Of each kind 'cost', the AP50; 'boxes', how many there are; 'sure', how many among the sure detections."""
    numbers = sure.counts(found.counts.shape[1]).sum(axis=1).tolist()
    columns = zip(KINDS, found.cost.values(), found.number.values(), numbers, strict=True)
    return {kind: {"cost": cost, "boxes": boxes, "sure": number} for kind, cost, boxes, number in columns}


def check_overlaps(foreground: float, background: float) -> None:
    """RecipeError where a box that is on no object would be on one."""
    if background >= foreground:
        raise RecipeError(f"background: {background}: must be below the overlap of an object, {foreground}")


def judge(
    detections: Sequence[Tensor],
    targets: Sequence[Tensor],
    score: float = 0.0,
    foreground: float = FOREGROUND,
    background: float = BACKGROUND,
) -> Judged:
    """What each detection of at least a score is, and which objects are missed; other arguments as in `error_kinds`.

    The best 100 of an image and class count, as in COCO's AP; one in an ignored region of its class does not.
    """
    parts = [
        _judge_image(number, found, truth, score, foreground, background)
        for number, (found, truth) in enumerate(zip(detections, targets, strict=True))
    ]
    whole = np.concatenate([np.empty((0, 9)), *parts])
    integers = (column.astype(np.int64) for column in whole[:, :6].T)
    return Judged(*integers, whole[:, 6], whole[:, 7], whole[:, 8].astype(bool))


def _judge_image(
    number: int, found: Tensor, truth: Tensor, score: float, foreground: float, background: float
) -> np.ndarray:
    """The columns of `Judged` of one image [n,9], its detections in the order of their scores."""
    boxes, codes = unpack_boxes(found)
    objects, of_objects = (rows.numpy() for rows in unpack_boxes(truth))
    rows = _counted(codes.numpy(), scores_of(found).numpy(), score)
    overlaps = box_iou(boxes[rows].double(), unpack_boxes(truth)[0].double()).numpy()
    codes, scores = codes.numpy()[rows], scores_of(found).numpy()[rows]
    same = codes[:, None] == of_objects
    object_of = taken(np.where(same, overlaps, -1.0), foreground)
    used = np.isin(np.arange(len(objects)), object_of)
    kinds, about, overlap = np.full(len(rows), RIGHT), object_of.copy(), np.zeros(len(rows))
    if len(objects):
        nearest = [np.where(of, overlaps, 0.0) for of in (same, ~same, same & used, np.ones_like(same))]
        best = [part.max(axis=1) for part in nearest]
        places = [part.argmax(axis=1) for part in nearest]
        tests = [
            (background <= best[0]) & (best[0] < foreground),
            best[1] >= foreground,
            best[2] >= foreground,
            best[3] <= background,
        ]
        wrong = np.select(tests, [LOCALISATION, CLASS, DUPLICATE, KINDS.index("background")], BOTH)
        chosen = np.select(tests, [*places[:3], np.full(len(rows), -1)], places[3])
        kinds, about = np.where(object_of >= 0, RIGHT, wrong), np.where(object_of >= 0, object_of, chosen)
        overlap = np.where(about >= 0, overlaps[np.arange(len(rows)), about], best[3])
    else:
        kinds[:] = KINDS.index("background")
    kept = (kinds == RIGHT) | ~_aside(boxes[rows], codes, truth, foreground)
    mends, to_mend = np.zeros(len(rows), bool), np.isin(kinds, (CLASS, LOCALISATION)) & kept
    for row in np.flatnonzero(to_mend):
        mends[row] = not used[about[row]] and not mends[:row][about[:row] == about[row]].any()
    missed = np.flatnonzero(~used & ~np.isin(np.arange(len(objects)), about[to_mend]))
    meant = np.where(about >= 0, of_objects[about], -1) if len(objects) else about
    first = np.stack([np.full(len(rows), number), rows, about, kinds, codes, meant, scores, overlap, mends], 1)[kept]
    last = np.zeros((len(missed), 9))
    last[:] = [number, -1, 0, MISSED, 0, 0, np.nan, 0, 0]
    last[:, 2], last[:, 4], last[:, 5] = missed, of_objects[missed], of_objects[missed]
    last[:, 7] = overlaps[:, missed].max(axis=0) if len(rows) else 0
    return np.concatenate([first, last])


def _counted(codes: np.ndarray, scores: np.ndarray, least: float) -> np.ndarray:
    """Rows of the detections that count, best first."""
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= least]
    if len(order) <= MOST:
        return order
    of_class = {code: np.flatnonzero(codes[order] == code)[:MOST] for code in np.unique(codes)}
    return order[np.sort(np.concatenate(list(of_class.values())))]


def _aside(boxes: Tensor, codes: np.ndarray, truth: Tensor, least: float) -> np.ndarray:
    """Whether each box lies in a region of its class that is to be ignored, bool [D]."""
    regions, of_regions = unpack_ignored(truth)
    if not len(regions):
        return np.zeros(len(codes), bool)
    inside = shares_inside(boxes, regions).numpy() >= least
    return (inside & (codes[:, None] == of_regions.numpy())).any(axis=1)


def precisions(judged: Judged, objects: np.ndarray, mended: Collection[int] = ()) -> np.ndarray:
    """AP50 of each class [K] when some kinds are mended; nan where a class has no object.

    objects: of each class [K]; mended: places in `KINDS`. A class of which every object is missed, and mended so, has 1
    where no false box is left in it, else 0.
    """
    chosen = np.isin(judged.kind, list(mended))
    right = (judged.kind == RIGHT) | (chosen & judged.mends)
    kept = right | (~chosen & (judged.kind != MISSED))
    codes = np.where(right, judged.meant, judged.code)
    left = objects - np.bincount(judged.code[chosen & (judged.kind == MISSED)], minlength=len(objects))
    found = np.full(len(objects), np.nan)
    for code in np.flatnonzero(objects):
        rows = np.flatnonzero(kept & (codes == code))
        order = rows[np.argsort(-judged.score[rows], kind="stable")]
        found[code] = _precision(right[order], int(left[code]))
    return found


def _precision(right: np.ndarray, objects: int) -> float:
    """Average precision at 101 recalls. right: whether each detection is, best first."""
    if not objects:
        return float(not len(right))
    if not len(right):
        return 0.0
    hits = right.cumsum()
    precision = np.maximum.accumulate((hits / np.arange(1, len(right) + 1))[::-1])[::-1]
    places = np.searchsorted(hits / objects, RECALLS)
    return float(precision[places[places < len(precision)]].sum() / len(RECALLS))


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
