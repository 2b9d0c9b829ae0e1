"""What `verify` and `learnerkit doctor DATA` say of a set of images: every fault, near copies, and what is there."""

import warnings
from pathlib import Path

from learnerkit.classify.cifar import is_cifar, read_cifar, scan_cifar
from learnerkit.classify.folder import list_folder
from learnerkit.classify.reading import read_folder, scan_folder, stream_folder
from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError
from learnerkit.data.faults import Report, told
from learnerkit.data.hashes import SIDE
from learnerkit.data.near_copies import near_copies_of, told_of_near_copies
from learnerkit.data.parts import parts_of
from learnerkit.data.pictures import SUFFIXES
from learnerkit.data.split import Split
from learnerkit.data.walk import holds
from learnerkit.task import Line

LOOKED_AT = 64, 64  # pixels, where images have several sizes


def is_set(path: Path) -> bool:
    """Whether a path is a CIFAR set, or a folder with images somewhere below it."""
    return is_cifar(path) or (path.is_dir() and holds(path, SUFFIXES))


def verify(path: Path) -> Report:
    """All faults of a CIFAR set or of class folders, and near copies across their parts.

    Copies that contradict each other are faults of folders.
    """
    report, source = _scanned(path)
    if source is not None and report:
        report.near_copies.extend(map(str, near_copies_of(source, source.labels)[0]))
    return report


def _scanned(path: Path) -> tuple[Report, ImageSource | None]:
    """The faults of a set, and what is good of it; None where that is too little."""
    if is_cifar(path):
        source, faults, rows = scan_cifar(path)
        return Report(path, source.name if source else "CIFAR", rows, faults), source
    listing = list_folder(path)
    report = Report(path, "image folder", len(listing.files), scan_folder(listing))
    if report.faults:  # they are mended first
        return report, None
    try:
        return report, stream_folder(listing, (SIDE, SIDE), bad="skip", checked=True)
    except DataError:
        return report, None


def examine(path: Path, bad: str = "refuse") -> list[Line]:
    """Lines of (good, text) about a set of images.

    bad: with 'skip' the faults are told as what would be left out.
    """
    report, _ = _scanned(path)
    lines = told(report.faults, report.samples, str(path), bad)
    wrong = not all(good for good, _ in lines)
    if wrong:
        lines.append((False, f"{path}: {report.samples:,} images, {len(report.faults)} fault(s)"))
    try:
        source, sizes = _opened(path, "skip" if wrong else bad)
        split, said = _dealt(source)
    except DataError as error:
        return [*lines, (False, str(error))] if not wrong else lines
    _, height, width = source.shape
    per_class = [int((source.labels == code).sum()) for code in range(len(source.vocab))]
    return [
        *lines,
        *((None, text) for text in (*said, *sizes)),
        (True, f"{path}: {len(source):,} images of {width}x{height}, {len(source.vocab)} classes"),
        (True, f"images a class: {min(per_class):,} to {max(per_class):,}; parts {split.counts} by {split.by}"),
        (True, f"fingerprint {source.fingerprint}"),
        *((None, text) for _, text in told_of_near_copies(source.near_copies, split)[1:]),
    ]


def _dealt(source: ImageSource) -> tuple[Split, list[str]]:
    """The parts as a training would deal them, and what it would warn of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        split = parts_of(source, 1, None, 42, None, source.labels, source.groups)
    return split, [str(warning.message).removeprefix(f"{source.name}: ") for warning in caught]


def _opened(path: Path, bad: str) -> tuple[ImageSource, list[str]]:
    """The set, and what there is to say of sizes that differ: its images are looked at in one size then."""
    if is_cifar(path):
        return read_cifar(path, bad=bad), []
    listing = list_folder(path)
    try:
        return read_folder(listing, bad=bad), []
    except DataError as error:
        return read_folder(listing, LOOKED_AT, bad), [str(error)]
