"""YOLO labels: a text file an image, a line a box, `class xc yc w h` relative to the image; faults by their line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_yaml
from learnerkit.data.faults import Fault

EDGE = 1e-4  # of the image: rounding of relative coordinates past the edge is no fault
MOST_CLASSES = 10_000  # where no names say how many there are
POLICIES = ("refuse", "skip", "clip")


@dataclass
class Boxes:
    """The boxes of one image, in pixels of the stored image.

    boxes: float32 [n,4], x1 y1 x2 y2; codes: int64 [n].
    faults: what is wrong with lines. left_out: the image cannot be used without them, one of the faults says why.
    """

    boxes: np.ndarray
    codes: np.ndarray
    faults: list[Fault] = field(default_factory=list)
    left_out: bool = False


def collect(rows: list[tuple[int, list[float]]], faults: list[Fault], width: int, height: int) -> Boxes:
    """Boxes from (class, [x1, y1, x2, y2] relative to the image) rows."""
    return Boxes(*_packed(rows, width, height), faults)


def _packed(rows: list[tuple[int, list[float]]], width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    boxes = np.array([box for _, box in rows], dtype=np.float64).reshape(-1, 4) * [width, height, width, height]
    return boxes.astype(np.float32), np.array([code for code, _ in rows], dtype=np.int64)


def read_lines(file: Path) -> list[str]:
    """The lines of a text file; DataError where it is none."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not a text file in UTF-8; save it as one") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error


def read_label(file: Path, name: str, size: tuple[int, int], n_classes: int | None, clip: bool) -> Boxes:
    """The good boxes of a label file, and a fault for each line that is not.

    name: of the file in messages; size: height and width of its image in pixels.
    n_classes: how many names there are; None when the labels themselves say so.
    clip: keep what of a box is inside the image, instead of leaving it out; its fault says so.
    """
    try:
        lines = read_lines(file)
    except DataError as error:
        return Boxes(*_packed([], 1, 1), [Fault(name, str(error).removeprefix(f"{file}: "))], left_out=True)
    rows: list[tuple[int, list[float]]] = []
    faults: list[Fault] = []
    seen: dict[tuple, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            code, box = parse_line(line, n_classes)
            first = seen.setdefault((code, *box), number)
            if first != number:
                raise DataError(f"is the same box as line {first}")
            inside, moved = checked_box(box)
            if moved and not clip:
                raise DataError(f"the box {shown(box)} reaches past the image (coordinates are in 0..1)")
        except DataError as error:
            faults.append(Fault(name, str(error), f"line {number}", samples=0))
            continue
        if moved:
            faults.append(
                Fault(name, f"the box {shown(box)} reaches past the image: clipped", f"line {number}", samples=0)
            )
        rows.append((code, inside))
    return collect(rows, faults, size[1], size[0])


def parse_line(line: str, n_classes: int | None) -> tuple[int, list[float]]:
    """Class and [x1, y1, x2, y2] of a label line; DataError says what is wrong with it."""
    words = line.split()
    if len(words) != 5:
        raise DataError(f"has {len(words)} columns; 5 are needed: class xc yc w h")
    try:
        values = [float(word) for word in words]
    except ValueError:
        wrong = next(word for word in words if not _is_number(word))
        raise DataError(f"'{wrong}' is not a number") from None
    if not all(map(math.isfinite, values)):
        raise DataError(
            f"holds {next(word for word, value in zip(words, values, strict=True) if not math.isfinite(value))}"
        )
    code, x, y, w, h = values
    n_classes = MOST_CLASSES if n_classes is None else n_classes
    if code != int(code) or not 0 <= code < n_classes:
        raise DataError(f"class {words[0]} is not in 0..{n_classes - 1}")
    if w <= 0 or h <= 0:
        raise DataError(f"the box has the size {w:g} x {h:g}; both must be above 0")
    return int(code), [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def checked_box(box: list[float]) -> tuple[list[float], bool]:
    """A relative box cut to the image, and whether that was more than rounding; DataError where nothing is left."""
    inside = [min(max(value, 0.0), 1.0) for value in box]
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        raise DataError(f"the box {shown(box)} lies outside the image (coordinates are in 0..1)")
    return inside, any(abs(a - b) > EDGE for a, b in zip(box, inside, strict=True))


def shown(box: Sequence[float]) -> str:
    """A relative box in words."""
    return f"x {box[0]:.4g} to {box[2]:.4g}, y {box[1]:.4g} to {box[3]:.4g}"


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
    names = read_yaml(described).get("names")
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
        raise DataError(
            f"{file}: "
            + (f"line {empty[0]} is empty" if empty else f"'{twice[0]}' stands twice" if twice else "holds no name")
        )
    return names
