"""Frames of 1 to 16 channels from files: .npy arrays as they lie on the disk, and ordinary images."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from learnerkit.core.errors import DataError
from learnerkit.data import pictures
from learnerkit.data.checked import Checked
from learnerkit.data.pictures import UNREADABLE, reason_of
from learnerkit.detect.data.deep import decode_deep
from learnerkit.detect.data.tiff import MOST_CHANNELS

PICTURES = pictures.SUFFIXES
SUFFIXES = PICTURES | {".npy"}
KINDS = ".npy, .png, .jpg, .tif ..."  # as messages name them
CHECK_VERSION = 2
GIVEN = (
    "a path, the paths of its modalities in a tuple, a PIL image, or an array or tensor [H,W,C] or [C,H,W], uint8, "
    "uint16 or floats in 0..1,"
)
ROUNDING = 1e-6  # past 0..1 that floats may be
MAGIC = b"\x93NUMPY"
# numpy reads a header with ast.literal_eval, which fails at random in threads of CPython before 3.11.8 and 3.12.2
# (github.com/python/cpython/issues/106905).
PARSING = threading.Lock()
RANGES = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def stored_frame(file: Path) -> np.ndarray:
    """A frame as it is stored, its channels first: uint8, uint16 or float [C,H,W]; an array's pixels stay on the disk.

    DataError says what is wrong with a file that is no frame.
    """
    if file.suffix.lower() == ".npy":
        return checked(channels_first(_array(file)))
    return checked(decode_deep(file))


def checked(frame: np.ndarray) -> np.ndarray:
    """The frame [C,H,W] itself; DataError where its type has no known range, or it has too many channels."""
    if frame.dtype not in RANGES and frame.dtype.kind != "f":
        raise DataError(f"is of dtype {frame.dtype}; uint8, uint16 or float in 0..1 is needed")
    if len(frame) > MOST_CHANNELS:
        raise DataError(f"has {len(frame)} channels; 1 to {MOST_CHANNELS} are needed")
    return frame


def _array(file: Path) -> np.ndarray:
    with file.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            raise DataError("is not a .npy file (np.save writes one)")
    try:
        with PARSING:
            array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        if "pickle" in str(error).lower() or "Python objects" in str(error):
            raise DataError("holds Python objects (a pickle), which are never loaded; save a plain array") from None
        raise DataError(f"is not a whole .npy file ({error})") from None
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def channels_first(array: np.ndarray, channels: int | None = None) -> np.ndarray:
    """[H,W,C], [C,H,W] or [H,W] as [C,H,W]; where both ends could be the channels, the last axis is.

    channels: how many there have to be, where that is known: the end of so many is them, and DataError where both are.
    """
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3:
        raise DataError(f"has the shape {array.shape}; (H, W, C) or (C, H, W) is needed")
    if channels is not None and array.shape[0] == array.shape[2] == channels and array.shape[1] != 1:
        raise DataError(f"has the shape {array.shape}: both ends could be the {channels} channels; give a file of it")
    first = array.shape[0] == channels
    if not first and 1 <= array.shape[2] <= MOST_CHANNELS:
        array = array.transpose(2, 0, 1)
    elif not 1 <= array.shape[0] <= MOST_CHANNELS:
        raise DataError(f"has the shape {array.shape}; one end has to be the channels, 1 to {MOST_CHANNELS}")
    if not array.size:
        raise DataError(f"has the shape {array.shape}: there is no pixel in it")
    return array


def scaled(frame: np.ndarray) -> np.ndarray:
    """A stored frame as float32 in 0..1, by the range of its type; floats are taken as they are."""
    top = RANGES.get(frame.dtype)
    return np.ascontiguousarray(frame, dtype=np.float32) / top if top else np.ascontiguousarray(frame, np.float32)


def given_frame(array: Any, channels: int | None = None) -> np.ndarray:
    """An array or tensor that somebody holds as float32 [C,H,W] in 0..1; DataError says what is wrong with it.

    channels: of the set, see `channels_first`.
    """
    if not isinstance(array, (np.ndarray, Tensor)):
        raise DataError(f"{type(array).__name__}: is no frame; {GIVEN} is needed")
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    try:
        frame = checked(channels_first(values, channels))
        check_floats(frame)
    except DataError as error:
        raise DataError(f"the array {error}") from None
    return scaled(frame)


def read_frame(file: Path) -> np.ndarray:
    """A frame file as float32 [C,H,W] in 0..1; DataError names the file."""
    try:
        return scaled(stored_frame(file))
    except UNREADABLE as error:
        raise DataError(f"{file}: {reason_of(error, file)}") from error


def one_channel(frame: np.ndarray) -> np.ndarray:
    """A modality's frame [C,H,W] as [1,H,W]; DataError where its channels differ."""
    if len(frame) > 1 and not all(np.array_equal(frame[0], other) for other in frame[1:]):
        raise DataError(
            f"has {len(frame)} channels that differ; a modality behind the first is one of grey. combine_modalities "
            "takes the mean of its channels"
        )
    return frame[:1]


def read_joined(files: Sequence[Path]) -> np.ndarray:
    """A frame in several files as float32 [C,H,W] in 0..1: the first whole, one channel of each other."""
    first, *others = (read_frame(file) for file in files)
    return np.concatenate([first, *map(one_channel, others)]) if others else first


def joined_files(files: Sequence[Path]) -> np.ndarray:
    """As `read_joined`, of files that somebody names; DataError where they are not of one frame."""
    try:
        return read_joined(files)
    except ValueError as error:  # numpy's, of arrays that differ in height or width
        raise DataError(f"{', '.join(map(str, files))}: are no modalities of one frame ({error})") from error


def check_modality(file: Path) -> Checked:
    """As `check_frame`, of a file that gives one channel."""
    return _checked_file(file, lambda: one_channel(stored_frame(file)))


def check_frame(file: Path) -> Checked:
    """What is wrong with a frame file ('' when nothing is), and 'CxHxW digest' of what it holds."""
    return _checked_file(file, lambda: stored_frame(file))


def _checked_file(file: Path, read: Callable[[], np.ndarray]) -> Checked:
    try:
        frame = read()
        check_floats(frame)
    except UNREADABLE as error:
        return reason_of(error, file), ""
    digest = hashlib.blake2b(f"{frame.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(frame))
    return "", f"{'x'.join(map(str, frame.shape))} {digest.hexdigest()}"


def shape_of(digest: str) -> tuple[int, int, int] | None:
    """Channels, height and width that a digest of `check_frame` says; None for ''."""
    return tuple(map(int, digest.split()[0].split("x"))) if digest else None


def check_floats(frame: np.ndarray) -> None:
    """DataError where a frame of floats is not finite or not in 0..1."""
    if frame.dtype.kind != "f":
        return
    wrong = ~np.isfinite(frame)
    if wrong.any():
        channel = int(np.flatnonzero(wrong.any(axis=(1, 2)))[0])
        raise DataError(f"{int(wrong.sum()):,} value(s) are NaN or infinite, the first in channel {channel}")
    low, high = float(frame.min()), float(frame.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise DataError(
            f"holds floats from {low:.7g} to {high:.7g}; floats are in 0..1 (divide, or save uint8 or uint16)"
        )
