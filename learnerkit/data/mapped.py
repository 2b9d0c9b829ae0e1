"""Image files decoded and resized once into one memory-mapped array on the disk, which every later call opens."""

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.disk import check_space
from learnerkit.core.errors import DataError
from learnerkit.core.files import (
    append_line,
    atomic_write,
    cache_folder,
    read_json,
    read_ledger,
    sha256,
    to_json,
    write_json,
)
from learnerkit.data.copies import digests
from learnerkit.data.hashes import told
from learnerkit.data.pictures import BLOCK, decoded

VERSION = 1  # of the packed set; another one is written anew
TOLD_FROM = 2000  # files from which reading them shows how far it is
PLACE = "the packed images"
REMEDY = "Free some space, say with LEARNERKIT_HOME=FOLDER where there is room, or read the files anew: cache='stream'"
_BUILDING = threading.Lock()  # a file's lock does not keep a process from itself


class MappedImages:
    """Images in a memory-mapped file, with the face of a uint8 array [N,C,H,W]; what is asked for alone is read.

    array: the whole file's, uint8 [M,C,H,W], never to be written to; rows: which of it; all when None.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, array: np.ndarray, rows: np.ndarray | None = None) -> None:
        self.array = array
        self.rows = np.arange(len(array)) if rows is None else np.asarray(rows, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, channels, height, width."""
        return (len(self.rows), *self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self.array[self.rows[rows]])

    def subset(self, rows: np.ndarray) -> "MappedImages":
        """Some of the images."""
        return MappedImages(self.array, self.rows[rows])


@dataclass(frozen=True)
class Pack:
    """A packed set.

    images: uint8 [N,3,H,W], memory-mapped, an entry a file; faults: the reason by row of those that cannot be used,
    whose pixels mean nothing; hashes: of each one's pixels, '' of those; stamps: by which each file is known again.
    """

    images: np.ndarray
    faults: dict[int, str] = field(default_factory=dict)
    hashes: list[str] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)


def pack_images(root: Path, files: Sequence[Path], size: tuple[int, int], resize: str) -> Pack:
    """The packed set of some files, made at the first call and found again by their names, sizes and times.

    One process makes it, others wait for it; what a killed one has read is not read again. A set whose files are others
    now takes the place of the former, and of the former what is unchanged.

    root: folder that they lie in; size: height and width they are brought to; resize: how, see `pictures.resized`.
    """
    base, place, target = _target(root, size, resize, stamps := _stamps(root, files))
    if (pack := _opened(target, stamps, size)) is not None:
        return pack
    try:
        base.mkdir(parents=True, exist_ok=True)
        with _BUILDING, _owned(base / f".{place}.lock"):
            if (pack := _opened(target, stamps, size)) is None:
                others = [entry for entry in base.iterdir() if entry.name.lstrip(".").startswith(place)]
                former = [pack for entry in others if (pack := _opened(entry, None, size)) is not None]
                building = base / f".{target.name}"
                _build(building, files, size, resize, stamps, former)
                shutil.rmtree(target, ignore_errors=True)
                os.replace(building, target)
                for entry in others:
                    if entry.is_dir() and entry not in (target, building):
                        shutil.rmtree(entry, ignore_errors=True)
                pack = _opened(target, stamps, size)
    except OSError as error:
        raise DataError(f"{base}: {PLACE} cannot be written there ({error}). {REMEDY}") from error
    return pack


def bytes_to_write(root: Path, files: Sequence[Path], size: tuple[int, int], resize: str) -> tuple[Path, int]:
    """Where `pack_images` writes, and how many bytes it has still to write there."""
    base, _, target = _target(root, size, resize, stamps := _stamps(root, files))
    if _opened(target, stamps, size) is not None:
        return base, 0
    there = base / f".{target.name}" / "images.npy"
    reserved = there.stat().st_blocks * 512 if there.exists() else 0
    return base, max(0, len(files) * (3 * size[0] * size[1] + 200) + 2**20 - reserved)


def _stamps(root: Path, files: Sequence[Path]) -> list[str]:
    """Name, size and times of each file in a line; the name alone of what is gone, or a dead link."""
    stamps = []
    for file in files:
        stamp = repr(os.path.relpath(file, root))
        with contextlib.suppress(OSError):
            stat = file.stat()
            stamp = f"{stamp} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
        stamps.append(stamp)
    return stamps


