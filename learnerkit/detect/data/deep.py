"""Pictures of frames with every channel and bit of their file: 8 and 16 bits, fourth channels that are no alpha."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.optional import optional
from learnerkit.data.pictures import check_end, png_kind
from learnerkit.detect.data.tiff import is_tiff, read_tiff

OPAQUE_OR_NOT = 0.9  # of the pixels at either end of an alpha channel, from which it may well be transparency
GREY, PALETTE = 0, 3  # colour types of PNG
EXIF_ORIENTATION = 0x0112


def decode_deep(file: Path) -> np.ndarray:
    """One picture file as it is stored, upright: uint8, uint16 or float [C,H,W].

    DataError where something would be lost. 8 bits of grey are three equal channels, as pictures of a grey camera stand
    among coloured ones; 16 bits of grey are one.
    """
    if is_tiff(file):
        found = read_tiff(file)
        if found is not None:
            pixels, alpha, orientation = found
            return _as_colours(upright(without_alpha(pixels) if alpha else pixels, orientation))
    depth, colour = png_kind(file)
    with Image.open(file) as image:
        check_end(image, file)
        if image.format != "MPO" and image.format != "TIFF" and getattr(image, "n_frames", 1) > 1:
            raise DataError(f"is an animation of {image.n_frames} pictures; a frame is one")
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        if depth == 16 and colour != GREY:
            return _as_colours(upright(_deep_png(file), orientation))
        return pixels_of(image, depth)


def pixels_of(image: Image.Image, depth: int = 8) -> np.ndarray:
    """A picture of Pillow's, upright, as `decode_deep` gives one of a file; depth: bits of a value in its file."""
    upright_image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and depth == 16):
        return np.asarray(upright_image).astype(np.uint16)[None]
    if image.mode in ("I", "F"):
        raise DataError(f"{image.mode} pixels (32 bits); save 8 or 16 bits, or a .npy array")
    if image.mode in ("RGBA", "LA"):
        return _as_colours(without_alpha(np.asarray(upright_image).transpose(2, 0, 1)))
    return np.asarray(upright_image.convert("RGB")).transpose(2, 0, 1)


def called_alpha(file: Path) -> list[str]:
    """A line where the last channel of a file that `decode_deep` reads is kept although the file calls it alpha."""
    if file.suffix.lower() == ".npy":
        return []
    if is_tiff(file):
        found = read_tiff(file)
        alpha = found is not None and found[1]
    else:
        with Image.open(file) as image:
            alpha = image.mode in ("RGBA", "LA") or png_kind(file)[1] in (4, 6)
    last = len(decode_deep(file)) - 1
    kept = alpha and last in (1, 3)
    return [f"channel {last} varies and is taken as a channel, though its files call it alpha"] if kept else []


def _as_colours(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 and pixels.dtype == np.uint8 else pixels


def _deep_png(file: Path) -> np.ndarray:
    """A PNG of 16 bits and several channels, which Pillow would cut to 8 bits."""
    try:
        codecs = optional("imagecodecs", "tiff", "a PNG of 16 bits and more than one channel")
    except LearnerkitError as error:
        raise DataError(str(error)) from error
    try:
        pixels = codecs.png_decode(file.read_bytes())
    except RuntimeError as error:
        raise DataError(f"is no whole PNG ({error})") from error
    pixels = pixels.transpose(2, 0, 1)
    return without_alpha(pixels) if len(pixels) in (2, 4) else pixels


def without_alpha(pixels: np.ndarray) -> np.ndarray:
    """Colours [C,H,W] without a last channel that hides nothing; with it where it is a sensor's channel.

    Files of RGB and near infrared call the fourth channel alpha, since PNG and many writers of TIFF know no other. One
    that is opaque everywhere says nothing. One that varies smoothly is measured. One that nearly always is all or
    nothing may be a mask or a sensor at its limits, and one of a single value anything: DataError.
    """
    last = pixels[-1]
    top = np.iinfo(last.dtype).max if last.dtype.kind == "u" else 1
    if (last == top).all():
        return pixels[:-1]
    ends = float(((last == 0) | (last == top)).mean())
    if last.min() == last.max():
        reason = f"is {last.flat[0]} everywhere"
    elif ends >= OPAQUE_OR_NOT:
        reason = f"is 0 or {top} in {ends:.0%} of the pixels"
    else:
        return pixels
    raise DataError(
        f"its channel {len(pixels) - 1}, which the file calls alpha, {reason}: transparency, or a sensor? Save the "
        "colours alone, or all channels as a .npy array"
    )


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels [C,H,W] turned as a viewer shows them; orientation: of EXIF, 1 to 8."""
    if orientation in (5, 6, 7, 8):  # lines are columns
        pixels = pixels.transpose(0, 2, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, :, ::-1]
    return np.ascontiguousarray(pixels)
