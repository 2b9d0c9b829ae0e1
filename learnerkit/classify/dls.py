"""The calls that a script begins with: `cifar_dls`, `digits_dls`, `folder_dls`, `array_dls`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from learnerkit.classify.arrays import array_source
from learnerkit.classify.cifar import LAYOUTS, read_cifar
from learnerkit.classify.digits import read_digits
from learnerkit.classify.download import fetch_cifar
from learnerkit.classify.folder import list_folder
from learnerkit.classify.loaders import check_crops, check_labels, image_loaders, sides, stats_of, with_crop
from learnerkit.classify.reading import open_folder
from learnerkit.classify.source import ImageSource
from learnerkit.classify.transforms import augmentations
from learnerkit.core.calls import extends, recorded
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import (
    RESIZE,
    AtLeastOne,
    Count,
    Degrees,
    Factor,
    Flag,
    Lot,
    NotNegative,
    Operations,
    Share,
    Side,
    checked,
)
from learnerkit.data.drawn import draw_balanced
from learnerkit.data.loaders import KitLoaders
from learnerkit.data.parts import parts_of
from learnerkit.data.source import with_views
from learnerkit.data.split import Shares

MARGIN = 8 / 7  # of a picture's side to what is evaluated of it, where random crops are cut out: 256 to 224
Size = Side | tuple[Side, Side]


@checked
def image_dls(
    source: ImageSource,
    bs: AtLeastOne = 128,
    *,
    split: Shares = None,
    split_seed: Lot = 42,
    keeps: Sequence[str] | None = None,
    stats: Literal["fixed", "data"] | None = None,
    size: Size | None = None,
    crop: Count | None = None,
    min_scale: Factor | None = None,
    flip: Flag | None = None,
    rotate: Degrees = 0,
    jitter: Flag | tuple[NotNegative, NotNegative, NotNegative, NotNegative] = False,
    perspective: Share = 0,
    randaugment: Operations | None = None,
    erase: Share = 0,
    cutout: Count = 0,
    sampler: Literal["balanced"] | None = None,
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
    size: side in pixels, or height and width, that the model sees; the set's own when None. The set stays as it is:
        each batch is enlarged on the device, bilinearly, after all augmentation, whose pixels are those of the set.
    crop: zero padding in pixels before a random crop of the original size; 0 for none.
    min_scale: train on random boxes, each brought to the size: of this share of the image's area to all of it, and of
        3/4 to 4/3 in proportion; .35 is usual for photographs. In place of `crop`, which is 0 then; none when None.
    flip: mirror half of the images; None mirrors where the set keeps its classes under a mirror.
    rotate: greatest angle in degrees; 15 is usual.
    jitter: brightness, contrast, saturation, hue; True means (.3, .3, .3, .1).
    perspective: probability; .5 is usual.
    randaugment: number of operations and magnitude (0 to 30), such as (2, 9).
    erase: probability of random erasing; .3 is usual.
    cutout: side of the cut-out square in pixels; 16 is usual.
    sampler: 'balanced' draws each class equally often in training, with replacement, in epochs of the same length; each
        image once an epoch when None.
    limit: only so many images of each part, evenly spaced over it, for quick trials.
    num_workers: processes that decode files, for sets that stream; a resident set needs none.
    device: where the set and its batches live; fastai's default device when None.
    """
    check_labels(source)
    check_crops(crop, min_scale)
    source, flip = with_views(source, keeps, flip)
    seen = sides(size) or source.view or source.shape[1:]
    parts = parts_of(source, bs, split, split_seed, limit, source.labels, source.groups)
    source.stats = stats_of(source, stats, parts)
    operations = augmentations(
        flip, crop or 0, rotate, jitter, perspective, randaugment, erase, cutout, min_scale, seen
    )
    dls = image_loaders(source, parts, operations, device, seen, bs=bs, num_workers=num_workers)
    if sampler == "balanced":
        draw_balanced(dls.train, source.labels[parts.train])
    return dls


@recorded()
@extends(image_dls)
def cifar_dls(
    path: PathLike,
    bs: AtLeastOne = 128,
    *,
    label: Literal["fine", "coarse"] = "fine",
    bad: Literal["refuse", "skip"] = "refuse",
    **kwargs: Any,
) -> KitLoaders:
    """DataLoaders of CIFAR-10 or CIFAR-100, with mirror and random crop (4 pixels of padding) by default.

    path: the official python folder or archive, or 'cifar10' or 'cifar100' to download the official archive once.
    bs: images a batch.
    label: 'fine' (100 classes) or 'coarse' (20), for CIFAR-100.
    bad: what to do with bad rows and files: 'refuse' lists them all, 'skip' trains without them and lists them in the
        run's quarantine.csv.

    Examples:
        >>> dls = cifar_dls("data/cifar-10-batches-py", bs=128, randaugment=(2, 9))  # doctest: +SKIP
        >>> cifar_dls("nowhere")
        Traceback (most recent call last):
        learnerkit.core.errors.DataError: nowhere: ...
    """
    if str(path) in LAYOUTS and not Path(path).exists():
        path = fetch_cifar(str(path))
    if not Path(path).exists():
        raise DataError(
            f"{path}: no such file or folder. Give the official CIFAR folder or archive, or 'cifar10' or 'cifar100' to "
            "download one."
        )
    return image_dls(read_cifar(path, label, bad), bs, **with_crop(kwargs, 4))


