"""The calls that a script begins with: `cifar_dls`, `digits_dls`, `folder_dls`."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from fastcore.meta import delegates

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.record import record_call
from learnerkit.data.block import ImageLoaders, image_dls
from learnerkit.data.box_labels import POLICIES
from learnerkit.data.cifar import LAYOUTS, read_cifar
from learnerkit.data.detection import read_detection
from learnerkit.data.detection_block import frame_dls
from learnerkit.data.digits import read_digits
from learnerkit.data.download import fetch_cifar
from learnerkit.data.folder import list_folder, read_folder, stream_folder
from learnerkit.data.pair_block import pair_dls
from learnerkit.data.pairs import read_pairs
from learnerkit.data.source import ImageSource, array_source

RESIDENT_BYTES = 4 * 2**30


def recorded(function: Callable[..., ImageLoaders]) -> Callable[..., ImageLoaders]:
    """Keep the call on the loaders it returns, for the run's recipe."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> ImageLoaders:
        dls = function(*args, **kwargs)
        dls.recipe = record_call(function, args, kwargs)
        return dls

    return call


@recorded
@delegates(image_dls, but=["fractions"])
def cifar_dls(
    path: PathLike, bs: int = 128, label: str = "fine", crop: int = 4, skip_bad: bool = False, **kwargs: Any
) -> ImageLoaders:
    """DataLoaders of CIFAR-10 or CIFAR-100, with random crop and mirror by default.

    path: the official python folder or archive, or 'cifar10' or 'cifar100' to download the official archive once.
    bs: images a batch.
    label: 'fine' (100 classes) or 'coarse' (20), for CIFAR-100.
    crop: zero padding in pixels before the random crop; 0 for none.
    skip_bad: train without bad rows and files, listed in the run's quarantine.csv, instead of refusing them.
    kwargs: see `image_dls`.
    """
    if str(path) in LAYOUTS and not Path(path).exists():
        path = fetch_cifar(str(path))
    if not Path(path).exists():
        raise DataError(
            f"{path}: no such file or folder. Give the official CIFAR folder or archive, or 'cifar10' or 'cifar100' to "
            "download one."
        )
    return image_dls(read_cifar(Path(path), label, skip_bad), bs, crop=crop, **kwargs)


@recorded
@delegates(image_dls)
def digits_dls(bs: int = 64, size: int = 32, crop: int = 2, **kwargs: Any) -> ImageLoaders:
    """DataLoaders of the embedded handwritten digits (1,257 train, 270 valid, 270 test); needs no download.

    bs: images a batch.
    size: side in pixels.
    crop: zero padding in pixels before the random crop; 0 for none.
    kwargs: see `image_dls`. A mirror is refused: it turns a digit into another class.
    """
    return image_dls(read_digits(size), bs, crop=crop, **kwargs)


@recorded
@delegates(image_dls)
def folder_dls(
    path: PathLike,
    bs: int = 128,
    size: int | Sequence[int] | None = None,
    vocab: Sequence[str] | None = None,
    crop: int = 4,
    keeps: Sequence[str] = ("mirror", "shift"),
    resident: bool | None = None,
    skip_bad: bool = False,
    **kwargs: Any,
) -> ImageLoaders:
    """DataLoaders of a folder of class folders, with train/, valid/ and test/ above them or without.

    path: the folder.
    bs: images a batch.
    size: height and width in pixels that all images are resized to; needed when they differ or when they stream.
    vocab: class names in label order; the sorted folder names when None.
    crop: zero padding in pixels before the random crop; 0 for none.
    keeps: views that keep the class: 'mirror', 'shift'. Leave 'mirror' out for letters, digits, left and right.
    resident: keep the decoded set in memory; None does so up to 4 GiB.
    skip_bad: train without bad files, listed in the run's quarantine.csv, instead of refusing them.
    kwargs: see `image_dls`.
    """
    listing = list_folder(Path(path), vocab)
    size = (size, size) if isinstance(size, int) else tuple(size) if size is not None else None
    if resident is None:
        resident = size is None or len(listing.files) * 3 * size[0] * size[1] <= RESIDENT_BYTES
    if not resident and size is None:
        raise DataError(f"{path}: resident=False streams the files and needs size=, the height and width of the batch")
    source = read_folder(listing, size, skip_bad) if resident else stream_folder(listing, size, skip_bad)
    source.keeps = tuple(keeps)
    return image_dls(source, bs, crop=crop, **kwargs)


