"""Which images a detection set has, with their labels and parts: from images/ and labels/, or from COCO annotations."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.data.box_labels import class_names, read_lines
from learnerkit.data.coco_labels import NOT_COCO, annotation_files, find_image, part_of, read_annotations
from learnerkit.data.faults import Fault
from learnerkit.data.frames import SUFFIXES

LISTS = {"train": "train", "val": "valid", "valid": "valid", "test": "test"}


@dataclass
class Listed:
    """One image of a set before its frame and its boxes have been looked at.

    file, name: where it lies, and how it is called; part: 'train', 'valid', 'test', 'none' or ''.
    label: its file of YOLO lines. entry, annotations, source: of COCO, its entry, its boxes and their file.
    """

    file: Path
    name: str
    part: str = ""
    label: Path | None = None
    entry: dict | None = None
    annotations: list[tuple[int, dict]] = field(default_factory=list)
    source: str = ""


@dataclass
class Listing:
    """The images of a set.

    root: its folder; vocab: class names, None where there are none; codes: COCO's category ids to class numbers.
    faults: of lists, pairs of files and annotations that no image has.
    """

    root: Path
    images: list[Listed]
    vocab: list[str] | None
    codes: dict[int | str, int]
    faults: list[Fault]


def is_detection(path: Path) -> bool:
    """Whether a path is a detection set: images/ with labels/, or COCO annotations."""
    if (path / "images").is_dir() and (path / "labels").is_dir():
        return True
    for file in annotation_files(path):
        try:
            read_annotations(file)
        except LearnerkitError:
            continue
        return True
    return False


def list_detection(path: Path) -> Listing:
    """The images of a detection set; DataError when `path` is none.

    path: a folder, or a COCO annotation file.
    """
    return _list_coco(path) if path.is_file() or not (path / "labels").is_dir() else _list_yolo(path)


def _list_yolo(root: Path) -> Listing:
    images, labels = root / "images", root / "labels"
    files = [f for f in files_below(images) if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")]
    texts = {f.relative_to(labels).with_suffix("") for f in files_below(labels) if f.suffix.lower() == ".txt"}
    texts -= {Path("classes")}
    faults, seen, listed = [], {}, []
    for file in files:
        key, name = file.relative_to(images).with_suffix(""), str(file.relative_to(root))
        if key in seen:
            faults.append(Fault(name, f"has the same name as {seen[key]}; one image a label is needed"))
            continue
        seen[key] = file.name
        part = next((LISTS[word.lower()] for word in key.parts[:-1] if word.lower() in LISTS), "")
        listed.append(Listed(file, name, part, labels / key.with_suffix(key.suffix + ".txt")))
    for key in sorted(texts - set(seen)):
        faults.append(Fault(f"labels/{key}.txt", f"has no image in images/ ({', '.join(sorted(SUFFIXES))})", samples=0))
    faults += _parts_from_lists(root, listed)
    return Listing(root, listed, class_names(root) or class_names(labels), {}, faults)


def _parts_from_lists(root: Path, listed: list[Listed]) -> list[Fault]:
    """Enter the parts of train.txt, val.txt and test.txt, where they are; what they say wrongly is a fault."""
    lists = [(root / f"{name}.txt", part) for name, part in LISTS.items() if (root / f"{name}.txt").is_file()]
    if not lists:
        return []
    faults: list[Fault] = []
    whole: dict[str, Listed] = {}  # by the path below images/, with the suffix and without
    bare: dict[str, list[Listed]] = {}  # by the name alone
    for item in listed:
        item.part = "none"  # in no list: in no part
        inner = Path(item.name).relative_to("images")
        whole[inner.as_posix()] = whole[inner.with_suffix("").as_posix()] = item
        for name in (inner.name, inner.stem):
            bare.setdefault(name, []).append(item)
    named: dict[int, str] = {}
    for file, part in lists:
        for number, line in enumerate(read_lines(file), 1):
            word = line.strip().replace("\\", "/")
            if not word:
                continue
            places = word.split("/")
            suffixes = ("/".join(places[start:]) for start in range(len(places)))
            item = next((whole[suffix] for suffix in suffixes if suffix in whole), None)
            alike = bare.get(word, [])
            item = alike[0] if item is None and len(alike) == 1 else item
            if item is None:
                why = f"names {len(alike)} images; give its folder too" if alike else "names no image"
                faults.append(Fault(file.name, f"'{word}' {why}", f"line {number}", samples=0))
            elif id(item) in named:
                fault = f"'{word}' stands in {named[id(item)]} already"
                faults.append(Fault(file.name, fault, f"line {number}", samples=0))
            else:
                item.part, named[id(item)] = part, f"{file.name} line {number}"
    return faults


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, in a fixed order; links to folders are followed, each folder once."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(place) / name for name in names]
    return sorted(found)


def _list_coco(path: Path) -> Listing:
    files = annotation_files(path)
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent
    contents = []
    for file in files:
        try:
            contents.append((file, read_annotations(file)))
        except LearnerkitError as error:
            if path.is_file():
                raise
            if NOT_COCO not in str(error):
                raise
    if not contents:
        raise DataError(f"{path}: has neither images/ with labels/, nor COCO annotations (JSON)")
    categories = {c["id"]: c["name"] for c in sorted(contents[0][1]["categories"], key=lambda c: c["id"])}
    faults: list[Fault] = []
    listed: list[Listed] = []
    seen: dict[Path, str] = {}
    for file, content in contents:
        name = str(file.relative_to(root))
        if {c["id"]: c["name"] for c in content["categories"]} != categories:
            raise DataError(f"{file}: has other categories than {contents[0][0].name}; they must be the same")
        by_image: dict[int | str, list] = {}
        for number, annotation in enumerate(content["annotations"]):
            by_image.setdefault(annotation["image_id"], []).append((number, annotation))
        for entry in content["images"]:
            annotations = by_image.pop(entry["id"], [])
            place = find_image(root, file, entry["file_name"])
            if place is None:
                faults.append(Fault(name, f"its image {entry['file_name']} is not there", f"image {entry['id']}"))
            elif place in seen:
                fault = f"{entry['file_name']} stands in {seen[place]} already"
                faults.append(Fault(name, fault, f"image {entry['id']}"))
            else:
                seen[place] = name
                shown = str(place.relative_to(root))
                listed.append(Listed(place, shown, part_of(file, root), None, entry, annotations, name))
        for image, annotations in by_image.items():
            fault = f"{len(annotations)} annotation(s) of image {image!r}, which is not among the images"
            faults.append(Fault(name, fault, samples=0))
    codes = {key: number for number, key in enumerate(categories)}
    return Listing(root, listed, list(categories.values()), codes, faults)
