"""COCO's instance annotations: one JSON file for many images, boxes as x, y, width, height in pixels."""

import math
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json
from learnerkit.data.box_labels import Boxes, checked_box, collect
from learnerkit.data.faults import Fault

PARTS = {"train": "train", "val": "valid", "valid": "valid", "test": "test"}


def annotation_files(path: Path) -> list[Path]:
    """The annotation files of a set: the file itself, or those of a folder; none where it has none."""
    if path.suffix.lower() == ".json":
        return [path]
    places = [path, path / "annotations", *(path / name for name in PARTS)]
    found = [file for place in places if place.is_dir() for file in sorted(place.glob("*.json"))]
    return [file for file in found if file.name not in ("run.json",)]


def part_of(file: Path, root: Path) -> str:
    """'train', 'valid', 'test' or '' as an annotation file's name or folder says."""
    words = file.stem.replace("-", "_").lower().split("_")
    for word in [*words, *(() if file.parent == root else (file.parent.name.lower(),))]:
        for mark, part in PARTS.items():
            if word == mark or (word.startswith(mark) and word[len(mark) :].isdigit()):
                return part
    return ""


def read_annotations(file: Path) -> dict[str, Any]:
    """The content of an annotation file; DataError when it is none."""
    content = read_json(file)
    missing = [
        key
        for key in ("images", "annotations", "categories")
        if not isinstance(content, dict) or not isinstance(content.get(key), list)
    ]
    if missing:
        raise DataError(f"{file}: is not a COCO annotation file, it lacks the list(s) {', '.join(missing)}")
    return content


def find_image(root: Path, annotations: Path, name: str) -> Path | None:
    """Where an image of an annotation file lies: beside it, in images/, or in a folder named like its part."""
    part = part_of(annotations, root)
    folders = [annotations.parent, root, root / "images", root / part, root / "images" / part, root / annotations.stem]
    folders += [
        root / annotations.stem.removeprefix("instances_"),
        root / "images" / annotations.stem.removeprefix("instances_"),
    ]
    inside = root.resolve()
    for folder in folders:
        place = folder / name
        if place.is_file() and place.resolve().is_relative_to(inside):
            return place
    return None


def boxes_of(
    entry: dict[str, Any],
    annotations: list[tuple[int, dict]],
    codes: dict[int, int],
    name: str,
    size: tuple[int, int],
    clip: bool,
) -> Boxes:
    """The good boxes of one image and a fault for each annotation that is not; crowd regions are left out.

    entry: of the file's images; annotations: (place in the file, annotation); codes: category id -> class number.
    name: of the annotation file; size: height and width of the stored image; clip: as in `read_label`.
    """
    height, width = size
    rows, faults, seen = [], [], {}
    if (entry.get("height", height), entry.get("width", width)) != size:
        said = f"{entry.get('width')}x{entry.get('height')}"
        faults.append(
            Fault(
                name, f"says {entry['file_name']} is {said} pixels; it is {width}x{height}", f"image {entry['id']}", 0
            )
        )
    for number, annotation in annotations:
        place = f"annotation {annotation.get('id', number)}"
        if annotation.get("iscrowd"):
            continue
        try:
            box = annotation.get("bbox")
            numbers = (
                isinstance(box, list)
                and len(box) == 4
                and all(type(v) in (int, float) and math.isfinite(v) for v in box)
            )
            if not numbers:
                raise DataError(f"bbox is {box!r}; four numbers are needed: x, y, width, height")
            if annotation.get("category_id") not in codes:
                raise DataError(f"category {annotation.get('category_id')!r} is not among the categories")
            x, y, w, h = box
            if w <= 0 or h <= 0:
                raise DataError(f"the box has the size {w:g} x {h:g}; both must be above 0")
            code, key = codes[annotation["category_id"]], (annotation["category_id"], *box)
            first = seen.setdefault(key, place)
            if first != place:
                raise DataError(f"is the same box as {first}")
            inside, moved = checked_box([x / width, y / height, (x + w) / width, (y + h) / height])
            pixel = 1.0 / min(width, height)  # COCO's own boxes reach past the edge by rounding
            far = moved and max(-x / width, -y / height, (x + w) / width - 1, (y + h) / height - 1) > pixel
            if far and not clip:
                raise DataError(f"the box {box} reaches past the image of {width}x{height}")
        except DataError as error:
            faults.append(Fault(name, str(error), place, 0))
            continue
        if far:
            faults.append(Fault(name, f"the box {box} reaches past the image of {width}x{height}: clipped", place, 0))
        rows.append((code, inside))
    return collect(rows, faults, width, height)
