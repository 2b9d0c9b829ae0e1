"""Image files to arrays: the one place that decodes a picture, and that says what is wrong with one."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from learnerkit.core.errors import DataError
from learnerkit.data.checked import Checked, check_files

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
UNREADABLE = (OSError, ValueError, SyntaxError, DataError, Image.DecompressionBombError)
CHECK_VERSION = 2


def decode(file: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """One image file as uint8 [3,H,W], resized to (height, width) with a bilinear filter when `size` is given."""
    with Image.open(file) as image:
        check_end(image, file)
        if image.mode.startswith(("I", "F")):
            raise DataError(
                f"{image.mode} pixels (16 or 32 bits); they would be cut to 8 bits. Convert them to 8 bits."
            )
        rgb = image.convert("RGB")
        if size is not None and rgb.size != size[::-1]:
            rgb = rgb.resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(rgb).transpose(2, 0, 1)


def decode_deep(file: Path) -> np.ndarray:
    """One image file as it is stored, upright: uint8 [3,H,W], or uint16 [1,H,W] where it has 16 bits of grey."""
    with Image.open(file) as image:
        check_end(image, file)
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            return np.asarray(image).astype(np.uint16)[None]
        if image.mode in ("I", "F"):
            raise DataError(f"{image.mode} pixels (32 bits); save 8 or 16 bits, or a .npy array")
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def check_end(image: Image.Image, file: Path) -> None:
    """DataError where a JPEG ends without its end mark: Pillow takes a second half of zeros for grey."""
    if image.format != "JPEG":
        return
    data = file.read_bytes().rstrip(b"\0")
    if data.rfind(b"\xff\xd9") < len(data) // 2:
        raise DataError("its second half is missing (a JPEG without its end mark)")


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


def as_channels(images: np.ndarray, n: int) -> np.ndarray:
    """Pictures uint8 [N,C,H,W] with the channels of a run: colours as their luma, grey as three equal colours.

    The luma is ITU-R 601's, to the bit of Pillow's `convert("L")`. Other numbers of channels stay as they are.
    """
    if n == 1 and images.shape[1] == 3:
        red, green, blue = (images[:, channel].astype(np.uint32) for channel in range(3))
        return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)[:, None]
    return images.repeat(3, axis=1) if n == 3 and images.shape[1] == 1 else images


def check_images(files: Sequence[Path]) -> list[Checked]:
    """What is wrong with each image file, remembered; see `check_image`."""
    return check_files(files, check_image, "image", CHECK_VERSION)


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
