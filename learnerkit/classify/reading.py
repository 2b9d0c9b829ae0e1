"""The pictures of a listed folder as a set: in memory, in one mapped file, or read from their files again and again."""

import logging
from collections.abc import Callable

import numpy as np

from learnerkit.classify.files import FileImages
from learnerkit.classify.folder import ClassFolders
from learnerkit.classify.source import Images, ImageSource
from learnerkit.core.disk import check_place, free_bytes, shown_bytes
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.memory import free_memory
from learnerkit.core.ranks import on_this_machine
from learnerkit.data.copies import contradictions, digests, first_copies
from learnerkit.data.faults import Fault, check_bad, fault_lines, refuse_faults
from learnerkit.data.mapped import MappedImages, bytes_to_write, pack_images
from learnerkit.data.pictures import check_images, decode_all, kept_rows

MEMORY_BYTES, MEMORY_SHARE = 4 * 2**30, 0.5  # what a set may take of the memory, whole and of what is free
SPARE_BYTES = 2**30  # that stay free on a disk
Size = tuple[int, int]
log = logging.getLogger(__name__)


def scan_folder(listing: ClassFolders) -> list[Fault]:
    """Every fault of a folder's images, copies in two classes among them; what was found good is not read again."""
    found = check_images(listing.files)
    faults = {row: reason for row, (reason, _) in enumerate(found) if reason}
    good = _good_rows(listing, faults)
    return faults_of(listing, good, faults, first_copies([found[row][1] for row in good]))


def open_folder(
    listing: ClassFolders,
    size: Size | None,
    resize: str = "squish",
    cache: str = "auto",
    bad: str = "refuse",
    labelled: bool = True,
) -> ImageSource:
    """The images of a folder as a set, kept where there is room for them.

    size: height and width in pixels; that of the files when None; resize: how they are brought to it.
    cache: 'memory', 'disk' or 'stream'; 'auto' takes the first of these that has room, and says so where it is another
        than the memory.
    bad: 'skip' sets bad files aside; labelled: whether an image that stands in two classes is a fault.
    """
    if size is None and cache in ("disk", "stream"):
        raise DataError(f"{listing.root}: cache='{cache}' needs size=, the height and width that images are brought to")
    kept, why = cache, ""
    if cache == "auto":
        kept, why = ("memory", "") if size is None else choose_cache(listing, size, resize)
    read = {"memory": read_folder, "disk": map_folder, "stream": stream_folder}[kept]
    source = read(listing, size, bad, labelled, resize)
    if why:
        source.notes.append(why)
    log.info("%s: cache='%s'", source.name, kept)
    return source


def choose_cache(listing: ClassFolders, size: Size, resize: str) -> tuple[str, str]:
    """Where there is room for a set: 'memory', 'disk' or 'stream', and why it is not the first."""
    n, needed, ranks = len(listing.files), len(listing.files) * 3 * size[0] * size[1], on_this_machine()
    room = min(MEMORY_BYTES, int(free_memory() * MEMORY_SHARE / ranks))  # each has its own; a file they share
    if needed <= room:
        return "memory", ""
    takes = shown_bytes(needed) + (f" on each of {ranks} ranks" if ranks > 1 else "")
    what = f"its {n:,} images of {size[1]}x{size[0]} take {takes}, and {shown_bytes(room)} of memory"
    place, missing = bytes_to_write(listing.root, listing.files, size, resize)
    try:
        check_place(place)
        free = free_bytes(place)
    except RunError:
        free = 0
    if not missing or missing + SPARE_BYTES <= free:
        return "disk", f"{what} are given: they are decoded once and kept in {place} (cache='disk')"
    left = f"{what} and {shown_bytes(free)} of disk in {place} are free"
    return "stream", f"{left}: they are decoded in every epoch (cache='stream'; num_workers= helps)"


def read_folder(
    listing: ClassFolders, size: Size | None = None, bad: str = "refuse", labelled: bool = True, resize: str = "squish"
) -> ImageSource:
    """Decode every image into one array; DataError lists each file that cannot be used. See `open_folder`."""
    check_bad(bad)
    try:
        images, faults = decode_all(listing.files, size, resize)
    except DataError as error:
        raise DataError(f"{listing.root}: {error} (--size)") from error
    seen = dict(zip(_good_rows(listing, faults).tolist(), (one.hex() for one in digests(images)), strict=True))

    def images_of(rows: np.ndarray) -> np.ndarray:
        return kept_rows(images, np.searchsorted(list(seen), rows).tolist())

    return _source(listing, faults, seen, images_of, bad, labelled, resize, "memory")


