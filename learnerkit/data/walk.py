"""What lies in a data folder: the one place that decides what is ignored, and which names mean a part of a split."""

import os
import re
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.core.text import words

PART_WORDS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "eval": "valid",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "holdout": "test",
    "evaluation": "test",
    "trainval": "train",
}
# that may stand beside a part's word without making another name of it
FILLERS = words(
    """set data dataset split part folder dir images image imgs img pics pictures photos files samples frames labels
    labelled labeled annotations instances raw final"""
)
SYSTEM = frozenset({"__macosx", "__pycache__", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
FOLD = re.compile(r"(?:^|[\W_])(?:cv|k?fold|split|part|batch|chunk|shard)s?[ _-]?(?:\d+|[a-f])$", re.IGNORECASE)
IMAGES = words("images image imgs img jpegimages pictures pics photos")
COMPANIONS = words(  # what stands beside images and is no image to learn
    """masks mask labels label annotations annotation segmentation segmentations segmentationclass segmentationobject gt
    groundtruth ground_truth targets trimaps contours overlays heatmaps visualized visualised"""
)
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+")


def is_ignored(name: str) -> bool:
    """Whether a file or folder is not of the user's data: a hidden one, or one that a system or an archiver made."""
    return name.startswith(".") or name.lower() in SYSTEM or name.lower() in SYSTEM_FILES


def _part_in(name: str) -> str:
    """'train', 'valid' or 'test' as one word of a name says; '' where none does, or two that differ."""
    said = {part for word in _words(name) if (part := _part_of_word(word))}
    return said.pop() if len(said) == 1 else ""


def part_of_name(name: str) -> str:
    """'train', 'valid' or 'test' where a folder's or list's name says that alone, such as Training_set or train2017."""
    return "" if _rest(name) else _part_in(name)


def parts_among(names: Sequence[str]) -> dict[str, str]:
    """The parts that some names beside each other say, by name; names that say none are left out.

    A name says a part alone, or another says another part with the same rest: seg_train beside seg_test.
    """
    found = {}
    for name in names:
        part, rest = _part_in(name), _rest(name)
        if part and (not rest or any(_rest(other) == rest and _part_in(other) not in ("", part) for other in names)):
            found[name] = part
    return found


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORDS.findall(name)]


def _part_of_word(word: str) -> str:
    if word in PART_WORDS:
        return PART_WORDS[word]
    marks = (mark for mark in PART_WORDS if word.startswith(mark) and word.removeprefix(mark) in FILLERS)
    return PART_WORDS.get(next(marks, ""), "")


def _rest(name: str) -> list[str]:
    """The words of a name that neither say a part nor are numbers or fillers."""
    return [word for word in _words(name) if not (_part_of_word(word) or word in FILLERS or word.isdigit())]


def parts_by_folder(files: Sequence[Path], root: Path) -> dict[Path, str]:
    """The part of each file as the folders below a root say: the first one that names a part among its neighbours."""
    inner = {file: file.relative_to(root).parts[:-1] if file.is_relative_to(root) else () for file in files}
    depth = max((len(places) for places in inner.values()), default=0)
    levels = [parts_among(sorted({places[n] for places in inner.values() if len(places) > n})) for n in range(depth)]
    return {
        file: next((levels[n][place] for n, place in enumerate(places) if place in levels[n]), "")
        for file, places in inner.items()
    }


def natural(path: Path | str) -> list[tuple[int, int, str]]:
    """A key that sorts names with numbers as people count: 2 before 10."""
    pieces = re.split(r"(\d+)", str(path))
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces]


def folders_in(root: Path) -> list[Path]:
    """The folders directly below one, sorted; DataError where it cannot be read."""
    return sorted(entry for entry in _entries(root) if entry.is_dir() and not is_ignored(entry.name))


def files_in(root: Path, suffixes: Container[str]) -> list[Path]:
    """The entries directly below a folder whose suffix in lower case is one of `suffixes`, in natural order."""
    found = [entry for entry in _entries(root) if entry.suffix.lower() in suffixes and not is_ignored(entry.name)]
    return sorted(found, key=lambda entry: natural(entry.name))


def _entries(root: Path) -> list[Path]:
    try:
        return list(root.iterdir())
    except OSError as error:
        raise DataError(f"{root}: cannot be read ({error.strerror})") from error


def files_below(
    root: Path, suffixes: Container[str] | None = None, ignored: Callable[[str], Any] = is_ignored
) -> list[Path]:
    """Every entry below a folder whose suffix in lower case is one of `suffixes`, sorted; every file when None.

    Links to folders are followed, each folder once. A folder that is called like a file is listed too: it is found to
    be unreadable later, and named, instead of being passed over.
    ignored: whether a file or folder of a name is passed over.
    """
    return sorted(_walked(root, suffixes, ignored))


def holds(root: Path, suffixes: Container[str] | None = None) -> bool:
    """Whether `files_below` has anything; it stops at the first."""
    return next(_walked(root, suffixes, is_ignored), None) is not None


def _walked(root: Path, suffixes: Container[str] | None, ignored: Callable[[str], Any]) -> Iterator[Path]:
    seen = set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not ignored(name)]
        for name in (*names, *(folders if suffixes is not None else ())):
            if not ignored(name) and (suffixes is None or Path(name).suffix.lower() in suffixes):
                yield Path(place) / name
