"""The one table behind every format of boxes: an image's files, its part, and how to read its boxes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.data.faults import Fault
from learnerkit.detect.data.gather import Boxes

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


def name_below(file: Path, root: Path) -> str:
    """A file's path below a folder; the way to it where it lies elsewhere."""
    return str(file.relative_to(root)) if file.is_relative_to(root) else os.path.relpath(file, root)


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