def map_folder(
    listing: ClassFolders, size: Size, bad: str = "refuse", labelled: bool = True, resize: str = "squish"
) -> ImageSource:
    """The images of a folder in one mapped file, which the first call writes. See `open_folder`."""
    check_bad(bad)
    pack = pack_images(listing.root, listing.files, size, resize)
    seen = {row: digest for row, digest in enumerate(pack.hashes) if row not in pack.faults}

    def images_of(rows: np.ndarray) -> MappedImages:
        return MappedImages(pack.images, rows)

    return _source(listing, pack.faults, seen, images_of, bad, labelled, resize, "disk")


def stream_folder(
    listing: ClassFolders,
    size: Size,
    bad: str = "refuse",
    labelled: bool = True,
    resize: str = "squish",
    checked: bool = False,
) -> ImageSource:
    """The images of a folder, read file by file during training; each file is checked once before. See `open_folder`.

    checked: whether `scan_folder` has looked at the files: they are told apart by their own pixels then.
    """
    check_bad(bad)
    found = check_images(listing.files) if checked else check_images(listing.files, size, resize)
    faults = {row: reason for row, (reason, _) in enumerate(found) if reason}
    seen = {row: digest for row, (reason, digest) in enumerate(found) if not reason}

    def images_of(rows: np.ndarray) -> FileImages:
        return FileImages([listing.files[row] for row in rows], size, resize)

    return _source(listing, faults, seen, images_of, bad, labelled, resize, "stream")


def _good_rows(listing: ClassFolders, faults: dict[int, str]) -> np.ndarray:
    return np.array([row for row in range(len(listing.files)) if row not in faults], dtype=np.int64)


def faults_of(listing: ClassFolders, good: np.ndarray, faults: dict[int, str], contents: np.ndarray) -> list[Fault]:
    """The faults of all files: those that cannot be read, and those whose content stands in two classes.

    good: rows that can be read; faults: reason by row of the others; contents: `first_copies` of the good ones.
    """
    names = listing.names
    labels = np.array(listing.labels)[good]
    twofold = contradictions(contents, labels, [names[row] for row in good], listing.vocab)
    return [Fault(names[row], reason) for row, reason in faults.items()] + twofold


def _source(
    listing: ClassFolders,
    faults: dict[int, str],
    seen: dict[int, str],
    images_of: Callable[[np.ndarray], Images],
    bad: str,
    labelled: bool,
    resize: str,
    kept: str,
) -> ImageSource:
    """The set of what can be used of a folder; DataError lists each file that cannot.

    faults: reason by row of what cannot be read; seen: digest by row of the others, in order; images_of: the images of
    some rows.
    """
    names, good = listing.names, np.array(list(seen), dtype=np.int64)
    contents = first_copies(seen.values()) if labelled else np.arange(len(good))
    rows, quarantine = _chosen(listing, good, faults, contents, bad)
    return ImageSource(
        listing.root.resolve().name,
        images_of(rows),
        np.array(listing.labels)[rows],
        listing.vocab,
        [names[row] for row in rows],
        np.array(listing.parts)[rows],
        quarantine=quarantine,
        digests=[seen[row] for row in rows.tolist()],
        notes=list(listing.notes),
        resize=resize,
        kept=kept,
    )


def _chosen(
    listing: ClassFolders, good: np.ndarray, faults: dict[int, str], contents: np.ndarray, bad: str
) -> tuple[np.ndarray, list[Fault]]:
    """The rows to train on and the faults that are set aside; DataError where they may not be."""
    names, quarantine = listing.names, faults_of(listing, good, faults, contents)
    refuse_faults(str(listing.root), quarantine, len(names), bad)
    refused = {fault.file for fault in quarantine}
    rows = np.array([row for row in good if names[row] not in refused], dtype=np.int64)
    lost = sorted(set(listing.labels) - {listing.labels[row] for row in rows})
    if lost:
        classes = ", ".join(listing.vocab[code] for code in lost)
        raise DataError(f"{listing.root}: every image of the class(es) {classes} is bad:\n  {fault_lines(quarantine)}")
    return rows, quarantine
