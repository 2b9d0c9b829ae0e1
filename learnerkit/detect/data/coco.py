"""COCO's instance annotations: one JSON file for many images, boxes as x, y, width, height in pixels."""

import json
import math
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.data.faults import Fault
from learnerkit.data.walk import PART_WORDS
from learnerkit.detect.data.yolo import EDGE, Boxes, RawBox, gather_boxes, no_boxes

ID = (int, str)
KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "images": {"id": ID, "file_name": (str,)},
    "annotations": {"image_id": ID},
    "categories": {"id": ID, "name": (str,)},
}
NOT_COCO = "is not a COCO annotation file"


def annotation_files(path: Path) -> list[Path]:
    """The annotation files of a set: the file itself, or those of a folder; none where it has none."""
    if path.suffix.lower() == ".json":
        return [path]
    places = [path, path / "annotations", *(path / name for name in PART_WORDS)]
    found = [file for place in places if place.is_dir() for file in sorted(place.glob("*.json"))]
    return [file for file in found if file.name != "run.json"]  # of a run written beside them


def part_of(file: Path, root: Path) -> str:
    """'train', 'valid', 'test' or '' as an annotation file's name or folder says."""
    words = file.stem.replace("-", "_").lower().split("_")
    for word in [*words, *(() if file.parent == root else (file.parent.name.lower(),))]:
        for mark, part in PART_WORDS.items():
            if word == mark or (word.startswith(mark) and word[len(mark) :].isdigit()):
                return part
    return ""


def read_annotations(file: Path) -> dict[str, Any]:
    """The content of an annotation file; DataError when it is not one, or its parts are wrong."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: {NOT_COCO}: it cannot be read as JSON ({error})") from error
    missing = [key for key in KEYS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise DataError(f"{file}: {NOT_COCO}: it lacks the list(s) {', '.join(missing)}")
    for key, needed in KEYS.items():
        for number, entry in enumerate(content[key]):
            _check_entry(entry, needed, f"{file}: {key}[{number}]")
    for key, what in (("images", "id"), ("categories", "id"), ("categories", "name")):
        given = Counter(entry[what] for entry in content[key])
        twice = [value for value, count in given.items() if count > 1]
        if twice:
            raise DataError(f"{file}: {key}: the {what} {twice[0]!r} stands {given[twice[0]]} times; it must be unique")
    if len({type(entry["id"]) for entry in content["categories"]}) > 1:
        raise DataError(f"{file}: categories: some ids are numbers and some texts")
    return content


def _check_entry(entry: Any, needed: dict[str, tuple[type, ...]], place: str) -> None:
    if not isinstance(entry, dict):
        raise DataError(f"{place}: is {type(entry).__name__}; an object with {', '.join(needed)} is needed")
    for key, kinds in needed.items():
        if type(entry.get(key)) not in kinds or entry[key] == "":
            names = " or ".join(kind.__name__ for kind in kinds)
            raise DataError(f"{place}: its {key} is {entry.get(key)!r}; {names} is needed")


def find_image(root: Path, annotations: Path, name: str) -> Path | None:
    """Where an image of an annotation file lies: beside it, in images/, or in a folder named like its part."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    part, short = part_of(annotations, root), annotations.stem.removeprefix("instances_")
    folders = [annotations.parent, root, root / "images", root / part, root / "images" / part]
    folders += [root / annotations.stem, root / short, root / "images" / short]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def boxes_of(
    entry: dict[str, Any],
    annotations: list[tuple[int, dict]],
    codes: dict[int | str, int],
    name: str,
    size: tuple[int, int],
    clip: bool,
) -> Boxes:
    """The good boxes of one image and a fault for each annotation that is not; crowd regions are left out.

    entry: of the file's images; annotations: (place in the file, annotation); codes: category id -> class number.
    name: of the annotation file; size: height and width of the stored image; clip: as in `gather_boxes`.
    """
    height, width = size
    said = (entry.get("height") or height, entry.get("width") or width)
    if said != size:  # its boxes are of another picture
        text = f"says {entry['file_name']} is {said[1]}x{said[0]} pixels; it is {width}x{height}"
        return no_boxes(Fault(name, text, f"image {entry['id']}"))
    entries = [(f"annotation {annotation.get('id', number)}", annotation) for number, annotation in annotations]
    pixel = 1.0 / min(width, height)  # COCO's own boxes reach past the edge by rounding
    parse = partial(parse_annotation, codes=codes, size=size)
    return gather_boxes(entries, parse, name, size, clip, max(EDGE, pixel))


def parse_annotation(annotation: dict, codes: dict[int | str, int], size: tuple[int, int]) -> RawBox | None:
    """The box of an annotation, None for a crowd region; DataError says what is wrong with it."""
    if annotation.get("iscrowd", 0) not in (0, 1):
        raise DataError(f"iscrowd is {annotation['iscrowd']!r}; 0 or 1 is needed")
    if annotation.get("iscrowd"):
        return None
    box, category = annotation.get("bbox"), annotation.get("category_id")
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_finite, box))):
        raise DataError(f"bbox is {box!r:.80}; four numbers are needed: x, y, width, height")
    if type(category) not in ID or category not in codes:
        raise DataError(f"category {category!r} is not among the categories")
    (x, y, w, h), (height, width) = box, size
    if w <= 0 or h <= 0:
        raise DataError(f"the box has the size {w:g} x {h:g}; both must be above 0")
    relative = (x / width, y / height, (x + w) / width, (y + h) / height)
    return RawBox(codes[category], relative, (category, *box), str(box), f"of {width}x{height}")


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9 and math.isfinite(value)
