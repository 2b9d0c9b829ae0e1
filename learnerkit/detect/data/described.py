"""What a data.yaml says of a YOLO set, obeyed: its folder, its parts as folders or lists of images.

Format: docs.ultralytics.com/datasets/detect.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.data.faults import Fault
from learnerkit.data.walk import files_below
from learnerkit.detect.data.frames import SUFFIXES
from learnerkit.detect.data.names import read_lines
from learnerkit.detect.data.table import Finder, name_below

PARTS = {"train": "train", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}  # of a data.yaml
IMAGES, LABELS = "images", "labels"


def label_of(image: Path, root: Path, images_in: Path | None = None) -> Path:
    """Where an image's label lies: in labels/ in place of the last images/ below the root, else beside it.

    images_in: a folder that stands for images/.
    """
    if images_in is not None:
        return (images_in.parent / LABELS / image.relative_to(images_in)).with_suffix(".txt")
    places = list(image.parts)
    above = len(root.parts) if image.is_relative_to(root) else 0
    at = next((n for n in range(len(places) - 2, above - 1, -1) if places[n].lower() == IMAGES), None)
    beside = image.with_suffix(".txt")
    if at is None:
        return beside
    places[at] = LABELS if places[at].islower() else LABELS.capitalize()
    place = Path(*places).with_suffix(".txt")
    return beside if beside.is_file() and not place.is_file() else place


def from_lists(
    lists: dict[Path, str], images: dict[Path, str], find: Callable[[str], Path | str], root: Path
) -> list[Fault]:
    """Enter the parts of lists of images; what they say wrongly is a fault."""
    faults: list[Fault] = []
    named: dict[Path, str] = {}
    for file, part in lists.items():
        for number, line in enumerate(read_lines(file), 1):
            if not line.strip():
                continue
            word, place = line.strip().replace("\\", "/"), f"line {number}"
            image = find(word)
            if isinstance(image, str):
                faults.append(Fault(name_below(file, root), f"'{word}' {image}", place, samples=0))
            elif image in named:
                faults.append(
                    Fault(name_below(file, root), f"'{word}' stands in {named[image]} already", place, samples=0)
                )
            else:
                images[image], named[image] = part, f"{file.name} {place}"
    return faults


def described_images(file: Path, described: dict[str, Any]) -> tuple[Path, dict[Path, str], list[Fault], list[str]]:
    """The folder of a described set, its images by part, faults of its lists, and notes."""
    base, notes = _base(file, described.get("path"))
    images: dict[Path, str] = {}
    faults: list[Fault] = []
    said: dict[Path, str] = {}
    for key, part in PARTS.items():
        given = described.get(key)
        entries = given if isinstance(given, list) else [given] if given else []
        for entry in entries:
            place, guessed = _place(str(entry), key, base, file)
            notes += guessed
            if place.is_dir():
                found = files_below(place, SUFFIXES)
            else:
                every = files_below(base, SUFFIXES)
                found, faults_of = _listed(place, every, base)
                faults += faults_of
            if not found:
                raise DataError(f"{file}: {key}: {entry} holds no picture")
            for image in found:
                if said.setdefault(image, part) != part:
                    raise DataError(
                        f"{file}: {name_below(image, base)} stands in both {said[image]} and {part}; leave val out "
                        "of it to draw a valid part by lot: what was trained on measures nothing"
                    )
                images[image] = part
    return base, images, faults, notes


def _listed(file: Path, every: list[Path], base: Path) -> tuple[list[Path], list[Fault]]:
    """The images of a list file; a line that names none is a fault."""
    images: dict[Path, str] = {}
    beside = {Path(os.path.abspath(image)): image for image in every}
    find = Finder(every, base)

    def found(word: str) -> Path | str:
        place = Path(os.path.abspath(file.parent / word))
        return beside.get(place) or (place if place.is_file() else find(word.removeprefix("./")))

    faults = from_lists({file: "listed"}, images, found, base)
    return list(images), faults


def _base(file: Path, path: Any) -> tuple[Path, list[str]]:
    """The folder that a description's paths are relative to, and what had to be guessed of it."""
    if path in (None, "", "."):
        return file.parent, []
    if not isinstance(path, str):
        raise DataError(f"{file}: path is {path!r}; a folder is needed")
    given = Path(path)
    for place in (file.parent / given, file.parent.parent / given):
        if place.is_dir():
            return place, []
    return file.parent, [
        f"its {file.name} says path: {path}, which is not here; paths are taken from {file.parent.name}/"
    ]


def _place(entry: str, key: str, base: Path, file: Path) -> tuple[Path, list[str]]:
    """The folder or list that a description means, and what had to be guessed."""
    word = entry.replace("\\", "/")
    for place in (base / word.removeprefix("../"), base / word, file.parent / word):  # Roboflow's lie below, not beside
        if place.exists():
            return place, []
    tail = [part for part in Path(word).parts if part not in ("..", "/")]
    for start in range(1, len(tail)):  # of another machine: what of its end is here
        place = base.joinpath(*tail[start:])
        if place.exists():
            return place, [
                f"its {file.name} says {key}: {entry}, which is not here; {name_below(place, base)} is taken"
            ]
    raise DataError(f"{file}: {key}: {entry} is not there, nor below {base}; mend the path, or leave {key} out")
