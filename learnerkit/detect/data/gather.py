"""Boxes of one image as they are gathered from any format: checked one by one, each fault by its place."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.faults import Fault

EDGE = 1e-4  # of the image: rounding of relative coordinates past the edge is no fault
LEAST_SIDE, LEAST_AREA = 0.5, 1.0  # pixels of the stored image; a smaller box cannot be learnt, or vanishes in float32


@dataclass
class Boxes:
    """The boxes of one image, in pixels of the stored image.

    boxes: float32 [n,4], x1 y1 x2 y2; codes: int64 [n]. ignored: float32 [k,5], x1 y1 x2 y2 and the class, of regions
        that are neither learnt nor counted: crowds, difficult objects.
    faults: what is wrong with entries. left_out: the image cannot be used without them, one of the faults says why.
    """

    boxes: np.ndarray
    codes: np.ndarray
    faults: list[Fault] = field(default_factory=list)
    left_out: bool = False
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 5), np.float32))


@dataclass(frozen=True)
class RawBox:
    """One box as a file has it.

    code: class number; box: x1 y1 x2 y2 relative to the image; key: equal for boxes that are the same.
    text, bounds: how messages call the box, and what it may not reach past. ignored: see `Boxes`.
    """

    code: int
    box: Sequence[float]
    key: tuple
    text: str
    bounds: str
    ignored: bool = False


def gather_boxes(
    entries: Iterable[tuple[str, Any]],
    parse: Callable[[Any], RawBox],
    name: str,
    size: tuple[int, int],
    clip: bool,
    tolerance: float = EDGE,
) -> Boxes:
    """The good boxes of one image, and a fault for each entry that is not a box.

    entries: (place in the file, entry); parse: one entry to its box; DataError for a fault.
    name: of the file in messages; size: height and width of its image in pixels.
    clip: keep what of a box is inside the image, instead of leaving it out; its fault says so.
    tolerance: how far past the edge, relative to the image, is rounding and no fault.
    """
    height, width = size
    rows: list[tuple[RawBox, list[float]]] = []
    faults: list[Fault] = []
    seen: dict[tuple, str] = {}
    for place, entry in entries:
        try:
            raw = parse(entry)
            first = seen.setdefault(raw.key, place)
            if first != place:
                raise DataError(f"is the same box as {first}")
            inside = _inside(raw)
            past = max(abs(a - b) for a, b in zip(raw.box, inside, strict=True)) > tolerance
            if past and not clip and not raw.ignored:
                raise DataError(f"the box {raw.text} reaches past the image {raw.bounds}")
            sides = (inside[2] - inside[0]) * width, (inside[3] - inside[1]) * height
            if (min(sides) < LEAST_SIDE or sides[0] * sides[1] < LEAST_AREA * (1 - 1e-6)) and not raw.ignored:
                raise DataError(
                    f"the box {raw.text} is under a pixel: {sides[0]:.3g} x {sides[1]:.3g} of {width}x{height}"
                )
        except DataError as error:
            faults.append(Fault(name, str(error), place, samples=0))
            continue
        if past and not raw.ignored:
            faults.append(
                Fault(name, f"the box {raw.text} reaches past the image {raw.bounds}: clipped", place, samples=0)
            )
        rows.append((raw, inside))
    kept, ignored = ([row for row in rows if row[0].ignored is which] for which in (False, True))
    boxes, aside = _pixels(kept, size), _pixels(ignored, size)
    codes = np.array([raw.code for raw, _ in kept], dtype=np.int64)
    of_ignored = np.array([raw.code for raw, _ in ignored], dtype=np.float32)
    return Boxes(boxes, codes, faults, ignored=np.concatenate([aside, of_ignored[:, None]], axis=1))


def _pixels(rows: Sequence[tuple[RawBox, list[float]]], size: tuple[int, int]) -> np.ndarray:
    height, width = size
    relative = np.array([box for _, box in rows], dtype=np.float64).reshape(-1, 4)
    return (relative * [width, height, width, height]).astype(np.float32)


def _inside(raw: RawBox) -> list[float]:
    """A relative box cut to the image; DataError where nothing is left."""
    inside = [min(max(value, 0.0), 1.0) for value in raw.box]
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        raise DataError(f"the box {raw.text} lies outside the image {raw.bounds}")
    return inside


def no_boxes(*faults: Fault) -> Boxes:
    """The boxes of an image that has none; where there is a fault it has to be left out."""
    return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), list(faults), left_out=bool(faults))


def pixel_box(
    corners: Sequence[float], code: int, size: tuple[int, int], key: tuple, text: str, ignored: bool = False
) -> RawBox:
    """A box that is given in pixels; DataError where it has no size.

    corners: x1 y1 x2 y2; size: height and width of the image. The rest: as in `RawBox`.
    """
    (x1, y1, x2, y2), (height, width) = corners, size
    if x2 <= x1 or y2 <= y1:
        raise DataError(f"the box has the size {x2 - x1:g} x {y2 - y1:g}; both must be above 0")
    return RawBox(code, (x1 / width, y1 / height, x2 / width, y2 / height), key, text, f"of {width}x{height}", ignored)


def around(points: Sequence[float]) -> tuple[float, float, float, float]:
    """The box x1 y1 x2 y2 around points x y x y ..."""
    return min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])


def is_number(value: Any) -> bool:
    """Whether a value of a file is a number that a coordinate may be."""
    return type(value) in (int, float) and abs(value) < 1e9 and math.isfinite(value)