@recorded()
@extends(image_dls)
def digits_dls(bs: AtLeastOne = 64, *, size: Size = 32, **kwargs: Any) -> KitLoaders:
    """DataLoaders of the embedded handwritten digits (1,257 train, 270 valid, 270 test); needs no download.

    A mirror is refused: it turns a digit into another class. A random crop (2 pixels of padding) is the default.

    bs: images a batch.
    size: side in pixels, or height and width; above 32 they are kept at 32, and each batch is enlarged.

    Examples:
        >>> dls = digits_dls(bs=64, limit=200)
        >>> dls.split.counts["train"]
        200
        >>> dls.one_batch()[0].shape
        torch.Size([64, 1, 32, 32])
    """
    return image_dls(read_digits(size), bs, size=size, **with_crop(kwargs, 2))


@recorded()
@extends(image_dls)
def folder_dls(
    path: PathLike,
    bs: AtLeastOne = 128,
    *,
    size: Size | None = None,
    resize: RESIZE = "crop",
    cache: Literal["auto", "memory", "disk", "stream"] = "auto",
    vocab: Sequence[str] | None = None,
    parts: PathLike | None = None,
    bad: Literal["refuse", "skip"] = "refuse",
    min_scale: Factor | None = None,
    **kwargs: Any,
) -> KitLoaders:
    """DataLoaders of a folder of class folders, with train/, valid/ and test/ above them or without, or of pictures
    with a table (.csv, .tsv) of file, label and part.

    A random crop (4 pixels of padding) and a mirror are the default.

    path: the folder.
    bs: images a batch.
    size: side in pixels, or height and width, that all images are brought to; needed when they differ or when they are
        not kept in memory.
    resize: how: 'crop' takes the middle, 'pad' puts black bars around the whole, 'squish' changes the proportions.
    cache: where the decoded images are kept: in 'memory'; on 'disk', as a memory-mapped file of $LEARNERKIT_HOME or
        ~/.cache/learnerkit that the first call writes; nowhere: 'stream' decodes them in each epoch. 'auto' takes the
        first that has room, of memory up to 4 GiB and half of what is free, and says which.
    vocab: class names in label order; the sorted folder names when None.
    parts: the table, or its name in the folder; one that lies there when None. Its columns are file, and label, part or
        both; what it does not list is left out, what it says wrongly is refused.
    bad: what to do with bad files: 'refuse' lists them all, 'skip' trains without them and lists them in the run's
        quarantine.csv.
    min_scale: train on random boxes, each brought to the size: of this share of a picture's area to all of it, and of
        3/4 to 4/3 in proportion; .35 is usual. Pictures are kept at 8/7 of the size then, and measured by their middle.
        In place of `crop`, which is 0 then; none when None.

    Examples:
        >>> import numpy as np, os
        >>> from PIL import Image
        >>> for number in range(40):
        ...     os.makedirs(folder := f"pictures/{'ab'[number % 2]}", exist_ok=True)
        ...     Image.fromarray(np.random.randint(0, 256, (20, 16, 3), np.uint8)).save(f"{folder}/{number}.png")
        >>> folder_dls("pictures", bs=8, size=16).vocab
        ['a', 'b']
    """
    check_crops(kwargs.get("crop"), min_scale)
    size = sides(size)
    margin = size is not None and min_scale is not None
    kept = tuple(round(side * MARGIN) for side in size) if margin else size
    source = open_folder(list_folder(Path(path), vocab, parts), kept, resize, cache, bad)
    source.view = size if margin else None
    return image_dls(source, bs, **with_crop({**kwargs, "min_scale": min_scale}, 4))


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

    Examples:
        >>> import numpy as np
        >>> images, labels = np.random.randint(0, 256, (40, 16, 16)), np.arange(40) % 2
        >>> dls = array_dls(images, labels, bs=8, vocab=["cat", "dog"])
        >>> dls.split.counts
        {'train': 28, 'valid': 6, 'test': 6}
    """
    return image_dls(array_source(images, labels, vocab, bad), bs, **kwargs)
