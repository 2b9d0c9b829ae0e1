"""A file of many images: .npy, .npz, or a pickle of a dict, as competitions hand them out; nothing in it is run."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.classify.arrays import as_codes, as_pixels
from learnerkit.classify.cifar import PLANE
from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError
from learnerkit.core.text import some
from learnerkit.core.unpickle import load_set_pickle
from learnerkit.data.source import UNLABELLED

PIXELS = ("data", "images", "x", "x_test", "test_images", "arr_0", "features")
LABELS = ("labels", "label", "y", "y_test", "test_labels", "targets", "target", "fine_labels", "classes", "arr_1")
IDS = ("ids", "id", "names", "filenames", "files")
PICKLES = frozenset({".pkl", ".pickle", ".p", ".bin", ""})


def is_packed(path: Path) -> bool:
    """Whether a file is one that `read_packed` reads, by its name."""
    return path.is_file() and path.suffix.lower() in PICKLES | {".npy", ".npz"}


def read_packed(path: Path, vocab: list[str]) -> ImageSource:
    """The images of a file, their labels and ids where it has them; without labels every label is -1.

    path: .npy of images; .npz, or a pickled dict, with images (`PIXELS`) and, if it likes, labels and ids: keys in any
        case. Images are [N,H,W], [N,H,W,C], [N,C,H,W], or rows of a square picture: 3 planes (CIFAR's) or 1.
    vocab: class names that the labels are numbers of, or names among.
    """
    content = {str(key).lower(): value for key, value in _content(path).items()}
    given_keys = list(content)
    key = next((name for name in PIXELS if name in content), None)
    if key is None:
        raise DataError(f"{path}: has the keys {some(list(content), 8)}; images are needed as {', '.join(PIXELS[:4])}")
    try:
        pixels, notes = as_pixels(_pictures(np.asarray(content[key])))
        if np.ndim(content[key]) == 2 and np.shape(content[key])[1] != PLANE:
            notes.append("rows are taken as planes, one channel after another, as CIFAR's are")
        aside = [name for name in given_keys if name in PIXELS and name != key]
        notes += [f"its images are '{key}'; {some(aside)} left out"] if aside else []
        given = next((content[name] for name in LABELS if name in content), None)
        codes, faults = np.full(len(pixels), UNLABELLED), []
        if given is not None:
            codes, _, said, faults = as_codes(given, len(pixels), vocab)
            notes += said
        if faults:
            raise DataError(f"{len(faults)} label(s) are wrong: {some(faults)}")
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    ids = next((content[name] for name in IDS if name in content), range(len(pixels)))
    if len(set(map(str, ids))) != len(pixels):
        notes.append("its ids are not one each; images are called by their row")
        ids = range(len(pixels))
    return ImageSource(path.name, pixels, codes, vocab, [str(name) for name in ids], notes=notes)


def _content(path: Path) -> dict[str, Any]:
    try:
        if path.suffix.lower() in (".npy", ".npz"):
            loaded = np.load(path, allow_pickle=False)
            return {"data": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
        return load_set_pickle(path.read_bytes(), str(path))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        why = "it holds Python objects, which are never loaded" if "pickle" in str(error).lower() else str(error)
        remedy = "save plain arrays: np.savez(file, data=..., labels=...)"
        raise DataError(f"{path}: cannot be read: {why}; {remedy}") from error


def _pictures(data: np.ndarray) -> np.ndarray:
    """Rows of flattened square pictures as pictures; everything else as it is."""
    if data.ndim != 2:
        return data
    for channels in (3, 1):
        side = round((data.shape[1] / channels) ** 0.5)
        if channels * side * side == data.shape[1]:
            return data.reshape(-1, channels, side, side)
    raise DataError(f"rows of {data.shape[1]:,} numbers are no square pictures; give [N,H,W,C] or [N,C,H,W]")
