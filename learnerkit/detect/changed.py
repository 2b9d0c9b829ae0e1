"""Two detectors on the images that both were measured on: their figures, and each object or false box of one alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from learnerkit.core.members import groups_of
from learnerkit.core.power import error_p
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.statistics import drawn_groups
from learnerkit.detect.boxes import NONE, unpack_boxes
from learnerkit.detect.compare import RESAMPLES
from learnerkit.detect.error_kinds import MISSED, RIGHT, Judged
from learnerkit.detect.metrics import FIGURES, average_precision
from learnerkit.detect.resampled import mean_over_classes, resampled_classes
from learnerkit.detect.seen import part_of
from learnerkit.pages.changes import ClassChange, Measured, corrected, none_of

FEWEST = 5  # images with an object of a class, below which resamples of them say too little of its AP
SAME_BOX = 0.5  # overlap from which a false box of both runs is one and the same


@dataclass(frozen=True)
class Paired:
    """A part of two runs on the images that both have with one truth, in the order of the first.

    ids: of the images; targets: [M,5] of each; detections: of both runs, [D,6] an image.
    vocab: the classes of both, the first run's first; sizes: images that A has and B has.
    other: how many both have under another truth; groups: of the images, None where each stands alone.
    """

    ids: list[str]
    targets: list[Tensor]
    detections: tuple[list[Tensor], list[Tensor]]
    vocab: list[str]
    sizes: tuple[int, int]
    other: int
    groups: np.ndarray | None

    @property
    def whole(self) -> bool:
        """Whether each run was measured on these images and on no other."""
        return self.sizes == (len(self.ids), len(self.ids))


def paired(
    runs: Sequence[RunFolder], both: Sequence[dict[str, np.ndarray]], vocabs: Sequence[list[str]], part: str
) -> Paired:
    """A part of two runs on what they share; both: arrays of predictions.npz; vocabs: class names of each."""
    held = [part_of(arrays, part) for arrays in both]
    names = [[str(name) for name in ids] for ids, _, _ in held]
    vocab = list(dict.fromkeys([*vocabs[0], *vocabs[1]]))
    truths, detections = (
        [[_renamed(rows, own, vocab) for rows in one[place]] for one, own in zip(held, vocabs, strict=True)]
        for place in (1, 2)
    )
    places = {name: row for row, name in enumerate(names[1])}
    rows = [(row, places[name]) for row, name in enumerate(names[0]) if name in places]
    same = [pair for pair in rows if _same_truth(truths[0][pair[0]], truths[1][pair[1]])]
    ids = [names[0][row] for row, _ in same]
    groups = [codes for run in runs if (codes := groups_of(run.path, part, ids)) is not None] if ids else []
    return Paired(
        ids,
        [truths[0][row] for row, _ in same],
        ([detections[0][row] for row, _ in same], [detections[1][row] for _, row in same]),
        vocab,
        (len(names[0]), len(names[1])),
        len(rows) - len(same),
        min(groups, key=lambda codes: codes.max(), default=None),
    )


def _renamed(packed: Tensor, own: list[str], vocab: list[str]) -> Tensor:
    """Packed rows whose classes are numbers of `own`, with those of `vocab`."""
    if own == vocab[: len(own)]:
        return packed
    place = torch.tensor([vocab.index(name) for name in own], dtype=packed.dtype)
    codes, renamed = packed[:, 4].long(), packed.clone()
    counted, aside = codes >= 0, codes < NONE
    renamed[counted, 4] = place[codes[counted]]
    renamed[aside, 4] = -2 - place[-2 - codes[aside]]
    return renamed


def _same_truth(first: Tensor, second: Tensor) -> bool:
    rows = [sorted(packed[packed[:, 4] != NONE].tolist()) for packed in (first, second)]
    return rows[0] == rows[1]


def figures(part: str, pair: Paired, results: Sequence[dict[str, Any]]) -> tuple[list[Measured], list[ClassChange]]:
    """The measures of both runs and the AP of each class with intervals over resampled images, from `FEWEST` on.

    results: of each run, whose figures are taken where it was measured on these images alone.
    """
    n, groups = len(pair.ids), pair.groups
    counts = np.concatenate([np.ones((1, n), np.int64), drawn_groups(n, RESAMPLES, groups)])
    drawn = bool((counts != 1).any())  # images of one group leave nothing to draw
    averages = [resampled_classes(one, pair.targets, counts) for one in pair.detections]
    means = [mean_over_classes(each) for _, each in averages]
    if pair.whole:
        others = [{name: result.get(f"{part}_{name}") for name in FIGURES} for result in results]
    else:
        others = [average_precision(one, pair.targets) for one in pair.detections]
    known = _interval(*means) if drawn else {}
    known |= {"test": "resampling"} if known else {}
    measured = [Measured(part, "mAP", n, *(none_of(each[0]) for each in means), **known)]
    measured += [Measured(part, name, n, others[0].get(name), others[1].get(name)) for name in FIGURES if name != "mAP"]
    classes = []
    for code, old, new in zip(averages[0][0].tolist(), averages[0][1], averages[1][1], strict=True):
        objects = np.array([int((unpack_boxes(rows)[1] == code).sum()) for rows in pair.targets])
        apart = len(np.unique(np.arange(n)[objects > 0] if groups is None else groups[objects > 0]))
        known = _interval(old, new) if drawn and apart >= FEWEST else {}
        classes.append(ClassChange(pair.vocab[code], int(objects.sum()), float(old[0]), float(new[0]), **known))
    return measured, corrected(classes)


def _interval(first: np.ndarray, second: np.ndarray) -> dict[str, float | None]:
    """The interval of second less first over the resamples behind the first, and p by its standard error."""
    behind = (second - first)[1:]
    known = behind[~np.isnan(behind)]
    if len(known) < 2:
        return {}
    low, high = np.percentile(known, [2.5, 97.5]).tolist()
    return {"low": low, "high": high, "p": error_p(float(second[0] - first[0]), float(known.std(ddof=1)))}


def flips(pair: Paired, part: str, judged: Sequence[Judged]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """A row an object that one run alone found, or a false box that one alone has, the surest first; and the numbers.

    judged: of both runs, of boxes with a score of `SCORE` and more.
    """
    found = [_found(one) for one in judged]
    false = [np.flatnonzero((one.kind != RIGHT) & (one.kind != MISSED)) for one in judged]
    rows = []
    for number, run in enumerate("AB"):
        own, other = judged[number], judged[1 - number]
        for key, place in found[number].items():
            if key not in found[1 - number]:
                rows.append(_row(pair, part, own, place, number, "object", run))
        rivals: dict[int, list[int]] = {}
        for rival in false[1 - number].tolist():
            rivals.setdefault(int(other.image[rival]), []).append(rival)
        for place in false[number].tolist():
            if not _matched(pair, own, place, other, rivals.get(int(own.image[place]), []), number):
                rows.append(_row(pair, part, own, place, number, "false box", "B" if run == "A" else "A"))
    rows.sort(key=lambda row: -row["score"])
    counts = {f"objects found by {run} alone": _number(rows, "object", run) for run in "AB"}
    counts |= {f"false boxes of {run} alone": _number(rows, "false box", run) for run in "AB"}
    counts["objects found by both"] = len(found[0].keys() & found[1].keys())
    return rows, counts


def _found(judged: Judged) -> dict[tuple[int, int], int]:
    """The place of the right detection of each object that was found, by image and row of the truth."""
    places = np.flatnonzero(judged.kind == RIGHT)
    return {(int(judged.image[place]), int(judged.true[place])): int(place) for place in places}


def _matched(pair: Paired, own: Judged, place: int, other: Judged, rivals: list[int], number: int) -> bool:
    """Whether the other run has the same false box: of its class, about where it is."""
    rivals = [rival for rival in rivals if other.code[rival] == own.code[place]]
    if not rivals:
        return False
    image = int(own.image[place])
    mine = unpack_boxes(pair.detections[number][image])[0][own.found[place]]
    theirs = unpack_boxes(pair.detections[1 - number][image])[0][other.found[rivals]]
    return bool((box_iou(mine[None], theirs) >= SAME_BOX).any())


def _row(pair: Paired, part: str, own: Judged, place: int, number: int, what: str, right: str) -> dict[str, Any]:
    """A row of flips.csv; right: which run is."""
    image, meant = int(own.image[place]), int(own.meant[place])
    box = unpack_boxes(pair.detections[number][image])[0][own.found[place]].tolist()
    return {
        "id": pair.ids[image],
        "part": part,
        "right": right,
        "what": what,
        "run": "AB"[number],
        "class": pair.vocab[int(own.code[place])],
        "truth": pair.vocab[meant] if meant >= 0 else "",
        "score": round(float(own.score[place]), 5),
        **{key: round(value, 2) for key, value in zip(("x1", "y1", "x2", "y2"), box, strict=True)},
    }


def _number(rows: list[dict[str, Any]], what: str, run: str) -> int:
    return sum(row["what"] == what and row["run"] == run for row in rows)
