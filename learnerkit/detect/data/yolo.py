"""YOLO labels: a text file an image, a line a box, `class xc yc w h` relative to the image; faults by their line.

Polygons (`class x y x y x y ...`) become the boxes around them. The format is ultralytics' and darknet's.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.data.faults import Fault
from learnerkit.detect.data.gather import Boxes, RawBox, around, gather_boxes, no_boxes
from learnerkit.detect.data.names import read_lines

MOST_CLASSES = 10_000  # where no names say how many there are
BOX, ROTATED = 5, 9  # columns


@dataclass
class LabelFile:
    """The lines of one label file, or why it cannot be read.

    name: in messages; lines: (number, text) of those that are not empty.
    """

    name: str
    lines: list[tuple[int, str]] = field(default_factory=list)
    reason: str = ""


def open_label(file: Path, name: str) -> LabelFile | None:
    """A label file's lines; None where there is none."""
    if not file.exists():
        return None
    try:
        lines = read_lines(file)
    except DataError as error:
        return LabelFile(name, reason=str(error).removeprefix(f"{file}: "))
    return LabelFile(name, [(number, line) for number, line in enumerate(lines, 1) if line.strip()])


def are_polygons(labels: Sequence[LabelFile], root: Path, asked: bool = False) -> tuple[bool, list[str]]:
    """Whether lines of polygons become boxes, and what to say of it; DataError where the set is of another format.

    asked: that the boxes around polygons are wanted, whatever the other lines are.
    """
    lines = [(label.name, number, line.split()) for label in labels for number, line in label.lines]
    columns = Counter(len(words) for _, _, words in lines)
    if not lines:
        return asked, []
    place = "{}, line {}".format(*lines[0][:2])
    pixels = [words for _, _, words in lines if len(words) == BOX and _beyond(words[1:])]
    if len(pixels) > 0.5 * len(lines) and len(pixels) > 1:
        raise DataError(
            f"{root}: {len(pixels):,} of {len(lines):,} label lines hold pixels (such as '{' '.join(pixels[0])}'); "
            "YOLO's boxes are relative: class xc yc w h, each divided by the image's width or height"
        )
    if set(columns) == {BOX + 1}:
        raise DataError(
            f"{root}: every label line has 6 columns ({place}): a sixth is a confidence or a track, and predictions "
            "are no labels; 5 are needed: class xc yc w h"
        )
    polygons = sum(n for count, n in columns.items() if _is_polygon(count))
    if not polygons or asked:
        return asked, []
    if set(columns) == {ROTATED}:
        raise DataError(
            f"{root}: every label line has 8 coordinates ({place}): rotated boxes, or polygons of four points. Rotated "
            "boxes are not learnt; polygons=True (--polygons) takes the upright box around each"
        )
    if polygons == len(lines):
        return True, [f"its {len(lines):,} label lines are polygons: the box around each is taken"]
    return False, []


def without_keypoints(labels: Sequence[LabelFile], file: Path, described: dict[str, Any]) -> list[str]:
    """Cut the keypoints off lines of a pose set, whose `kpt_shape` says how many there are; what is said of it."""
    shape = described["kpt_shape"]
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(n) is int and n > 0 for n in shape):
        raise DataError(f"{file}: kpt_shape is {shape!r}; two numbers are needed: keypoints, and numbers of each")
    columns = BOX + shape[0] * shape[1]
    for label in labels:
        label.lines = [
            (number, " ".join(line.split()[:BOX]) if len(line.split()) == columns else line)
            for number, line in label.lines
        ]
    return [f"the {shape[0]} keypoints of each line are left out, its box is taken"]


def _is_polygon(columns: int) -> bool:
    return columns >= 7 and columns % 2 == 1


def _beyond(words: Sequence[str]) -> bool:
    try:
        return max(map(float, words)) > 2
    except ValueError:
        return False


def read_label(
    label: LabelFile | None, size: tuple[int, int], clip: bool, n_classes: int | None, polygons: bool
) -> Boxes | None:
    """The good boxes of a label file, and a fault for each line that is not; None where there is no file.

    size, clip: as in `gather_boxes`. n_classes: how many names there are; None when the labels themselves say so.
    polygons: whether lines of polygons are boxes.
    """
    if label is None:
        return None
    if label.reason:
        return no_boxes(Fault(label.name, label.reason))
    entries = [(f"line {number}", line) for number, line in label.lines]
    return gather_boxes(entries, lambda line: parse_line(line, n_classes, polygons), label.name, size, clip)


def parse_line(line: str, n_classes: int | None, polygons: bool = False) -> RawBox:
    """The box of a label line; DataError says what is wrong with it."""
    words = line.split()
    if len(words) != BOX and not (polygons and _is_polygon(len(words))):
        raise DataError(_wrong_columns(len(words)))
    code, *values = [_number(word) for word in words]
    n_classes = MOST_CLASSES if n_classes is None else n_classes
    if code != int(code) or not 0 <= code < n_classes:
        raise DataError(f"class {words[0]} is not in 0..{n_classes - 1}")
    if len(values) == BOX - 1:
        x, y, w, h = values
        box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    else:
        box = around(values)
        w, h = box[2] - box[0], box[3] - box[1]
    if w <= 0 or h <= 0:
        raise DataError(f"the box has the size {w:g} x {h:g}; both must be above 0")
    text = f"x {box[0]:.4g} to {box[2]:.4g}, y {box[1]:.4g} to {box[3]:.4g}"
    return RawBox(int(code), box, (int(code), *values), text, "(coordinates are in 0..1)")


def _wrong_columns(n: int) -> str:
    why = " (separated by spaces, not commas)" if n == 1 else ""
    if n == BOX + 1:
        why = "; a sixth is a confidence or a track, and predictions are no labels"
    elif _is_polygon(n):
        why = f"; a polygon of {(n - 1) // 2} points: polygons=True (--polygons) takes the box around it"
    return f"has {n} columns; 5 are needed: class xc yc w h{why}"


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise DataError(f"'{word}' is not a number") from None
    if not math.isfinite(value):
        raise DataError(f"holds {word}")
    return value
