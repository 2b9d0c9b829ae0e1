"""A folder of class folders: `ROOT/class/*.jpg`, or `ROOT/{train,valid,test}/class/*.jpg`."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from learnerkit.core.errors import DataError
from learnerkit.data.checked import Checked, check_files
from learnerkit.data.copies import contradictions, digests, first_copies
from learnerkit.data.faults import Fault, listed, settle
from learnerkit.data.source import ImageSource

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
PARTS = {"train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid"}
PARTS |= {"test": "test", "testing": "test"}
UNREADABLE = (OSError, ValueError, SyntaxError, DataError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Listing:
    """The images of a folder, unread.

    files, labels, parts: one entry an image; parts are '' where the folder does not say.
    """

    root: Path
    files: list[Path]
    labels: list[int]
    parts: list[str]
    vocab: list[str]


def list_folder(root: Path, vocab: Sequence[str] | None = None) -> Listing:
    """Find the images, parts and classes below `root`; DataError when there are none or one class only.

    vocab: class names in their order; sorted folder names without it.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Expected class folders with images, or train/ and test/ above them.")
    parts = {folder: PARTS.get(folder.name.lower(), "") for folder in _folders(root)}
    roots = {folder: part for folder, part in parts.items() if part} if "train" in parts.values() else {root: ""}
    found = []
    for base, part in roots.items():
        for folder in _folders(base):
            images = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
            found += [(file, folder.name, part) for file in images if not file.name.startswith(".")]
    classes = sorted({name for _, name, _ in found})
    if not found:
        raise DataError(
            f"{root}: no image in any class folder. Expected {root}/CLASS/*.jpg (or .png, .bmp, .webp ...)."
        )
    if vocab is None and len(classes) < 2:
        raise DataError(f"{root}: one class only ('{classes[0]}'). A classifier needs two class folders or more.")
    vocab = list(vocab or classes)
    unknown = sorted(set(classes) - set(vocab))
    if unknown:
        raise DataError(f"{root}: class folder(s) {', '.join(unknown)} are not among the classes {', '.join(vocab)}")
    codes = {name: code for code, name in enumerate(vocab)}
    return Listing(
        root, [f for f, _, _ in found], [codes[name] for _, name, _ in found], [p for _, _, p in found], vocab
    )


