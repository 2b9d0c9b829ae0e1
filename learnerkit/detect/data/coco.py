"""COCO's instance annotations: one JSON file for many images, boxes as x, y, width, height in pixels.

Format: cocodataset.org/#format-data. Crowds and regions to be ignored are neither learnt nor counted.
"""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.data.faults import Fault
from learnerkit.detect.data.gather import EDGE, Boxes, RawBox, around, gather_boxes, is_number, no_boxes, pixel_box

ID = (int, str)
KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "images": {"id": ID, "file_name": (str,)},
    "annotations": {"image_id": ID},
    "categories": {"id": ID, "name": (str,)},
}
NOT_COCO = "is not a COCO annotation file"
OTHERS = {"caption": "captions", "keypoints": "keypoints", "segments_info": "panoptic segments"}


def read_content(file: Path) -> Any:
    """The content of a JSON file; DataError where it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: {NOT_COCO}: it cannot be read as JSON ({error})") from error


def kind_of(content: Any) -> str:
    """What a JSON file holds: 'boxes', one of `OTHERS`, 'images without annotations', or ''."""
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        return ""
    annotations = content.get("annotations")
    if not isinstance(annotations, list):
        return "images without annotations" if "annotations" not in content and "categories" in content else ""
    held = {key for entry in annotations if isinstance(entry, dict) for key in OTHERS if entry.get(key)}
    if kind := next((kind for key, kind in OTHERS.items() if key in held), ""):
        return kind
    return "boxes" if isinstance(content.get("categories"), list) else ""


def read_annotations(file: Path, content: Any = None) -> dict[str, Any]:
    """The content of an annotation file; DataError when it is not one, or its parts are wrong.

    content: as it was read already.
    """
    content = read_content(file) if content is None else content
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
    _refuse_relative(file, content)
    return content


def _check_entry(entry: Any, needed: dict[str, tuple[type, ...]], place: str) -> None:
    if not isinstance(entry, dict):
        raise DataError(f"{place}: is {type(entry).__name__}; an object with {', '.join(needed)} is needed")
    for key, kinds in needed.items():
        if type(entry.get(key)) not in kinds or entry[key] == "":
            names = " or ".join(kind.__name__ for kind in kinds)
            raise DataError(f"{place}: its {key} is {entry.get(key)!r}; {names} is needed")


def _refuse_relative(file: Path, content: dict[str, Any]) -> None:
    boxes = [entry["bbox"] for entry in content["annotations"] if _is_box(entry.get("bbox"))]
    if len(boxes) > 1 and max(map(max, boxes)) <= 1:
        raise DataError(
            f"{file}: every bbox is within 0..1, such as {boxes[0]}; COCO's are in pixels: multiply by the "
            "image's width and height"
        )


def boxes_of(
    entry: dict[str, Any],
    annotations: list[tuple[int, dict]],
    codes: dict[int | str, int],
    name: str,
    size: tuple[int, int],
    clip: bool,
) -> Boxes:
    """The good boxes of one image, the regions to be ignored, and a fault for each annotation that is neither.

    entry: of the file's images; annotations: (place in the file, annotation); codes: category id -> class number.
    name: of the annotation file; size: height and width of the stored image; clip: as in `gather_boxes`.
    """
    height, width = size
    said = (entry.get("height") or height, entry.get("width") or width)
    if said != size:  # its boxes are of another picture
        text = f"says {entry['file_name']} is {said[1]!r}x{said[0]!r} pixels; it is {width}x{height}"
        text += ", turned as its EXIF orientation says" if said == (width, height) else ""
        return no_boxes(Fault(name, text, f"image {entry['id']}"))
    entries = [(f"annotation {annotation.get('id', number)}", annotation) for number, annotation in annotations]
    pixel = 1.0 / min(width, height)  # COCO's own boxes reach past the edge by rounding
    parse = partial(parse_annotation, codes=codes, size=size)
    return gather_boxes(entries, parse, name, size, clip, max(EDGE, pixel))


def parse_annotation(annotation: dict, codes: dict[int | str, int], size: tuple[int, int]) -> RawBox:
    """The box of an annotation, or the region around its polygons; DataError says what is wrong with it."""
    for key in ("iscrowd", "ignore"):
        if annotation.get(key) not in (None, 0, 1):
            raise DataError(f"{key} is {annotation[key]!r}; 0 or 1 is needed")
    box, category = annotation.get("bbox"), annotation.get("category_id")
    segmentation = annotation.get("segmentation")
    if not box:
        box = box_around(segmentation)
    if box is None and isinstance(segmentation, dict):
        raise DataError("has a run-length mask and no bbox; write the bbox too (pycocotools.mask.toBbox)")
    if not _is_box(box):
        raise DataError(f"bbox is {box!r:.80}; four numbers are needed: x, y, width, height")
    if type(category) not in ID or category not in codes:
        raise DataError(f"category {category!r} is not among the categories")
    x, y, w, h = box
    ignored = bool(annotation.get("iscrowd") or annotation.get("ignore"))
    key = (category, *box, ignored)
    return pixel_box((x, y, x + w, y + h), codes[category], size, key, str(box), ignored)


def box_around(segmentation: Any) -> list[float] | None:
    """The box x, y, width, height around an annotation's polygons; None where it has none of points."""
    rings = segmentation if isinstance(segmentation, list) else []
    points = [value for ring in rings if isinstance(ring, list) for value in ring]
    if len(points) < 6 or len(points) % 2 or not all(map(is_number, points)):
        return None
    x1, y1, x2, y2 = around(points)
    return [x1, y1, x2 - x1, y2 - y1]


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))