@recorded
@delegates(pair_dls)
def saliency_dls(
    path: PathLike,
    bs: int = 64,
    split: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 42,
    layer: str | None = None,
    keeps: Sequence[str] = ("shift",),
    skip_bad: bool = False,
    cache: PathLike | None = None,
    num_workers: int | None = None,
    **kwargs: Any,
) -> ImageLoaders:
    """DataLoaders of pairs of maps: a folder of .pt files, flat, in class folders, or below {early,middle,late}_layers.

    A file holds saliency_maps and cross_attention_maps, float [C,H,W], and class_id. The first call packs the files
    into one memory-mapped array; later ones open it.

    path: the folder.
    bs: pairs a batch.
    split: train, valid and test, summing to 1; files of one source image stay in one part.
    seed: which lot decides the parts; apart from the training seed.
    layer: 'early', 'middle' or 'late' alone; all files when None.
    keeps: views that keep the class; add 'mirror' where a mirrored pair is of the same class.
    skip_bad: train without bad files, listed in the run's quarantine.csv, instead of refusing them.
    cache: where the packed set is written; $LEARNERKIT_HOME or ~/.cache/learnerkit when None.
    num_workers: processes of the first reading; the cores when None.
    kwargs: see `pair_dls`.
    """
    source = read_pairs(Path(path), layer, skip_bad, cache, num_workers)
    source.keeps = tuple(keeps)
    return pair_dls(source, bs, split, seed, **kwargs)


@delegates(image_dls)
def array_dls(
    images: np.ndarray,
    labels: np.ndarray,
    bs: int = 128,
    vocab: Sequence[str] | None = None,
    keeps: Sequence[str] = ("shift",),
    skip_bad: bool = False,
    **kwargs: Any,
) -> ImageLoaders:
    """DataLoaders of arrays in memory.

    images: uint8, [N,H,W], [N,H,W,C] or [N,C,H,W] with C of 1 or 3.
    labels: class indices [N].
    bs: images a batch.
    vocab: class names; '0', '1', ... without them.
    keeps: views that keep the class; add 'mirror' where a mirror image is of the same class.
    skip_bad: train without rows whose label is no class number instead of refusing them.
    kwargs: see `image_dls`.
    """
    source: ImageSource = array_source(images, labels, vocab, skip_bad)
    source.keeps = tuple(keeps)
    return image_dls(source, bs, **kwargs)


@recorded
@delegates(frame_dls)
def detection_dls(
    path: PathLike,
    bs: int = 2,
    split: Sequence[float] = (0.7, 0.1, 0.2),
    size: int | None = None,
    seed: int = 42,
    bad: str = "refuse",
    keeps: Sequence[str] = ("mirror",),
    modalities: Sequence[str] = (),
    **kwargs: Any,
) -> ImageLoaders:
    """DataLoaders of frames with boxes: images/ and labels/ (YOLO), or COCO annotations, of 1 to 16 channels.

    images/*.npy hold uint8, uint16 or float arrays (H, W, C) or (C, H, W); .png, .jpg and .tif hold ordinary images.
    Names come from classes.txt or data.yaml, parts from train.txt, val.txt and test.txt where they are there.

    path: the folder, or an annotation file.
    bs: frames a batch.
    split: train, valid and test, summing to 1, where the files give no parts.
    size: the longer side in pixels that frames are resized to; as they are stored when None.
    seed: which lot decides the parts; apart from the training seed.
    bad: what to do with bad boxes and files: 'refuse' lists them all, 'skip' leaves them out, 'clip' also cuts boxes to
        the image; what was left out or cut is listed in the run's quarantine.csv.
    keeps: views that keep the classes; () where a mirrored object is of another one.
    modalities: names of the channels behind RGB; thermal and event where there are two.
    kwargs: see `frame_dls`.
    """
    if bad not in POLICIES:
        raise DataError(f"bad='{bad}': one of {', '.join(POLICIES)}")
    source = read_detection(Path(path), bad)
    source.keeps = tuple(keeps)
    if modalities:
        behind = source.channels - source.colours
        if len(modalities) != behind:
            raise DataError(f"modalities={list(modalities)}: {path} has {behind} channel(s) behind its colours")
        source.modalities = tuple(modalities)
    return frame_dls(source, bs, split, seed, size, **kwargs)