def _folders(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def decode(file: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """One image file as uint8 [3,H,W], resized to (height, width) with a bilinear filter when `size` is given."""
    with Image.open(file) as image:
        if image.format == "JPEG":
            check_end(file)
        if image.mode.startswith(("I", "F")):
            raise DataError(
                f"{image.mode} pixels (16 or 32 bits); they would be cut to 8 bits. Convert them to 8 bits."
            )
        rgb = image.convert("RGB")
        if size is not None and rgb.size != size[::-1]:
            rgb = rgb.resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(rgb).transpose(2, 0, 1)


def check_end(file: Path) -> None:
    """DataError where a JPEG ends without its end mark: Pillow takes a second half of zeros for grey."""
    data = file.read_bytes().rstrip(b"\0")
    if data.rfind(b"\xff\xd9") < len(data) // 2:
        raise DataError("its second half is missing (a JPEG without its end mark)")


class FileImages:
    """Images that are decoded when asked for, with the face of a uint8 array [N,3,H,W].

    files: image files; size: (height, width) that each is resized to.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, files: Sequence[Path], size: tuple[int, int]) -> None:
        self.files, self.size = list(files), size
        self.shape = (len(self.files), 3, *size)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: int | np.ndarray) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            return np.stack([self[int(row)] for row in rows])
        try:
            return decode(self.files[rows], self.size)
        except UNREADABLE as error:
            raise DataError(f"{self.files[rows]}: {error}") from error


CHECK_VERSION = 2


def check_image(file: Path) -> Checked:
    """What is wrong with an image file ('' when nothing is), and a digest of its shape and pixels."""
    try:
        pixels = decode(file)
    except UNREADABLE as error:
        return reason_of(error, file), ""
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels))
    return "", digest.hexdigest()


def reason_of(error: Exception, file: Path) -> str:
    """An exception's text in the words of somebody who has the file."""
    text = getattr(error, "strerror", None) or str(error)
    return re.sub(rf":? ?'?{re.escape(str(file))}'?", "", text) or type(error).__name__


def stream_folder(listing: Listing, size: int | tuple[int, int], skip_bad: bool = False) -> ImageSource:
    """The images of a folder as a set that is read file by file during training; each file is checked once before.

    size: height and width in pixels; skip_bad: set bad files aside.
    """
    size = (size, size) if isinstance(size, int) else tuple(size)
    found = check_files(listing.files, check_image, "image", CHECK_VERSION)
    faults = {row: reason for row, (reason, _) in enumerate(found) if reason}
    good = np.array([row for row in range(len(found)) if row not in faults], dtype=np.int64)
    contents = first_copies([found[row][1] for row in good])
    rows, quarantine = _settled(listing, good, faults, contents, skip_bad)
    source = _source(listing, FileImages([listing.files[row] for row in rows], size), rows, quarantine)
    source.digests = [found[row][1] for row in rows]
    return source


def read_folder(
    listing: Listing, size: int | tuple[int, int] | None = None, skip_bad: bool = False, labelled: bool = True
) -> ImageSource:
    """Decode every image into one array; DataError lists each file that cannot be used.

    size: height and width in pixels; the commonest size when None, and then all must have it.
    skip_bad: set bad files aside.
    labelled: whether an image that stands in two classes is a fault.
    """
    images, faults = decode_all(listing.files, (size, size) if isinstance(size, int) else size)
    good = np.array([row for row in range(len(listing.files)) if row not in faults], dtype=np.int64)
    contents = first_copies(digests(images)) if labelled else np.arange(len(images))
    rows, quarantine = _settled(listing, good, faults, contents, skip_bad)
    images = images if len(rows) == len(good) else images[np.isin(good, rows)]
    return _source(listing, images, rows, quarantine)


def _settled(
    listing: Listing, good: np.ndarray, faults: dict[int, str], contents: np.ndarray, skip_bad: bool
) -> tuple[np.ndarray, list[Fault]]:
    """The rows to train on and the faults that are set aside; DataError where they may not be.

    good: rows that can be read; faults: reason by row of the others; contents: `first_copies` of the good ones.
    """
    names = [str(file.relative_to(listing.root)) for file in listing.files]
    quarantine = [Fault(names[row], reason) for row, reason in faults.items()]
    labels = np.array(listing.labels)[good]
    twofold = contradictions(contents, labels, [names[row] for row in good], listing.vocab)
    quarantine += twofold
    settle(str(listing.root), quarantine, len(names), skip_bad)
    refused = {fault.file for fault in twofold}
    left = {listing.labels[row] for row in good if names[row] not in refused}
    lost = [listing.vocab[code] for code in sorted(set(listing.labels) - left)]
    if lost:
        raise DataError(
            f"{listing.root}: every image of the class(es) {', '.join(lost)} is bad:\n  {listed(quarantine)}"
        )
    return np.array([row for row in good if names[row] not in refused], dtype=np.int64), quarantine


def _source(
    listing: Listing, images: np.ndarray | FileImages, rows: np.ndarray, quarantine: list[Fault]
) -> ImageSource:
    ids = [str(listing.files[row].relative_to(listing.root)) for row in rows]
    labels, parts = np.array(listing.labels)[rows], np.array(listing.parts)[rows]
    return ImageSource(listing.root.name, images, labels, listing.vocab, ids, parts, quarantine=quarantine)


def decode_all(files: Sequence[Path], size: tuple[int, int] | None) -> tuple[np.ndarray, dict[int, str]]:
    """The image files that can be used as uint8 [N,3,H,W], and the reason by row of those that cannot.

    size: height and width to resize to; the commonest one of the files when None, and others are faults.
    """

    def attempt(file: Path) -> np.ndarray | str:
        try:
            return decode(file, size)
        except UNREADABLE as error:
            return reason_of(error, file)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = list(pool.map(attempt, files))
    shapes = Counter(item.shape for item in decoded if not isinstance(item, str))
    shape = shapes.most_common(1)[0][0] if shapes else (3, 0, 0)
    for row, item in enumerate(decoded):
        if not isinstance(item, str) and item.shape != shape:
            decoded[row] = f"{item.shape[2]}x{item.shape[1]} pixels, most have {shape[2]}x{shape[1]}; pass size="
    faults = {row: item for row, item in enumerate(decoded) if isinstance(item, str)}
    images = [item for item in decoded if not isinstance(item, str)]
    return np.stack(images) if images else np.zeros((0, *shape), np.uint8), faults
