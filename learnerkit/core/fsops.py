"""The operations by which run state reaches the disk, each a line or two over `os`.

`core.files` and `core.checkpoint` call them through this module's name, so that a test can let any one of them fail,
or kill the process before it.
"""

import os
import shutil
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make one folder, and those above it."""
    path.mkdir(parents=True, exist_ok=True)


def write(path: Path, data: bytes) -> None:
    """Write a file; not yet durable."""
    with path.open("wb") as file:
        file.write(data)


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file; not yet durable."""
    with path.open("ab") as file:
        file.write(data)


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(source: Path, target: Path) -> None:
    """Rename, atomically, over what is there."""
    os.replace(source, target)


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it."""
    shutil.rmtree(path)
