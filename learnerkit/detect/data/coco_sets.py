"""The images of a COCO set: its annotation files, where their images lie, and which other JSON files are none of it."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.core.text import some, words
from learnerkit.data.faults import Fault
from learnerkit.data.walk import files_below, files_in, folders_in, part_of_name, parts_among
from learnerkit.detect.data.coco import NOT_COCO, boxes_of, kind_of, read_annotations, read_content
from learnerkit.detect.data.frames import SUFFIXES
from learnerkit.detect.data.table import Listed, Listing, left_out, name_below

FOLDERS = words("annotations annotation annots anns labels json jsons")  # in which annotation files may lie
RUN_FILES = ("run.json", "status.json")  # of a run written beside a set


def annotation_files(path: Path) -> list[Path]:
    """The JSON files of a set: the file itself, or those of a folder, its annotations/ and its folders of parts."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" else []
    inner = [folder for folder in folders_in(path) if folder.name.lower() in FOLDERS or part_of_name(folder.name)]
    found = [file for place in (path, *inner) for file in files_in(place, {".json"})]
    return [file for file in found if file.name not in RUN_FILES]


def is_coco(path: Path) -> bool:
    """Whether a path is, or holds, COCO annotations."""
    for file in annotation_files(path):
        try:
            stat = file.stat()
            if _kind(file, stat.st_size, stat.st_mtime_ns) in ("boxes", "keypoints"):
                return True
        except (DataError, OSError):
            continue
    return False


@lru_cache(maxsize=256)
def _kind(file: Path, size: int, changed: int) -> str:
    """What a JSON file holds, asked once a file: it may be large.

    size, changed: of the file, lest it is another one now.
    """
    return kind_of(read_content(file))


def part_of(file: Path, files: Sequence[Path]) -> str:
    """'train', 'valid', 'test' or '' as an annotation file's name says among its neighbours', or its folder."""
    beside = [other.stem for other in files if other.parent == file.parent]
    return parts_among(beside).get(file.stem, "") or part_of_name(file.parent.name)


def list_coco(path: Path, images_in: Path | None = None) -> Listing:
    """The images of a COCO set with their boxes and parts; other files of annotations are left out and named.

    path: its folder, or one annotation file. images_in: the folder of its images, where not every picture is one.
    """
    root = path if path.is_dir() else path.parent.parent if path.parent.name.lower() in FOLDERS else path.parent
    contents, notes, damaged = _contents(path, root)
    first, content = contents[0]
    categories = _categories(content)
    codes = {key: number for number, key in enumerate(categories)}
    files = [file for file, _ in contents]
    faults, seen, listed = list(damaged), {}, []
    find = ImageFinder(images_in or root)
    for file, content in contents:
        name, part = name_below(file, root), part_of(file, files)
        if _categories(content) != categories:
            raise DataError(f"{file}: has other categories than {first.name}; they must be the same")
        by_image: dict[int | str, list] = {}
        for number, annotation in enumerate(content["annotations"]):
            by_image.setdefault(annotation["image_id"], []).append((number, annotation))
        for entry in content["images"]:
            annotations, image = by_image.pop(entry["id"], []), f"image {entry['id']}"
            place = find(file, part, entry["file_name"])
            if isinstance(place, str):
                faults.append(Fault(name, f"its image {entry['file_name']} {place}", image))
            elif place in seen:
                faults.append(Fault(name, f"{entry['file_name']} stands in {seen[place]} already", image))
            else:
                seen[place] = name
                read = partial(boxes_of, entry, annotations, codes, name)
                listed.append(Listed((place,), name_below(place, root), read, part, absolute=True))
        for image, annotations in by_image.items():
            fault = f"{len(annotations)} annotation(s) of image {image!r}, which is not among the images"
            faults.append(Fault(name, fault, samples=0))
    if path.is_dir() and images_in is None:
        notes += left_out(root, seen)
    return Listing(root, listed, list(categories.values()), faults, notes)


def _contents(path: Path, root: Path) -> tuple[list[tuple[Path, dict[str, Any]]], list[str], list[Fault]]:
    """The annotation files with their content, what is said of the others, and a fault for each that is damaged."""
    contents, others, faults = [], {}, []
    for file in annotation_files(path):
        try:
            content = read_content(file)
        except DataError as error:
            if path.is_file():
                raise
            faults.append(Fault(name_below(file, root), str(error).removeprefix(f"{file}: "), samples=0))
            continue
        kind = kind_of(content)
        if kind == "boxes" or path.is_file():
            contents.append((file, read_annotations(file, content)))
        else:
            others.setdefault(kind or "no COCO annotations", []).append((file, content))
    if not contents and "keypoints" in others:  # they have boxes too
        contents = [(file, read_annotations(file, content)) for file, content in others.pop("keypoints")]
    if not contents:
        raise DataError(f"{path}: {NOT_COCO}" + (f": {faults[0]}" if faults else ""))
    notes = [
        f"{len(held)} file(s) of {kind} left out: {some([name_below(file, root) for file, _ in held])}"
        for kind, held in others.items()
    ]
    return contents, notes, faults


def _categories(content: dict[str, Any]) -> dict[int | str, str]:
    """Names by id, in the order of the ids."""
    return {c["id"]: c["name"] for c in sorted(content["categories"], key=lambda c: c["id"])}


class ImageFinder:
    """Finds an image of an annotation file: beside it, in images/, or in a folder that is called like its part.

    root: the set's folder; nothing outside it is ever opened.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known: dict[str, list[Path]] | None = None

    def __call__(self, annotations: Path, part: str, name: str) -> Path | str:
        """The image, or what to say of it."""
        plain = PurePosixPath(name.replace("\\", "/"))
        words_of = [word for word in plain.parts if word not in ("..", ".", "/")]
        elsewhere = plain.is_absolute() or ".." in plain.parts or (words_of and words_of[0].endswith(":"))
        inner = PurePosixPath(*words_of)
        words = {word for word in (part, "val" if part == "valid" else "", annotations.parent.name) if word}
        short = annotations.stem.removeprefix("instances_")
        words |= {annotations.stem, short, short.removeprefix("_annotations.coco")} - {""}
        folders = [annotations.parent, self.root, self.root / "images"]
        folders += [base / word for base in (self.root, self.root / "images") for word in sorted(words)]
        for start in range(len(inner.parts) if elsewhere else 1):  # of another machine: its end counts
            for folder in folders:
                if inner.parts and (place := folder.joinpath(*inner.parts[start:])).is_file():
                    return place
        return self._elsewhere(inner, name)

    def _elsewhere(self, inner: PurePosixPath, name: str) -> Path | str:
        """The one picture below the root that differs in case or folder alone; else which was probably meant."""
        if self.known is None:
            self.known = {}
            for file in files_below(self.root, SUFFIXES):
                self.known.setdefault(file.name.casefold(), []).append(file)
        alike = self.known.get(inner.name.casefold(), [])
        ends = [file for file in alike if name_below(file, self.root).casefold().endswith(str(inner).casefold())]
        if len(ends) == 1:
            return ends[0]
        if alike:
            return f"is not there; {some([name_below(file, self.root) for file in alike])} is probably meant"
        return "is not there"
