"""Image files to arrays: the one place that decodes a picture, and that says what is wrong with one."""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from learnerkit.core.disk import shown_bytes
from learnerkit.core.errors import DataError
from learnerkit.core.memory import free_memory
from learnerkit.core.text import some, words
from learnerkit.data.checked import Checked, check_files

SUFFIXES = words(  # what Pillow reads pixels of by itself; no vector files, no documents, no films
    """.apng .avif .avifs .blp .bmp .bw .cur .dcx .dds .dib .fit .fits .ftc .ftu .gbr .gif .icb .icns .ico .im .j2c .j2k
    .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .msp .pbm .pcd .pcx .pfm .pgm .png .pnm .ppm .psd .pxr .qoi .ras .rgb
    .rgba .sgi .tga .tif .tiff .vda .vst .webp .xbm .xpm"""
)
LAYERED = ("PSD", "ICO", "ICNS", "MPO")  # whose further frames are layers, sizes or previews of one picture
UNREADABLE = (OSError, ValueError, SyntaxError, DataError, Image.DecompressionBombError)
BITS_PER_SAMPLE, SAMPLES_PER_PIXEL, EXTRA_SAMPLES, UNSPECIFIED = 258, 277, 338, 0  # of TIFF
ORIENTATION = 274  # of EXIF
PNG = b"\x89PNG\r\n\x1a\n"
CHECK_VERSION = 4
EMPTY = "is empty (0 bytes); fetch it again"
BLOCK = 256  # files that are read at a time: what is decoded and not yet taken stays small


class Header(NamedTuple):
    """How a picture is stored: its format and mode, as Pillow calls them, and whether its EXIF tags turn it."""

    format: str
    mode: str
    turned: bool


def decode(file: Path, size: tuple[int, int] | None = None, resize: str = "squish") -> np.ndarray:
    """One image file as uint8 [3,H,W], upright.

    size: height and width that it is brought to; its own when None. resize: how, see `resized`.
    """
    rgb, _ = upright(file)
    return np.asarray(rgb if size is None else resized(rgb, size, resize)).transpose(2, 0, 1)


def read_picture(file: Path, size: tuple[int, int] | None = None, resize: str = "squish") -> np.ndarray:
    """As `decode`; DataError names the file and says why it cannot be used."""
    try:
        return decode(file, size, resize)
    except UNREADABLE as error:
        raise DataError(f"{file}: {reason_of(error, file)}") from error


def upright(file: Path) -> tuple[Image.Image, Header]:
    """One image file in RGB, upright, and how it is stored; raises one of `UNREADABLE` where it cannot be used."""
    with Image.open(file) as image:
        check_end(image, file)
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format not in LAYERED:
            raise DataError(f"holds {frames} pictures; save the one that counts as a file of its own")
        if bits := _bits_lost(image, file):
            raise DataError(bits)
        header = Header(image.format or "", image.mode, image.getexif().get(ORIENTATION, 1) not in (0, 1))
        return as_rgb(ImageOps.exif_transpose(image)), header


