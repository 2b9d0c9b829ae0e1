"""What lies in a data folder: the one place that decides what is ignored, and which names mean a part of a split."""

import os
from collections.abc import Container
from pathlib import Path

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


def is_ignored(name: str) -> bool:
    """Whether a file or folder is not of the user's data: a hidden one."""
    return name.startswith(".")


def part_of_name(name: str) -> str:
    """'train', 'valid' or 'test' as a folder's or list's name says in any case; '' where it says none."""
    return PART_NAMES.get(name.lower(), "")


def folders_in(root: Path) -> list[Path]:
    """The folders directly below one, sorted."""
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not is_ignored(entry.name))


def files_in(root: Path, suffixes: Container[str]) -> list[Path]:
    """The entries directly below a folder whose suffix in lower case is one of `suffixes`, sorted."""
    return sorted(entry for entry in root.iterdir() if entry.suffix.lower() in suffixes and not is_ignored(entry.name))


def files_below(root: Path, suffixes: Container[str]) -> list[Path]:
    """Every entry below a folder whose suffix in lower case is one of `suffixes`, sorted.

    Links to folders are followed, each folder once. A folder that is called like a file is listed too: it is found to
    be unreadable later, and named, instead of being passed over.
    """
    found, seen = [], set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not is_ignored(name)]
        entries = [name for name in (*names, *folders) if not is_ignored(name)]
        found += [Path(place) / name for name in entries if Path(name).suffix.lower() in suffixes]
    return sorted(found)
