"""Which images a detection set has, with their labels and parts: from images/ and labels/, or from COCO annotations."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.data.faults import Fault
from learnerkit.data.walk import PART_WORDS, files_below, part_of_name
from learnerkit.detect.data.coco import NOT_COCO, annotation_files, find_image, part_of, read_annotations
from learnerkit.detect.data.frames import SUFFIXES
from learnerkit.detect.data.yolo import class_names, read_lines

EXPECTED = "images/ with labels/ (YOLO), or COCO annotations (JSON)"


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
    """The images of a detection set; DataError when `path` holds none.

    path: a folder, or a COCO annotation file.
    """
    return _list_coco(path) if path.is_file() or not (path / "labels").is_dir() else _list_yolo(path)


def _list_yolo(root: Path) -> Listing:
    images, labels = root / "images", root / "labels"
    texts = {file.relative_to(labels).with_suffix("") for file in files_below(labels, {".txt"})} - {Path("classes")}
    faults, seen, listed = [], {}, []
    for file in files_below(images, SUFFIXES):
        key, name = file.relative_to(images).with_suffix(""), str(file.relative_to(root))
        if key in seen:
            faults.append(Fault(name, f"has the same name as {seen[key]}; one image a label is needed"))
            continue
        seen[key] = file.name
        part = next((part_of_name(word) for word in key.parts[:-1] if part_of_name(word)), "")
        listed.append(Listed(file, name, part, labels / key.with_suffix(key.suffix + ".txt")))
    for key in sorted(texts - set(seen)):
        faults.append(Fault(f"labels/{key}.txt", f"has no image in images/ ({', '.join(sorted(SUFFIXES))})", samples=0))
    faults += _parts_from_lists(root, listed)
    return Listing(root, listed, class_names(root) or class_names(labels), {}, faults)


def _parts_from_lists(root: Path, listed: list[Listed]) -> list[Fault]:
    """Enter the parts of train.txt, val.txt and test.txt, where they are; what they say wrongly is a fault."""
    lists = [(root / f"{name}.txt", part) for name, part in PART_WORDS.items() if (root / f"{name}.txt").is_file()]
    if not lists:
        return []
    for item in listed:
        item.part = "none"  # in no list: in no part
    find = _Finder(listed)
    faults: list[Fault] = []
    named: dict[int, str] = {}
    for file, part in lists:
        for number, line in enumerate(read_lines(file), 1):
            if not line.strip():
                continue
            word, place = line.strip().replace("\\", "/"), f"line {number}"
            item = find(word)
            if isinstance(item, str):
                faults.append(Fault(file.name, f"'{word}' {item}", place, samples=0))
            elif id(item) in named:
                faults.append(Fault(file.name, f"'{word}' stands in {named[id(item)]} already", place, samples=0))
            else:
                item.part, named[id(item)] = part, f"{file.name} {place}"
    return faults


class _Finder:
    """Finds the image that a word of a list means: by the end of its path, else by its name where one image has it."""

    def __init__(self, listed: list[Listed]) -> None:
        self.paths: dict[str, Listed] = {}  # below images/, with the suffix and without
        self.names: dict[str, list[Listed]] = {}
        for item in listed:
            inner = Path(item.name).relative_to("images")
            self.paths[inner.as_posix()] = self.paths[inner.with_suffix("").as_posix()] = item
            for name in (inner.name, inner.stem):
                self.names.setdefault(name, []).append(item)

    def __call__(self, word: str) -> Listed | str:
        """The image, or why there is none."""
        places = word.split("/")
        for start in range(len(places)):
            if (end := "/".join(places[start:])) in self.paths:
                return self.paths[end]
        alike = self.names.get(word, [])
        if len(alike) == 1:
            return alike[0]
        return f"names {len(alike)} images; give its folder too" if alike else "names no image"


def _list_coco(path: Path) -> Listing:
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent
    contents = _read_all(path)
    first, content = contents[0]
    categories = _categories(content)
    faults: list[Fault] = []
    listed: list[Listed] = []
    seen: dict[Path, str] = {}
    for file, content in contents:
        name = str(file.relative_to(root))
        if _categories(content) != categories:
            raise DataError(f"{file}: has other categories than {first.name}; they must be the same")
        by_image: dict[int | str, list] = {}
        for number, annotation in enumerate(content["annotations"]):
            by_image.setdefault(annotation["image_id"], []).append((number, annotation))
        for entry in content["images"]:
            annotations, image = by_image.pop(entry["id"], []), f"image {entry['id']}"
            place = find_image(root, file, entry["file_name"])
            if place is None:
                faults.append(Fault(name, f"its image {entry['file_name']} is not there", image))
            elif place in seen:
                faults.append(Fault(name, f"{entry['file_name']} stands in {seen[place]} already", image))
            else:
                seen[place] = name
                part = part_of(file, root)
                listed.append(Listed(place, str(place.relative_to(root)), part, None, entry, annotations, name))
        for image, annotations in by_image.items():
            fault = f"{len(annotations)} annotation(s) of image {image!r}, which is not among the images"
            faults.append(Fault(name, fault, samples=0))
    codes = {key: number for number, key in enumerate(categories)}
    return Listing(root, listed, list(categories.values()), codes, faults)


def _read_all(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The annotation files of a path with their content; other JSON files of a folder are passed over."""
    contents = []
    for file in annotation_files(path):
        try:
            contents.append((file, read_annotations(file)))
        except LearnerkitError as error:
            if path.is_file() or NOT_COCO not in str(error):
                raise
    if not contents:
        raise DataError(f"{path}: has neither images/ with labels/, nor COCO annotations (JSON)")
    return contents


def _categories(content: dict[str, Any]) -> dict[int | str, str]:
    """Names by id, in the order of the ids."""
    return {c["id"]: c["name"] for c in sorted(content["categories"], key=lambda c: c["id"])}
