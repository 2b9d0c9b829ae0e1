"""A folder of class folders: `ROOT/class/*.jpg`, or `ROOT/{train,valid,test}/class/*.jpg`."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from learnerkit.core.errors import DataError
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
        if image.mode.startswith(("I", "F")):
            raise DataError(
                f"{image.mode} pixels (16 or 32 bits); they would be cut to 8 bits. Convert them to 8 bits."
            )
        rgb = image.convert("RGB")
        if size is not None and rgb.size != size[::-1]:
            rgb = rgb.resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(rgb).transpose(2, 0, 1)


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


def stream_folder(listing: Listing, size: int | tuple[int, int]) -> ImageSource:
    """The images of a folder as a set that is read file by file during training.

    size: height and width in pixels.
    """
    size = (size, size) if isinstance(size, int) else tuple(size)
    return _source(listing, FileImages(listing.files, size))


def _source(listing: Listing, images: np.ndarray | FileImages) -> ImageSource:
    ids = [str(file.relative_to(listing.root)) for file in listing.files]
    return ImageSource(listing.root.name, images, np.array(listing.labels), listing.vocab, ids, np.array(listing.parts))


def read_folder(listing: Listing, size: int | tuple[int, int] | None = None) -> ImageSource:
    """Decode every image into one array; DataError lists each file that cannot be read.

    size: height and width in pixels; the size of the first image when None, and then all must have it.
    """
    size = (size, size) if isinstance(size, int) else size
    return _source(listing, decode_all(listing.root, listing.files, size))


def decode_all(root: Path, files: Sequence[Path], size: tuple[int, int] | None) -> np.ndarray:
    """Many image files as uint8 [N,3,H,W]; DataError lists each that cannot be read or has another size.

    root: how the error calls the set.
    """

    def attempt(file: Path) -> np.ndarray | str:
        try:
            return decode(file, size)
        except UNREADABLE as error:
            return f"{file}: {error}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = list(pool.map(attempt, files))
    faults = [item for item in decoded if isinstance(item, str)]
    shape = next((item.shape for item in decoded if not isinstance(item, str)), None)
    faults += [
        f"{file}: {item.shape[2]}x{item.shape[1]} pixels, the first image has {shape[2]}x{shape[1]}; pass size="
        for file, item in zip(files, decoded, strict=True)
        if not isinstance(item, str) and item.shape != shape
    ]
    if faults:
        raise DataError(f"{root}: {len(faults)} of {len(files)} images cannot be used:\n  " + "\n  ".join(faults))
    return np.stack(decoded)
