"""The one table behind every format of boxes: an image's files, its part, and how to read its boxes."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.core.text import some, words
from learnerkit.data.faults import Fault
from learnerkit.data.walk import files_below, folders_in
from learnerkit.detect.data.frames import SUFFIXES
from learnerkit.detect.data.gather import Boxes

TEXTS = words(".txt .xml .json .yaml .yml .names .data .cfg .md .csv .cache .labels .license .pdf .html .log .py .sh")
Read = Callable[[tuple[int, int], bool], Boxes | None]


@dataclass
class Listed:
    """One image of a set before its frame and its boxes have been looked at.

    files: where its channels lie, one file or one a modality; name: how it is called.
    part: 'train', 'valid', 'test', or '' where the files say none of it.
    label: the file that should hold its boxes, for messages; absolute: whether they are in pixels.
    read: height and width of the stored image, and whether boxes are cut to it, to its boxes; None without a label.
    """

    files: tuple[Path, ...]
    name: str
    read: Read
    part: str = ""
    label: str = ""
    absolute: bool = False


@dataclass
class Listing:
    """The images of a set.

    root: its folder; images: in the order of their names; vocab: class names, None where there are none.
    faults: of lists, pairs of files and annotations that no image has. notes: what was guessed or left out.
    modalities: of the files of an image, where they are several.
    """

    root: Path
    images: list[Listed]
    vocab: list[str] | None
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    modalities: tuple[str, ...] = ()


def inside(root: Path, name: str) -> Path:
    """A folder directly below one, whatever the case of its name; the plain path where there is none."""
    alike = [folder for folder in folders_in(root) if folder.name.lower() == name] if root.is_dir() else []
    return alike[0] if alike else root / name


def name_below(file: Path, root: Path) -> str:
    """A file's path below a folder; the way to it where it lies elsewhere."""
    return str(file.relative_to(root)) if file.is_relative_to(root) else os.path.relpath(file, root)


def left_out(root: Path, used: Iterable[Path], told: Iterable[Path] = ()) -> list[str]:
    """Lines that name what lies below a root and is neither used nor told already: pictures, and files of no format.

    used: the images of the set; told: further files that are accounted for. Texts and annotations are not named.
    """
    known = {*used, *told}
    rest = [file for file in files_below(root) if file not in known and file.suffix.lower() not in TEXTS]
    pictures = [file for file in rest if file.suffix.lower() in SUFFIXES]
    others = [file for file in rest if file.suffix.lower() not in SUFFIXES]
    lines = {"picture(s) that belong to no part of the set": pictures, "file(s) of no format of frames": others}
    return [
        f"{len(files):,} {what} left out: {some([name_below(file, root) for file in files])}"
        for what, files in lines.items()
        if files
    ]


class Finder:
    """Finds the file that a word of a list means: by the end of its path, else by its name where one file has it."""

    def __init__(self, files: Sequence[Path], root: Path) -> None:
        self.paths: dict[str, Path] = {}
        self.names: dict[str, list[Path]] = {}
        for file in files:
            inner = Path(name_below(file, root))
            for start in range(len(inner.parts)):
                tail = Path(*inner.parts[start:])
                for key in (tail.as_posix(), tail.with_suffix("").as_posix()):
                    if start == 0 or inner.parts[start - 1].lower() == "images":
                        self.paths[key] = file
            for name in (inner.name, inner.stem):
                self.names.setdefault(name, []).append(file)

    def __call__(self, word: str) -> Path | str:
        """The file, or why there is none."""
        places = word.split("/")
        for start in range(len(places)):
            if (end := "/".join(places[start:])) in self.paths:
                return self.paths[end]
        alike = self.names.get(word, [])
        if len(alike) == 1:
            return alike[0]
        return f"names {len(alike)} images; give its folder too" if alike else "names no image"