def _target(root: Path, size: tuple[int, int], resize: str, stamps: list[str]) -> tuple[Path, str, Path]:
    """The folder of all packed sets, what the names of this root's begin with, and this one's own."""
    what = VERSION, str(root.resolve()), size, resize
    keys = [sha256(repr(key).encode("utf-8", "surrogateescape"))[:16] for key in (what, stamps)]
    base, place = cache_folder() / "images", f"{root.resolve().name}-{keys[0]}"
    return base, place, base / f"{place}-{keys[1]}"


def _opened(target: Path, stamps: list[str] | None, size: tuple[int, int]) -> Pack | None:
    """A packed set that is whole; None for any other. stamps: of its files; any when None."""
    try:
        index = read_json(target / "index.json")
        images = np.load(target / "images.npy", mmap_mode="r", allow_pickle=False)
        faults = {int(row): reason for row, reason in index["faults"].items()}
        pack = Pack(images, faults, list(index["digests"]), list(index["stamps"]))
    except (DataError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    stamps = pack.stamps if stamps is None else stamps
    fits = images.dtype == np.uint8 and images.shape == (len(stamps), 3, *size) and len(pack.hashes) == len(stamps)
    return pack if fits else None


@contextlib.contextmanager
def _owned(path: Path) -> Iterator[None]:
    """Wait until nobody else holds a lock, and hold it; a process that is killed lets go of it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _build(
    folder: Path, files: Sequence[Path], size: tuple[int, int], resize: str, stamps: list[str], former: list[Pack]
) -> None:
    """Write images.npy and index.json, going on after the last block that a former call finished.

    former: packed sets of the same root, whose rows are taken where a file is unchanged.
    """
    folder.mkdir(exist_ok=True)
    ledger, shape = folder / "done.jsonl", (len(files), 3, *size)
    blocks = _finished(folder, shape)
    atomic_write(ledger, "".join(to_json(block, indent=None) + "\n" for block in blocks))  # without a torn line
    images = _reserved(folder / "images.npy", shape, anew=not blocks)
    known = {stamp: (pack, row) for pack in former for row, stamp in enumerate(pack.stamps) if pack.hashes[row]}
    starts = range(len(blocks) * BLOCK, len(files), BLOCK)
    for start in told(starts, f"reading {len(files):,} images", len(starts), TOLD_FROM // BLOCK):
        rows = range(start, min(start + BLOCK, len(files)))
        new = [row for row in rows if stamps[row] not in known]
        faults, seen = {}, dict.fromkeys(rows, "")
        for row, item in zip(new, decoded([files[row] for row in new], size, resize), strict=True):
            if isinstance(item, str):
                faults[str(row)] = item
            else:
                images[row] = item
                seen[row] = next(digests([item])).hex()
        for row in set(rows) - set(new):
            pack, place = known[stamps[row]]
            images[row], seen[row] = pack.images[place], pack.hashes[place]
        images.flush()
        blocks.append({"faults": faults, "digests": list(seen.values())})
        append_line(ledger, to_json(blocks[-1], indent=None))
    faults = {row: reason for block in blocks for row, reason in block["faults"].items()}
    seen = [digest for block in blocks for digest in block["digests"]]
    write_json(folder / "index.json", {"faults": faults, "digests": seen, "stamps": stamps})
    ledger.unlink()


def _finished(folder: Path, shape: tuple[int, ...]) -> list[dict]:
    """What is known of the blocks that are whole; [] where there is nothing to go on from."""
    try:
        blocks = read_ledger(folder / "done.jsonl")
        there = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False).shape == shape
        whole = all(set(block) == {"faults", "digests"} for block in blocks)
    except (DataError, OSError, ValueError, TypeError):
        return []
    return blocks if there and whole else []


def _reserved(file: Path, shape: tuple[int, ...], anew: bool) -> np.ndarray:
    """A mapped file to be filled, its bytes set aside: one that outgrew the disk would kill the process."""
    if not anew:
        return np.load(file, mmap_mode="r+", allow_pickle=False)
    file.unlink(missing_ok=True)
    needed = int(np.prod(shape)) + 2**20
    check_space(file.parent, needed, PLACE, REMEDY)
    images = np.lib.format.open_memmap(file, "w+", np.uint8, shape)
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return images
