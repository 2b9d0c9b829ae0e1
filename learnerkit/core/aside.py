"""Removing a folder so that a kill leaves it whole or gone: first it is moved aside, then its files go."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from learnerkit.core import fsops

LEFTOVER = re.compile(r"\..+\.(?:tmp|removed)|\.(?:tmp|del|bad)-epoch_.+")
ASIDE = ".removed"
YOUNGEST = 600  # seconds since the last change: what is younger may be a file that is being written


def moved_aside(path: Path) -> Path:
    """Rename a folder to a hidden name beside it, which no walk over runs looks at; returns that."""
    aside = path.with_name(f".{path.name}.{os.getpid()}{ASIDE}")
    fsops.replace(path, aside)
    fsops.sync(path.parent)
    return aside


def removed(path: Path) -> None:
    """Remove a folder or file; a folder is moved aside first. What is gone already is no fault."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        fsops.remove_tree(path if path.name.endswith(ASIDE) else moved_aside(path))
    except FileNotFoundError:  # another process removes the same leftover
        return


def leftovers(folder: Path, now: float | None = None) -> Iterator[Path]:
    """What killed writers left at or below a folder: temporary files and folders, and folders that were moved aside.

    now: the time in seconds; what was changed in the last `YOUNGEST` of them is passed over, as is a checkpoint that
    was moved away to be written anew and that its run will put back.
    """
    before = (time.time() if now is None else now) - YOUNGEST
    for place, folders, files in os.walk(folder):
        hidden = [name for name in (*folders, *files) if name[0] == "." and LEFTOVER.fullmatch(name)]
        folders[:] = [name for name in folders if name[0] != "."]
        for name in sorted(hidden):
            path = Path(place) / name
            if not _is_displaced(path) and path.lstat().st_mtime < before:
                yield path


def _is_displaced(path: Path) -> bool:
    """Whether it is a checkpoint that `core.checkpoint.recover` puts back."""
    target = path.with_name(path.name.removeprefix(".del-"))
    return path.name.startswith(".del-") and (path / "MANIFEST.json").exists() and not target.exists()
