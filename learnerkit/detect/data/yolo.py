"""YOLO labels: a text file an image, a line a box, `class xc yc w h` relative to the image; faults by their line.

`gather_boxes` is the loop that every box format goes through.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_yaml
from learnerkit.data.faults import Fault

EDGE = 1e-4  # of the image: rounding of relative coordinates past the edge is no fault
MOST_CLASSES = 10_000  # where no names say how many there are


@dataclass
class Boxes:
    """The boxes of one image, in pixels of the stored image.

    boxes: float32 [n,4], x1 y1 x2 y2; codes: int64 [n].
    faults: what is wrong with entries. left_out: the image cannot be used without them, one of the faults says why.
    """

    boxes: np.ndarray
    codes: np.ndarray
    faults: list[Fault] = field(default_factory=list)
    left_out: bool = False


@dataclass(frozen=True)
class RawBox:
    """One box as a file has it.

    code: class number; box: x1 y1 x2 y2 relative to the image; key: equal for boxes that are the same.
    text, bounds: how messages call the box, and what it may not reach past.
    """

    code: int
    box: Sequence[float]
    key: tuple
    text: str
    bounds: str


def gather_boxes(
    entries: Iterable[tuple[str, Any]],
    parse: Callable[[Any], RawBox | None],
    name: str,
    size: tuple[int, int],
    clip: bool,
    tolerance: float = EDGE,
) -> Boxes:
    """The good boxes of one image, and a fault for each entry that is not a box.

    entries: (place in the file, entry); parse: one entry to its box, None to pass it over; DataError for a fault.
    name: of the file in messages; size: height and width of its image in pixels.
    clip: keep what of a box is inside the image, instead of leaving it out; its fault says so.
    tolerance: how far past the edge, relative to the image, is rounding and no fault.
    """
    rows: list[tuple[int, list[float]]] = []
    faults: list[Fault] = []
    seen: dict[tuple, str] = {}
    for place, entry in entries:
        try:
            raw = parse(entry)
            if raw is None:
                continue
            first = seen.setdefault(raw.key, place)
            if first != place:
                raise DataError(f"is the same box as {first}")
            inside = _inside(raw)
            past = max(abs(a - b) for a, b in zip(raw.box, inside, strict=True)) > tolerance
            if past and not clip:
                raise DataError(f"the box {raw.text} reaches past the image {raw.bounds}")
        except DataError as error:
            faults.append(Fault(name, str(error), place, samples=0))
            continue
        if past:
            faults.append(
                Fault(name, f"the box {raw.text} reaches past the image {raw.bounds}: clipped", place, samples=0)
            )
        rows.append((raw.code, inside))
    height, width = size
    boxes = np.array([box for _, box in rows], dtype=np.float64).reshape(-1, 4) * [width, height, width, height]
    return Boxes(boxes.astype(np.float32), np.array([code for code, _ in rows], dtype=np.int64), faults)


def _inside(raw: RawBox) -> list[float]:
    """A relative box cut to the image; DataError where nothing is left."""
    inside = [min(max(value, 0.0), 1.0) for value in raw.box]
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        raise DataError(f"the box {raw.text} lies outside the image {raw.bounds}")
    return inside


def no_boxes(fault: Fault) -> Boxes:
    """The boxes of an image that has to be left out."""
    return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), [fault], left_out=True)


def read_label(file: Path, name: str, size: tuple[int, int], n_classes: int | None, clip: bool) -> Boxes:
    """The good boxes of a label file, and a fault for each line that is not.

    n_classes: how many names there are; None when the labels themselves say so. The rest: as in `gather_boxes`.
    """
    try:
        lines = read_lines(file)
    except DataError as error:
        return no_boxes(Fault(name, str(error).removeprefix(f"{file}: ")))
    entries = [(f"line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    return gather_boxes(entries, lambda line: parse_line(line, n_classes), name, size, clip)


def parse_line(line: str, n_classes: int | None) -> RawBox:
    """The box of a label line; DataError says what is wrong with it."""
    words = line.split()
    if len(words) != 5:
        raise DataError(f"has {len(words)} columns; 5 are needed: class xc yc w h")
    values = [_number(word) for word in words]
    code, x, y, w, h = values
    n_classes = MOST_CLASSES if n_classes is None else n_classes
    if code != int(code) or not 0 <= code < n_classes:
        raise DataError(f"class {words[0]} is not in 0..{n_classes - 1}")
    if w <= 0 or h <= 0:
        raise DataError(f"the box has the size {w:g} x {h:g}; both must be above 0")
    box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    text = f"x {box[0]:.4g} to {box[2]:.4g}, y {box[1]:.4g} to {box[3]:.4g}"
    return RawBox(int(code), box, (int(code), *box), text, "(coordinates are in 0..1)")


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise DataError(f"'{word}' is not a number") from None
    if not math.isfinite(value):
        raise DataError(f"holds {word}")
    return value


def read_lines(file: Path) -> list[str]:
    """The lines of a text file; DataError where it is not text."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not a text file in UTF-8; save it as one") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error


def class_names(root: Path) -> list[str] | None:
    """Names from classes.txt, or from `names` in data.yaml; None where there is neither."""
    listed = root / "classes.txt"
    if listed.exists():
        names = [line.strip() for line in read_lines(listed)]
        while names and not names[-1]:
            names.pop()
        return _checked_names(listed, names)
    described = next(
        (root / name for name in ("data.yaml", "data.yml", "dataset.yaml") if (root / name).exists()), None
    )
    if described is None:
        return None
    names = read_yaml(described, words=("names",)).get("names")
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(f"{described}: names has the keys {list(names)[:10]}; class numbers from 0 on are needed")
        names = [names[code] for code in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{described}: needs names, a list of the classes")
    return _checked_names(described, [str(name) for name in names])


def _checked_names(file: Path, names: list[str]) -> list[str]:
    empty = [number for number, name in enumerate(names, 1) if not name]
    twice = sorted({name for name in names if names.count(name) > 1})
    if empty or twice or not names:
        what = f"line {empty[0]} is empty" if empty else f"'{twice[0]}' stands twice" if twice else "holds no name"
        raise DataError(f"{file}: {what}")
    return names
