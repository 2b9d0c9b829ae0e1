"""Errors one by one, as errors.csv has them: a line a false box or missed object."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from learnerkit.detect.boxes import unpack_boxes
from learnerkit.detect.error_kinds import BACKGROUND, FOREGROUND, KINDS, RIGHT, judge

SCORE = 0.5  # least of a box that counts where errors are shown one by one
COLUMNS = ("ID", "Kind", "True", "Found", "Score", "Overlap", "x1", "y1", "x2", "y2")
COLUMNS += tuple(f"true_{side}" for side in COLUMNS[-4:])


def error_list(
    detections: Sequence[Tensor],
    targets: Sequence[Tensor],
    ids: Sequence[str],
    vocab: Sequence[Any],
    score: float,
    foreground: float = FOREGROUND,
    background: float = BACKGROUND,
) -> list[dict[str, Any]]:
    """A row an error with the keys of `COLUMNS`, worst first; '' for what it has not.

    detections, targets: [D,6] and [M,5] an image; ids: names of the images; vocab: what the classes are called.
    score: least of a detection that counts; foreground, background: overlaps, see `detect.error_kinds`.
    The images with most errors come first; of one image the surest false box, then missed objects, the largest first.
    """
    judged = judge(detections, targets, score, foreground, background)
    wrong = np.flatnonzero(judged.kind != RIGHT)
    number = np.bincount(judged.image[wrong], minlength=len(ids))
    truth = [unpack_boxes(rows)[0].tolist() for rows in targets]
    found = [unpack_boxes(rows)[0].tolist() for rows in detections]
    rows = []
    for place in wrong.tolist():
        image, of_found, of_true = (int(column[place]) for column in (judged.image, judged.found, judged.true))
        box = found[image][of_found] if of_found >= 0 else None
        true = truth[image][of_true] if of_true >= 0 else None
        named = {
            "ID": ids[image],
            "Kind": KINDS[judged.kind[place]],
            "True": vocab[judged.meant[place]] if of_true >= 0 else "",
            "Found": vocab[judged.code[place]] if of_found >= 0 else "",
            "Score": round(float(judged.score[place]), 5) if of_found >= 0 else "",
            "Overlap": round(float(judged.overlap[place]), 4),
        }
        values = [*(box or [""] * 4), *(true or [""] * 4)]
        row = named | {key: value and round(value, 2) for key, value in zip(COLUMNS[6:], values, strict=True)}
        area = (true[2] - true[0]) * (true[3] - true[1]) if box is None else 0
        rows.append(((-number[image], image, box is None, -named["Score"] if box else -area), row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]