def resized(image: Image.Image, size: tuple[int, int], resize: str = "squish") -> Image.Image:
    """A picture at another size, by a bilinear filter that is as wide as a pixel of the result.

    size: height and width. resize: 'crop' takes the middle that has the shape of `size`, 'pad' puts black bars beside
        or above and below the whole, 'squish' changes its proportions.
    """
    (height, width), bilinear = size, Image.Resampling.BILINEAR
    if image.size == (width, height):
        return image
    if resize == "crop":
        scale = min(image.width / width, image.height / height)
        wide, high = min(width * scale, image.width), min(height * scale, image.height)  # whatever was rounded
        left, top = (image.width - wide) / 2, (image.height - high) / 2
        return image.resize((width, height), bilinear, box=(left, top, left + wide, top + high))
    if resize == "squish":
        return image.resize((width, height), bilinear)
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    padded = Image.new(image.mode, (width, height))
    padded.paste(image.resize(inner, bilinear), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return padded


def _bits_lost(image: Image.Image, file: Path) -> str:
    """What Pillow cuts without a word: 16-bit colours, and channels of a TIFF behind the third; '' where nothing is."""
    if png_kind(file)[0] == 16:
        return "16-bit pixels; they would be cut to 8 bits. Convert them to 8 bits."
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    if max(tags.get(BITS_PER_SAMPLE, (8,))) > 8:
        return "more than 8 bits a pixel; they would be cut to 8 bits. Convert them to 8 bits."
    if UNSPECIFIED in tags.get(EXTRA_SAMPLES, ()):
        return f"{tags.get(SAMPLES_PER_PIXEL)} channels; those behind the third would be lost. Save three of them."
    return ""


def png_kind(file: Path) -> tuple[int, int]:
    """Bits of a value and colour type of a PNG, from its header; (0, 0) for other files."""
    with file.open("rb") as opened:
        head = opened.read(26)
    return (head[24], head[25]) if len(head) == 26 and head.startswith(PNG) else (0, 0)


def as_rgb(image: Image.Image) -> Image.Image:
    """A picture of any 8-bit mode in RGB, as files and `predict` have it; DataError where bits would be lost."""
    if image.mode.startswith(("I", "F")):
        raise DataError(f"{image.mode} pixels (16 or 32 bits); they would be cut to 8 bits. Convert them to 8 bits.")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # lest Pillow warns of a palette whose transparency is in bytes
    return image.convert("RGB")


def check_end(image: Image.Image, file: Path) -> None:
    """DataError where a JPEG ends without its end mark: Pillow takes a second half of zeros for grey."""
    if image.format != "JPEG":
        return
    data = file.read_bytes().rstrip(b"\0")
    if data.rfind(b"\xff\xd9") < len(data) // 2:
        raise DataError("its second half is missing (a JPEG without its end mark)")


def decode_all(
    files: Sequence[Path], size: tuple[int, int] | None, resize: str = "squish"
) -> tuple[np.ndarray, dict[int, str]]:
    """The image files that can be used as uint8 [N,3,H,W], and the reason by row of those that cannot.

    size: height and width to resize to; DataError where it is None and the files have several. resize: how.
    """
    images, faults, shapes = None, {}, {}
    for start in range(0, len(files), BLOCK):
        block = files[start : start + BLOCK]
        for row, item in enumerate(decoded(block, size, resize), start):
            if isinstance(item, str):
                faults[row] = item
                continue
            if images is None:
                images = _empty((len(files), *item.shape))
            shapes[files[row]] = item.shape[1:]
            if item.shape == images.shape[1:]:
                images[row] = item
    if len(set(shapes.values())) > 1:
        raise DataError(_sizes_differ(shapes))
    if images is None:
        return np.zeros((0, 3, 0, 0), np.uint8), faults
    return kept_rows(images, [row for row in range(len(files)) if row not in faults]), faults


def _empty(shape: tuple[int, ...]) -> np.ndarray:
    """An array to be filled; DataError where the memory has no room for it."""
    needed, free = math.prod(shape), free_memory()
    if needed > free:
        raise DataError(
            f"{shape[0]:,} images of {shape[3]}x{shape[2]} take {shown_bytes(needed)} of memory, and "
            f"{shown_bytes(free)} are free; pass a smaller size=, or cache='disk'"
        )
    return np.empty(shape, np.uint8)


def decoded(files: Sequence[Path], size: tuple[int, int] | None, resize: str) -> Iterator[np.ndarray | str]:
    """Each file's pixels, or what is wrong with it; as many files at a time as there are cores."""

    def attempt(file: Path) -> np.ndarray | str:
        try:
            return decode(file, size, resize)
        except UNREADABLE as error:
            return reason_of(error, file)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(attempt, files)


def kept_rows(array: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """Some rows of an array, moved to its front: a large one is not copied. It may not be used afterwards.

    rows: in rising order.
    """
    for place, row in enumerate(rows):
        if place != row:
            array[place] = array[row]
    return array[: len(rows)]


def _sizes_differ(shapes: dict[Path, tuple[int, ...]]) -> str:
    ordered = Counter(shapes.values()).most_common()
    places = {shape: file.relative_to(os.path.commonpath(shapes)) for file, shape in reversed(shapes.items())}
    texts = [f"{n:,} of {shape[1]}x{shape[0]} such as {places[shape]}" for shape, n in ordered]
    return f"its images have {len(ordered)} sizes in pixels ({some(texts)}); pass size=, such as {max(ordered[0][0])}"


def as_channels(images: np.ndarray, n: int) -> np.ndarray:
    """Pictures uint8 [N,C,H,W] with the channels of a run: colours as their luma, grey as three equal colours.

    The luma is ITU-R 601's, to the bit of Pillow's `convert("L")`. Other numbers of channels stay as they are.
    """
    if n == 1 and images.shape[1] == 3:
        red, green, blue = (images[:, channel].astype(np.uint32) for channel in range(3))
        return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)[:, None]
    return images.repeat(3, axis=1) if n == 3 and images.shape[1] == 1 else images


def check_images(files: Sequence[Path], size: tuple[int, int] | None = None, resize: str = "squish") -> list[Checked]:
    """What is wrong with each image file ('' when nothing is), and a digest of its pixels; remembered.

    size, resize: at which the pixels are looked at; the file's own when None.
    """
    name = "image" if size is None else f"image-{size[0]}x{size[1]}-{resize}"
    return check_files(files, partial(check_image, size=size, resize=resize), name, CHECK_VERSION)


def check_image(file: Path, size: tuple[int, int] | None = None, resize: str = "squish") -> Checked:
    """What is wrong with an image file ('' when nothing is), and a digest of its pixels (and shape, without a size)."""
    try:
        pixels = decode(file, size, resize)
    except UNREADABLE as error:
        return reason_of(error, file), ""
    digest = hashlib.blake2b(b"" if size else repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels))
    return "", digest.hexdigest()


def reason_of(error: Exception, file: Path) -> str:
    """An exception's text in the words of somebody who has the file."""
    if is_empty(file):
        return EMPTY
    if isinstance(error, UnidentifiedImageError):
        return "is no picture, or is damaged"
    text = getattr(error, "strerror", None) or str(error)
    return re.sub(rf"(?<![\w.-]):? ?'?{re.escape(str(file))}'?(?![\w.-])", "", text) or type(error).__name__


def is_empty(file: Path) -> bool:
    """Whether a file is there and has no bytes, as a download leaves it that did not begin."""
    try:
        return file.is_file() and not file.stat().st_size
    except OSError:
        return False
