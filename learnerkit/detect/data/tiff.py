"""TIFF files of any number of channels and up to 16 bits, read whole or refused; tifffile reads them.

Everything beside height and width is a channel, in the file's order: samples of a pixel, planes, equal pages, or the
axes that OME, ImageJ and tifffile write down.
"""

import contextlib
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tifffile import PHOTOMETRIC, TiffFile, TiffPage

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.optional import optional

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ALPHA = (1, 2)  # what the tag ExtraSamples calls associated and unassociated alpha
INVERTED = PHOTOMETRIC.MINISWHITE
VALUES = (PHOTOMETRIC.MINISBLACK, INVERTED, PHOTOMETRIC.RGB)  # pixels that are what was measured
ORDINARY = {PHOTOMETRIC.MINISBLACK: 1, INVERTED: 1, PHOTOMETRIC.PALETTE: 1, PHOTOMETRIC.RGB: 3} | {
    PHOTOMETRIC.YCBCR: 3,
    PHOTOMETRIC.SEPARATED: 4,
}  # samples of a pixel that Pillow shows as RGB without a loss
UNPACKED = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)  # none, CCITT, LZW, JPEG, deflate, PackBits: libtiff's own compressions
SHAPED = "QYX"  # axes of an array that tifffile wrote without being told what they are
ORIENTATION = 274  # tag
MOST_CHANNELS = 16


def is_tiff(file: Path) -> bool:
    """Whether a file begins as a TIFF does, whatever its name is."""
    with file.open("rb") as opened:
        return opened.read(4) in MAGIC


def read_tiff(file: Path) -> tuple[np.ndarray, bool, int] | None:
    """Pixels [C,H,W] as stored, whether the last channel is called alpha, and the EXIF orientation.

    None for an ordinary picture, which Pillow reads whole: grey, palette, RGB or CMYK of 8 bits, grey of 16.
    DataError says what is wrong with a file that is damaged, or holds something else than one frame.
    """
    pages: list[TiffPage] = []
    try:
        with _complaints() as complaints, TiffFile(file) as tiff:
            pages = [page for page in tiff.pages if not page.is_reduced]  # the file calls the others smaller copies
            _whole(complaints)
            if not pages:
                raise DataError("holds no picture")
            if len(pages) == 1 and _ordinary(pages[0]):
                return None
            _check(pages, file)
            pixels = _stacked(tiff, pages)
            _whole(complaints)
    except LearnerkitError as error:
        raise DataError(str(error)) from error
    except Exception as error:  # what a damaged file makes of a reader is any error
        if pages and "imagecodecs" in str(error):
            raise DataError(_lacking(pages[0], "imagecodecs is not installed")) from error
        raise DataError(f"is no whole TIFF ({type(error).__name__}: {error})") from error
    first = pages[0]
    pixels = widened(np.asarray(pixels, pixels.dtype.newbyteorder("=")), first.bitspersample)
    if first.photometric == INVERTED and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
    extra = first.extrasamples
    alpha = len(pages) == 1 and len(pixels) in (2, 4) and bool(extra) and extra[-1] in ALPHA
    tag = first.tags.get(ORIENTATION)
    return pixels, alpha, int(tag.value) if tag is not None else 1


def _ordinary(page: TiffPage) -> bool:
    """Whether Pillow reads a page whole, which it does without imagecodecs whatever the compression is."""
    if page.dtype is None or page.dtype.kind not in "bu" or page.compression not in UNPACKED or page.imagedepth != 1:
        return False
    grey = page.photometric == PHOTOMETRIC.MINISBLACK and page.samplesperpixel == 1
    few_bits = page.bitspersample in (1, 2, 4, 8) and ORDINARY.get(page.photometric) == page.samplesperpixel
    return few_bits or (grey and page.bitspersample == 16)


