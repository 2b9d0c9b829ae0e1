"""A set of images as it is looked at before anything is trained on it: every file once, whatever size it has."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from learnerkit.classify.cifar import is_cifar, scan_cifar
from learnerkit.classify.files import FileImages
from learnerkit.classify.folder import ClassFolders, list_folder
from learnerkit.classify.reading import faults_of
from learnerkit.classify.source import ImageSource
from learnerkit.data.copies import first_copies
from learnerkit.data.faults import Fault
from learnerkit.data.hashes import SIDE
from learnerkit.data.leftovers import unfinished_downloads
from learnerkit.data.looks import Look, look_at_files, looks_of
from learnerkit.data.near_copies import MOST_IMAGES
from learnerkit.data.pictures import decode


@dataclass
class Looked:
    """What was seen of a set.

    kind: its format; samples: how many it has, the bad ones included; faults: of all of them.
    source: what is good of it, as small pictures where its files have sizes of their own; None where nothing is.
    looks: one for each image of the source. picture: a row of the source to its pixels uint8 [C,H,W], as stored.
    """

    kind: str
    samples: int
    faults: list[Fault]
    source: ImageSource | None = None
    looks: list[Look] = field(default_factory=list)
    picture: Callable[[int], np.ndarray] | None = None


def look_at_set(path: Path) -> Looked:
    """Look at a CIFAR set or at class folders."""
    left = unfinished_downloads(path)
    seen = _cifar(path) if is_cifar(path) else _folder(list_folder(path, known_files=[path / one.file for one in left]))
    seen.faults = left + seen.faults
    return seen


def _cifar(path: Path) -> Looked:
    source, faults, rows = scan_cifar(path)
    if source is None:
        return Looked("CIFAR", rows, faults)
    return Looked("CIFAR", rows, faults, source, looks_of(source.images, source.contents), source.images.__getitem__)


def _folder(listing: ClassFolders) -> Looked:
    n, kind = len(listing.files), "image folder"
    found, small = look_at_files(listing.files, keep=n <= MOST_IMAGES)
    wrong = {row: look for row, look in enumerate(found) if isinstance(look, str)}
    good = np.array([row for row in range(n) if row not in wrong], dtype=np.int64)
    one_size = len({(found[row].width, found[row].height) for row in good}) == 1
    contents = [_content(found[row], one_size) for row in good]
    faults = faults_of(listing, good, wrong, first_copies(contents))
    refused, names = {fault.file for fault in faults}, listing.names
    kept = [place for place, row in enumerate(good) if names[row] not in refused]
    if not kept:
        return Looked(kind, n, faults)
    rows = good[kept]
    files = [listing.files[row] for row in rows]
    source = ImageSource(
        listing.root.resolve().name,
        FileImages(files, (SIDE, SIDE)) if small is None else small if len(rows) == n else small[rows],
        np.array(listing.labels)[rows],
        listing.vocab,
        [names[row] for row in rows],
        np.array(listing.parts)[rows],
        digests=[contents[place] for place in kept],
        notes=list(listing.notes),
    )
    return Looked(kind, n, faults, source, [found[row] for row in rows], lambda row: decode(files[row]))


def _content(look: Look, one_size: bool) -> str:
    """What equal pictures share; the pixels alone where all have one size, as the set of a training tells them."""
    return look.digest if one_size else f"{look.width}x{look.height} {look.digest}"
