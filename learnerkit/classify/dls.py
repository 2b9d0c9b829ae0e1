"""The calls that a script begins with: `cifar_dls`, `digits_dls`, `folder_dls`, `array_dls`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from learnerkit.classify.arrays import array_source
from learnerkit.classify.blocks import LabelBlock, rows_block
from learnerkit.classify.cifar import LAYOUTS, read_cifar
from learnerkit.classify.digits import read_digits
from learnerkit.classify.download import fetch_cifar
from learnerkit.classify.folder import list_folder, read_folder, stream_folder
from learnerkit.classify.source import ImageSource
from learnerkit.classify.transforms import (
    Augment,
    AugmentFloat,
    NormalizeBytes,
    Operation,
    augmentations,
)
from learnerkit.core.calls import extends, recorded
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import AtLeastOne, Count, Degrees, Flag, Lot, NotNegative, Operations, Share, Side, checked
from learnerkit.data.loaders import KitLoaders, make_loaders
from learnerkit.data.parts import parts_of
from learnerkit.data.source import UNLABELLED, Stats, with_views
from learnerkit.data.split import Shares, Split

NAME = "classify"
RESIDENT_BYTES = 4 * 2**30


@checked
def image_dls(
    source: ImageSource,
    bs: AtLeastOne = 128,
    *,
    split: Shares = None,
    split_seed: Lot = 42,
    keeps: Sequence[str] | None = None,
    stats: Literal["fixed", "data"] | None = None,
    crop: Count = 0,
    flip: Flag | None = None,
    rotate: Degrees = 0,
    jitter: Flag | tuple[NotNegative, NotNegative, NotNegative, NotNegative] = False,
    perspective: Share = 0,
    randaugment: Operations | None = None,
    erase: Share = 0,
    cutout: Count = 0,
    limit: AtLeastOne | None = None,
    num_workers: Count = 0,
    device: str | torch.device | None = None,
) -> KitLoaders:
    """DataLoaders of a set in memory: stratified parts, the resident loader, batch augmentation on the train part.

    source: the set.
    bs: images a batch.
    split: three shares (train, valid, test) that sum to 1, for a set that names no parts; (.7, .15, .15) when None. Two
        (train, valid) divide the official training part and keep the official test part; (.9, .1) when None. 'test'
        validates on the test part, for comparison with figures published that way, and marks the run.
    split_seed: which lot decides the parts; apart from the training seed.
    keeps: views that keep the class: 'mirror', 'shift'; what the set says of itself when None. Leave 'mirror' out for
        letters, digits, left and right.
    stats: what images are normalised with: 'fixed', the published figures of the set, or 'data', those of the training
        part; None takes the published ones where there are any.
    crop: zero padding in pixels before a random crop of the original size; 0 for none.
    flip: mirror half of the images; None mirrors where the set keeps its classes under a mirror.
    rotate: greatest angle in degrees; 15 is usual.
    jitter: brightness, contrast, saturation, hue; True means (.3, .3, .3, .1).
    perspective: probability; .5 is usual.
    randaugment: number of operations and magnitude (0 to 30), such as (2, 9).
    erase: probability of random erasing; .3 is usual.
    cutout: side of the cut-out square in pixels; 16 is usual.
    limit: only so many images of each part, evenly spaced over it, for quick trials.
    num_workers: processes that decode files, for sets that stream; a resident set needs none.
    device: where the set and its batches live; fastai's default device when None.
    """
    unlabelled = np.flatnonzero(source.labels == UNLABELLED)
    if len(unlabelled):
        raise DataError(
            f"{source.name}: {len(unlabelled)} images have no label (-1), the first is {source.ids[unlabelled[0]]}"
        )
    source, flip = with_views(source, keeps, flip)
    parts = parts_of(source, bs, split, split_seed, limit, source.labels, source.groups)
    source.stats = _stats(source, stats, parts)
    operations = augmentations(flip, crop, rotate, jitter, perspective, randaugment, erase, cutout)
    return _loaders(source, parts, operations, device, bs=bs, num_workers=num_workers)


def _stats(source: ImageSource, stats: str | None, parts: Split) -> Stats:
    if stats == "fixed" and source.stats is None:
        raise DataError(f"stats='fixed': no figures are published for {source.name}; 'data' measures its training part")
    return source.measured_stats(parts.train) if stats == "data" or source.stats is None else source.stats


def evaluation_dls(source: ImageSource, split: Split, bs: int = 128) -> KitLoaders:
    """DataLoaders of given parts without augmentation, unlabelled sets too: to measure a finished model.

    source: the set, with the statistics that the model was trained with; split: such as `data.loaders.whole(source)`.
    bs: images a batch.
    """
    return _loaders(source, split, [], None, bs=bs, drop_last=False)


def _loaders(
    source: ImageSource, split: Split, operations: list[Operation], device: str | torch.device | None, **kwargs: Any
) -> KitLoaders:
    batch_tfms = [
        Augment([op for op in operations if not op.on_float]),
        NormalizeBytes(*source.stats),
        AugmentFloat([op for op in operations if op.on_float]),
    ]
    blocks = rows_block(source), LabelBlock(source)
    return make_loaders(NAME, source, split, blocks, batch_tfms=batch_tfms, device=device, **kwargs)


@recorded()
@extends(image_dls, crop=4)
def cifar_dls(
    path: PathLike,
    bs: AtLeastOne = 128,
    *,
    label: Literal["fine", "coarse"] = "fine",
    bad: Literal["refuse", "skip"] = "refuse",
    **kwargs: Any,
) -> KitLoaders:
    """DataLoaders of CIFAR-10 or CIFAR-100, with random crop and mirror by default.

    path: the official python folder or archive, or 'cifar10' or 'cifar100' to download the official archive once.
    bs: images a batch.
    label: 'fine' (100 classes) or 'coarse' (20), for CIFAR-100.
    bad: what to do with bad rows and files: 'refuse' lists them all, 'skip' trains without them and lists them in the
        run's quarantine.csv.
    """
    if str(path) in LAYOUTS and not Path(path).exists():
        path = fetch_cifar(str(path))
    if not Path(path).exists():
        raise DataError(
            f"{path}: no such file or folder. Give the official CIFAR folder or archive, or 'cifar10' or 'cifar100' to "
            "download one."
        )
    return image_dls(read_cifar(path, label, bad), bs, **kwargs)


@recorded()
@extends(image_dls, crop=2)
def digits_dls(bs: AtLeastOne = 64, *, size: Side = 32, **kwargs: Any) -> KitLoaders:
    """DataLoaders of the embedded handwritten digits (1,257 train, 270 valid, 270 test); needs no download.

    A mirror is refused: it turns a digit into another class.

    bs: images a batch.
    size: side in pixels.
    """
    return image_dls(read_digits(size), bs, **kwargs)


@recorded()
@extends(image_dls, crop=4)
def folder_dls(
    path: PathLike,
    bs: AtLeastOne = 128,
    *,
    size: Side | tuple[Side, Side] | None = None,
    vocab: Sequence[str] | None = None,
    resident: Flag | None = None,
    bad: Literal["refuse", "skip"] = "refuse",
    **kwargs: Any,
) -> KitLoaders:
    """DataLoaders of a folder of class folders, with train/, valid/ and test/ above them or without.

    path: the folder.
    bs: images a batch.
    size: height and width in pixels that all images are resized to; needed when they differ or when they stream.
    vocab: class names in label order; the sorted folder names when None.
    resident: keep the decoded set in memory; None does so up to 4 GiB.
    bad: what to do with bad files: 'refuse' lists them all, 'skip' trains without them and lists them in the run's
        quarantine.csv.
    """
    listing = list_folder(Path(path), vocab)
    size = (size, size) if isinstance(size, int) else tuple(size) if size is not None else None
    if resident is None:
        resident = size is None or len(listing.files) * 3 * size[0] * size[1] <= RESIDENT_BYTES
    if not resident and size is None:
        raise DataError(f"{path}: resident=False streams the files and needs size=, the height and width of the batch")
    source = read_folder(listing, size, bad) if resident else stream_folder(listing, size, bad)
    return image_dls(source, bs, **kwargs)


@recorded()
@extends(image_dls)
def array_dls(
    images: Any,
    labels: Any,
    bs: AtLeastOne = 128,
    *,
    vocab: Sequence[str] | None = None,
    bad: Literal["refuse", "skip"] = "refuse",
    **kwargs: Any,
) -> KitLoaders:
    """DataLoaders of arrays in memory; images are mirrored where `flip` or `keeps` says that classes survive it.

    images: array or tensor [N,H,W], [N,H,W,C] or [N,C,H,W] of 1 to 16 channels, whole numbers 0 to 255 or floats in
        0..1; or a list, or a table's column, of PIL images, paths or arrays of one shape.
    labels: class numbers or names [N] or [N,1], or one-hot [N,K]; any of the same kinds.
    bs: images a batch.
    vocab: class names in the order of their numbers; the labels themselves without them.
    bad: what to do with rows whose label is no class number: 'refuse' lists them all, 'skip' trains without them.
    """
    return image_dls(array_source(images, labels, vocab, bad), bs, **kwargs)