def _check(pages: list[TiffPage], file: Path) -> None:
    """DataError where the pages differ, are not whole, hold no measured values, or cannot be unpacked here."""
    kinds = {f"{'x'.join(map(str, page.shape))} {page.dtype}": None for page in pages}
    if len(kinds) > 1:
        raise DataError(f"its {len(pages)} pages differ ({', '.join(kinds)}); pages are channels, of one size and type")
    first, size = pages[0], file.stat().st_size
    if first.photometric not in VALUES:
        name = getattr(first.photometric, "name", first.photometric)
        raise DataError(f"its pixels are {name}, in {len(pages)} page(s) of {first.dtype}; save plain channels")
    if np.prod(first.shape, dtype=float) * len(pages) > 2 * (Image.MAX_IMAGE_PIXELS or np.inf):
        raise DataError(f"says it has {len(pages)} page(s) of {first.shape}: more than a frame can be")
    for number, page in enumerate(pages):
        parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        if not parts or any(not count or offset + count > size for offset, count in parts):
            raise DataError(f"page {number} is not whole: pixels are missing; copy the file again")
    if first.compression != 1 or first.predictor != 1:
        try:
            first.decode  # noqa: B018  the function that unpacks is made when it is first asked for
        except Exception as error:
            raise DataError(_lacking(first, str(error))) from error


def _lacking(page: TiffPage, reason: str) -> str:
    """Why a page cannot be unpacked, with the extra that helps where it does."""
    name = getattr(page.compression, "name", page.compression)
    try:
        optional("imagecodecs", "tiff", f"a TIFF of compression {name}")
    except LearnerkitError as error:
        return str(error)
    return f"its compression {name} cannot be unpacked ({reason})"


def _stacked(tiff: TiffFile, pages: list[TiffPage]) -> np.ndarray:
    """All values of a file as [C,H,W], by the axes that it says; DataError where they are not one frame."""
    first = tiff.series[0]
    others = [series for series in tiff.series[1:] if not all(page.is_reduced for page in series.pages)]
    if others:
        shapes = ", ".join(f"{series.axes} {series.shape}" for series in (first, *others))
        raise DataError(f"holds {1 + len(others)} pictures ({shapes}); a frame is one")
    if any(page is None or page.parent is not tiff for page in first.pages):
        raise DataError(f"is a part of a picture ({first.axes} {first.shape}) whose other parts lie in other files")
    axes, array = first.get_axes(squeeze=False), first.asarray(squeeze=False)
    if array.size < sum(int(np.prod(page.shape)) for page in pages):
        raise DataError(f"says that its axes are {axes} {array.shape}, and has {len(pages)} pages of {pages[0].shape}")
    if first.kind == "shaped" and first.axes == SHAPED and first.shape[0] > MOST_CHANNELS >= first.shape[2]:
        return array.reshape(first.shape).transpose(2, 0, 1)  # an array (H, W, C), saved as it was
    if axes.count("Y") != 1 or axes.count("X") != 1:
        raise DataError(f"has the axes {axes} {array.shape}; height and width (Y, X) are needed once each")
    rest = [place for place, name in enumerate(axes) if name not in "YX"]
    array = array.transpose(*rest, axes.index("Y"), axes.index("X"))
    return array.reshape(-1, *array.shape[-2:])


def widened(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Values of fewer bits than their type holds, spread over its range: each stays apart, the greatest is white.

    pixels: bool, uint8 or uint16, or anything else, which stays; bits: that a value has.
    """
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2 or bits >= 8 * pixels.dtype.itemsize:
        return pixels
    most, top = 2**bits - 1, np.iinfo(pixels.dtype).max
    return ((pixels.astype(np.uint32) * top + most // 2) // most).astype(pixels.dtype)


def _whole(complaints: list[str]) -> None:
    if complaints:
        raise DataError(f"is damaged ({re.sub('<.*?>', '', complaints[0]).strip()}); copy the file again")


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile logs as an error in this thread: it goes on with what is left of a damaged file."""
    said, thread = [], threading.get_ident()

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and record.levelno >= logging.ERROR:
                said.append(record.getMessage())

    logger, handler = logging.getLogger("tifffile"), Keep()
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
