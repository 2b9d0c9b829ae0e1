"""How much disk a run will take, said and checked before it starts."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from learnerkit.core.errors import RunError


def forecast_bytes(weights: int, optimizer: int, averaged: int, keep: int, copies: int) -> int:
    """Peak bytes of a run's states.

    weights, optimizer, averaged: bytes of the model, of the optimizer's moments and of averaged weights (or 0).
    keep: complete checkpoints that stay; one more is on its way when the oldest goes.
    copies: files of weights alone (best, final, top k).
    """
    return (keep + 1) * (weights + optimizer + averaged) + copies * weights


def bytes_of(folder: Path) -> int:
    """Bytes of the files in a folder and below it; what is removed meanwhile counts as nothing."""
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(place, file)).st_size
    return total


def check_place(folder: Path) -> Path:
    """The nearest folder that there is of `folder` and those above it; RunError where nothing can be made in it.

    What is made to try it is taken away again.
    """
    there = folder
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise RunError(f"{there}: is a file, and a folder is needed there; choose another --out")
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".try-", dir=there))
    except OSError as error:
        raise RunError(f"{there}: cannot be written to ({error.strerror}); choose another --out") from error
    return there


KEEP_LESS = "Free some space, choose another disk with --out, or keep less (--keep-last, --checkpoint-every)."


def check_space(folder: Path, needed: int, what: str, remedy: str = KEEP_LESS) -> None:
    """RunError when the disk of `folder` has not `needed` bytes free, or cannot be written to.

    what: how the error calls the work, such as 'this run'; remedy: what can be done.
    """
    folder = check_place(folder)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"{folder}: {what} will take {shown_bytes(needed)} at its peak and {shown_bytes(free)} are free. {remedy}"
        )


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk of a folder that is, or is to be."""
    while not os.path.lexists(folder):
        folder = folder.parent
    return shutil.disk_usage(folder).free


def shown_bytes(count: float) -> str:
    """A number of bytes for people: '290.0 MB'."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
