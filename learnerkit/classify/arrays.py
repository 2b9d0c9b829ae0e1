"""A set from arrays as people hold them: pixels of any common layout and type, labels as numbers, words or one-hot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from learnerkit.classify.folder import one_name_each
from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError
from learnerkit.core.text import some
from learnerkit.data.faults import Fault, check_bad, refuse_faults
from learnerkit.data.pictures import as_rgb, decode_all
from learnerkit.data.source import UNLABELLED, whole_numbers

CHANNELS = (1, 3, 4)
MOST_CHANNELS = 16
BLOCK = 16  # images that are converted together
NAME = "arrays"


def array_source(images: Any, labels: Any, vocab: Sequence[str] | None = None, bad: str = "refuse") -> ImageSource:
    """An ImageSource from arrays.

    images, labels: see `as_pixels` and `as_codes`.
    vocab: class names; the labels themselves without them.
    bad: 'skip' sets rows with an impossible label aside, 'refuse' names them all.
    """
    check_bad(bad)
    pixels, notes = as_pixels(images)
    codes, vocab, said, faults = as_codes(labels, len(pixels), vocab)
    refuse_faults(NAME, faults, len(codes), bad)
    ids = [str(row) for row in range(len(codes))]
    if faults:
        good = np.setdiff1d(np.arange(len(codes)), [int(fault.place.removeprefix("row ")) for fault in faults])
        pixels, codes, ids = pixels[good], codes[good], [ids[row] for row in good]
    if min(pixels.strides, default=0) < 0:  # such as [..., ::-1], which no tensor can share
        pixels = np.ascontiguousarray(pixels)
    return ImageSource(NAME, pixels, codes, vocab, ids, keeps=("shift",), quarantine=faults, notes=[*notes, *said])


def as_pixels(images: Any) -> tuple[np.ndarray, list[str]]:
    """Images as uint8 [N,C,H,W], and what had to be guessed.

    images: an array or tensor [N,H,W], [N,H,W,C] or [N,C,H,W] of 1 to 16 channels, in whole numbers 0 to 255 or floats
        in 0..1; or a list of PIL images, of paths, or of arrays of one shape. DataError with the remedy for others.
    """
    if hasattr(images, "columns"):
        raise DataError(
            f"images: a table with the columns {some(list(images.columns))}; give its columns: "
            "array_dls(table['file'], table['label'])"
        )
    if isinstance(images, (str, Path, int, float, bytes)):
        raise DataError(
            f"images: is {type(images).__name__} {images!r:.60}; arrays, or a list of paths or pictures are needed"
        )
    if isinstance(images, torch.Tensor):
        pixels = _numpy(images)
    elif isinstance(images, np.ndarray) and images.dtype.kind not in "OU":
        pixels = images
    else:
        pixels = _stacked(list(images))
    pixels, notes = channels_second(pixels)
    pixels, said = _bytes(pixels)
    return pixels, notes + said


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _stacked(items: list[Any]) -> np.ndarray:
    if items and all(isinstance(item, (str, Path)) for item in items):
        pixels, faults = decode_all([Path(item) for item in items], None)
        refuse_faults("images", [Fault(str(items[row]), reason) for row, reason in faults.items()], len(items))
        return pixels
    arrays = [
        np.asarray(as_rgb(ImageOps.exif_transpose(item)) if isinstance(item, Image.Image) else item) for item in items
    ]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise DataError(f"images: {len(items)} of {len(shapes)} shapes ({some(shapes)}); resize them to one first")
    if not arrays:
        raise DataError("images: there is none")
    return np.stack(arrays)


def channels_second(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Images [N,H,W], [N,H,W,C] or [N,C,H,W] as [N,C,H,W], and what had to be guessed of the axes."""
    if pixels.ndim == 3:
        return pixels[:, None], []
    if pixels.ndim != 4:
        raise DataError(f"images: of the shape {pixels.shape}; [N,H,W], [N,H,W,C] or [N,C,H,W] is needed")
    second, last = pixels.shape[1], pixels.shape[3]
    if (second in CHANNELS) != (last in CHANNELS):
        return (pixels if second in CHANNELS else pixels.transpose(0, 3, 1, 2)), []
    if min(second, last) > MOST_CHANNELS:
        raise DataError(f"images: of the shape {pixels.shape}; no axis is of 1 to {MOST_CHANNELS} channels")
    first = second <= last
    what = f"of the shape {pixels.shape}: axis {1 if first else 3} is taken as the channels ({min(second, last)})"
    return (pixels if first else pixels.transpose(0, 3, 1, 2)), [f"images are {what}"]


