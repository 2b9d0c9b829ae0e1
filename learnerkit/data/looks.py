"""One look at each picture: what is wrong with it, how it is stored, how bright it is, and a small picture of it.

A file is decoded once for all of that, and nothing of its full size is kept, so that a large set streams.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from learnerkit.data.hashes import SIDE, told
from learnerkit.data.pictures import BLOCK, UNREADABLE, reason_of, resized, upright

TOLD_FROM = 2000  # files from which looking shows how far it is
LOOKED_AT = 64  # pixels a side, evenly spaced, that brightness is measured over: an average of them would hide noise
LEVELS = 255.0


@dataclass(frozen=True)
class Look:
    """What one picture is.

    width, height: in pixels, upright; mean: of its values in 0..1; deviation: over its pixels, of the channel that
        varies most.
    format, mode: as Pillow calls them, '' where the picture is no file of its own; turned: by its EXIF orientation.
    digest: of its pixels.
    """

    width: int
    height: int
    mean: float
    deviation: float
    digest: str = ""
    format: str = ""
    mode: str = ""
    turned: bool = False


def brightness(pixels: np.ndarray) -> tuple[float, float]:
    """Mean and deviation of a picture's values in 0..1, over some `LOOKED_AT` rows and columns.

    pixels: uint8 [C,H,W].
    """
    down, right = (max(1, side // LOOKED_AT) for side in pixels.shape[1:])
    seen = pixels[:, ::down, ::right].astype(np.float32) / LEVELS
    return float(seen.mean()), float(seen.std(axis=(1, 2)).max())


def look_at(file: Path) -> tuple[str | Look, np.ndarray | None]:
    """One file: a Look and its small picture uint8 [3,32,32]; what is wrong with it and None where it is of no use."""
    try:
        rgb, header = upright(file)
        pixels = np.asarray(rgb).transpose(2, 0, 1)
        small = np.asarray(resized(rgb, (SIDE, SIDE))).transpose(2, 0, 1)
    except UNREADABLE as error:
        return reason_of(error, file), None
    digest = hashlib.blake2b(np.ascontiguousarray(pixels), digest_size=16).hexdigest()
    return Look(rgb.width, rgb.height, *brightness(pixels), digest, *header), small


def look_at_files(files: Sequence[Path], keep: bool = True) -> tuple[list[str | Look], np.ndarray | None]:
    """Each file's Look, or what is wrong with it, and the small pictures uint8 [N,3,32,32].

    keep: whether the small pictures are kept; None in their place where not.
    """
    found: list[str | Look] = []
    small = np.zeros((len(files), 3, SIDE, SIDE), np.uint8) if keep else None
    for row, (look, picture) in enumerate(
        told(_looked(files), f"looking at {len(files):,} images", len(files), TOLD_FROM)
    ):
        found.append(look)
        if small is not None and picture is not None:
            small[row] = picture
    return found, small


def _looked(files: Sequence[Path]) -> Iterator[tuple[str | Look, np.ndarray | None]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), BLOCK):  # what is decoded and not yet taken stays small
            yield from pool.map(look_at, files[start : start + BLOCK])


def looks_of(images: np.ndarray, digests: Sequence[str]) -> list[Look]:
    """The Look of each image of an array uint8 [N,C,H,W]; digests: one an image."""
    height, width = images.shape[2:]
    return [Look(width, height, *brightness(image), digest) for image, digest in zip(images, digests, strict=True)]