def _bytes(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Pixels as uint8; DataError with the remedy where that would change more than their unit."""
    if pixels.dtype == np.uint8:
        dark = pixels.size and pixels.max() == 1
        return pixels, ["images hold 0 and 1 alone, of 0 to 255: nearly black; give images * 255"] if dark else []
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255), []
    if pixels.dtype.kind not in "iuf":
        raise DataError(f"images: of dtype {pixels.dtype}; uint8 in 0..255 or floats in 0..1 are needed")
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    span = f"images: {pixels.dtype} from {low:.7g} to {high:.7g}"
    if not np.isfinite([low, high]).all():
        raise DataError(f"{span}: NaN or infinite values; uint8 in 0..255 or floats in 0..1 are needed")
    if pixels.dtype.kind == "f" and low >= 0 and high <= 1:
        rounded, off = _rounded(pixels, 255)
        return rounded, [] if off < 0.01 else [f"{span} are rounded to 256 levels"]
    if low >= 0 and high <= 255:
        rounded, off = _rounded(pixels, 1)
        if off == 0:
            return rounded, []
    remedy = "bring them to 0..1 or uint8: (images - images.min()) / (images.max() - images.min())"
    if pixels.dtype == np.uint16:
        remedy = "give (images // 257).astype('uint8'), or stretch the range that they use"
    raise DataError(f"{span}; uint8 in 0..255 or floats in 0..1 are needed: {remedy}")


def _rounded(pixels: np.ndarray, factor: int) -> tuple[np.ndarray, float]:
    """Pixels times a factor as uint8, and by how much the worst was rounded; few at a time, for they may be many."""
    rounded, off = np.empty(pixels.shape, np.uint8), 0.0
    for start in range(0, len(pixels), BLOCK):
        scaled = pixels[start : start + BLOCK] * factor
        whole = scaled.round() if scaled.dtype.kind == "f" else scaled
        rounded[start : start + BLOCK] = whole
        off = max(off, float(np.abs(scaled - whole).max(initial=0)))
    return rounded, off


def as_codes(
    labels: Any, n: int, vocab: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str], list[str], list[Fault]]:
    """Labels as class numbers int64 [N], the class names, what had to be guessed, and a fault for each wrong label.

    labels: class numbers or names [N] or [N,1], or one-hot [N,K]; array, list, tensor or a column of a table. -1 is
        unlabelled. n: how many images there are. vocab: class names; the labels themselves without them.
    """
    try:
        given = _numpy(labels) if isinstance(labels, torch.Tensor) else np.asarray(labels)
    except ValueError as error:
        raise DataError(f"{NAME}: labels are of several lengths; one class number or name an image ({error})") from None
    given = np.char.decode(given, "utf-8") if given.dtype.kind == "S" else given
    notes: list[str] = []
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    elif given.ndim == 2 and len(given) == n:
        given, notes = _of_one_hot(given), ["labels are one-hot: the class is the column of the 1"]
        columns = len(labels[0])
        vocab = [str(code) for code in range(columns)] if vocab is None else list(vocab)
        if len(vocab) != columns:
            raise DataError(
                f"{NAME}: labels have {columns} columns, one a class, and there are {len(vocab)} class names"
            )
    if given.ndim != 1 or len(given) != n:
        raise DataError(f"{NAME}: {n} images but labels of shape {given.shape}; one class number an image")
    if given.dtype.kind in "UO":
        missing = [row for row, label in enumerate(given.tolist()) if label in ("", None) or label != label]
        if missing:
            raise DataError(
                f"{NAME}: {len(missing)} image(s) without a label, in the rows {some(missing)}; leave them out"
            )
        if all(isinstance(label, str) for label in given.tolist()):
            return *_of_names(given, vocab, labels), notes, []
    faults = bad_labels(given, len(vocab) if vocab is not None else None)
    if faults and vocab is not None and _counts_from_one(given, len(vocab)):
        raise DataError(f"{NAME}: labels run from 1 to {len(vocab)}; class numbers begin at 0: give labels - 1")
    if faults:
        return given, list(vocab or []) or _numbers(given), notes, faults
    codes = whole_numbers(NAME, given)
    if vocab is not None:
        return codes, list(vocab), notes, []
    present = np.unique(codes[codes != UNLABELLED])
    if len(present) and not np.array_equal(present, np.arange(len(present))):
        notes.append(f"labels are {some(present.tolist())}, not 0 to {len(present) - 1}: each is a class of that name")
        codes = np.where(codes == UNLABELLED, UNLABELLED, np.searchsorted(present, codes))
    return codes, [str(code) for code in present], notes, []


def _numbers(labels: np.ndarray) -> list[str]:
    good = [float(label) for label in labels if isinstance(label, (int, float, np.number)) and np.isfinite(label)]
    return [str(code) for code in range(int(max(good, default=0)) + 1)]


def _counts_from_one(labels: np.ndarray, n_classes: int) -> bool:
    return labels.dtype.kind in "iuf" and labels.min() == 1 and labels.max() == n_classes


def _of_one_hot(labels: np.ndarray) -> np.ndarray:
    wrong = [] if labels.dtype.kind in "iufb" else [0]
    if not wrong:
        wrong = np.flatnonzero(((labels != 0) & (labels != 1)).any(axis=1) | (labels.sum(axis=1) != 1)).tolist()
    if wrong:
        row = labels[wrong[0]].tolist()
        raise DataError(
            f"{NAME}: labels of shape {labels.shape} are not one-hot: row {wrong[0]} is {some(row, 8)}. One class an "
            "image is needed, a number or a name; several classes an image are not learnt"
        )
    return labels.argmax(axis=1)


def _of_names(labels: np.ndarray, vocab: Sequence[str] | None, given: Any) -> tuple[np.ndarray, list[str]]:
    if missing := [row for row, label in enumerate(given) if not isinstance(label, (str, bytes))]:
        raise DataError(f"{NAME}: {len(missing)} label(s) are no names, in the rows {some(missing)}; leave them out")
    names = list(vocab) if vocab is not None else sorted(set(labels.tolist()))
    one_name_each([(name, "") for name in names])
    unknown = sorted(set(labels.tolist()) - set(names))
    if unknown:
        raise DataError(
            f"{NAME}: label(s) {some(list(map(repr, unknown)))} are not among the classes {some(names, 10)}"
        )
    codes = {name: code for code, name in enumerate(names)}
    return np.array([codes[label] for label in labels.tolist()], dtype=np.int64), names


def bad_labels(labels: np.ndarray, n_classes: int | None) -> list[Fault]:
    """A fault for each label that is no class number; -1 (unlabelled) is left to who needs labels.

    n_classes: how many classes there are; None when the labels themselves say so.
    """
    if labels.dtype.kind in "iub" and n_classes is None and (labels.size == 0 or labels.min() >= UNLABELLED):
        return []
    try:
        values = labels.astype(np.float64)
    except (TypeError, ValueError):
        return []  # `whole_numbers` names what they are
    most = np.inf if n_classes is None else n_classes - 1
    right = np.isfinite(values) & (values == np.floor(values)) & (values >= UNLABELLED) & (values <= most)
    known = "a class number" if n_classes is None else f"in 0..{n_classes - 1}"
    return [Fault("labels", f"label {labels[row]} is not {known}", f"row {row}") for row in np.flatnonzero(~right)]
