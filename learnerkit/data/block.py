"""From an ImageSource to DataLoaders through fastai's DataBlock."""

from collections.abc import Callable, Sequence, Sized
from numbers import Integral
from typing import Any

import numpy as np
import torch
from fastai.data.block import DataBlock, TransformBlock
from fastai.data.core import DataLoaders, TfmdDL
from fastai.torch_core import default_device
from torch import Tensor

from learnerkit.core.errors import DataError
from learnerkit.data.copies import warn_of_copies_across
from learnerkit.data.folder import FileImages
from learnerkit.data.resident import ResidentDL
from learnerkit.data.source import UNLABELLED, ImageSource
from learnerkit.data.split import Split, checked, make_split
from learnerkit.data.transforms import AsImage, Augment, AugmentFloat, FileRows, ImageRows, LabelRows, NormalizeBytes
from learnerkit.ops.augment import ColorJitter, Cutout, Erase, Flip, Perspective, RandomCrop, Rotate
from learnerkit.ops.randaugment import RandAugment

Operation = Callable[[Tensor], Tensor]


def CifarBlock(source: ImageSource | None = None, shape: tuple[int, int, int] = (3, 32, 32)) -> TransformBlock:
    """A block of small images for one's own DataBlock; brings the resident loader with it.

    source: the set whose row numbers are the items; without one the items are paths, PIL images or uint8 arrays. A set
        of files that does not fit in memory brings fastai's streaming loader instead.
    shape: channels, height and width, for items without a source.
    """

    if source is None:
        return TransformBlock(type_tfms=AsImage(shape), dl_type=ResidentDL)
    if isinstance(source.images, FileImages):
        return TransformBlock(type_tfms=FileRows(source.images), dl_type=TfmdDL)
    return TransformBlock(type_tfms=ImageRows(source.images), dl_type=ResidentDL)


def LabelBlock(source: ImageSource) -> TransformBlock:
    """The block of class labels that goes with `CifarBlock(source)`."""
    return TransformBlock(type_tfms=LabelRows(source.labels, source.vocab))


class ImageLoaders(DataLoaders):
    """DataLoaders with a test part and the facts about the set that runs record.

    source: the set; `split`: who is in which part; `recipe`: the call that made it, when its arguments are plain.
    """

    source: ImageSource
    split: Split
    recipe: dict | None = None

    @property
    def test(self) -> ResidentDL:
        """The loader of the test part; DataError when the set has none."""
        if len(self.loaders) < 3:
            raise DataError(f"{self.source.name}: has no test part")
        return self.loaders[2]

    def batch_ids(self, dl: TfmdDL, number: int) -> list[str]:
        """Names of the images in batch `number` (from 0) of the pass over `dl` that is under way."""
        order = getattr(dl, "order_of_pass", None) or list(getattr(dl, "_DataLoader__idxs", []))
        items = [dl.items[place] for place in order[number * dl.bs : (number + 1) * dl.bs]]
        return [self.source.ids[item] if isinstance(item, Integral) else str(item) for item in items]

    def ids(self, part: str) -> list[str]:
        """Names of the images of 'train', 'valid' or 'test', in the order of that loader without shuffling."""
        return [self.source.ids[row] for row in getattr(self.split, part)]


def augmentations(
    source: ImageSource,
    crop: int = 0,
    flip: bool | None = None,
    rotate: float = 0,
    jitter: bool | Sequence[float] = False,
    perspective: float = 0,
    randaugment: Sequence[int] | None = None,
    erase: float = 0,
    cutout: int = 0,
) -> list[Operation]:
    """The operations of `image_dls` arguments, in the order in which they are applied.

    Raises DataError when an operation turns an image of this set into another class.
    """
    if flip and "mirror" not in source.keeps:
        raise DataError(
            f"flip=True: {source.name} does not keep its classes under a mirror (it keeps: {', '.join(source.keeps)}); "
            "leave flip out"
        )
    flip = "mirror" in source.keeps if flip is None else flip
    jitter = ((0.3, 0.3, 0.3, 0.1) if jitter is True else jitter) or None
    chosen = [
        RandomCrop(crop) if crop else None,
        Flip() if flip else None,
        Rotate(rotate) if rotate else None,
        Perspective(perspective) if perspective else None,
        ColorJitter(*jitter) if jitter else None,
        RandAugment(*randaugment) if randaugment else None,
        Erase(erase) if erase else None,
        Cutout(cutout) if cutout else None,
    ]
    return [operation for operation in chosen if operation is not None]


def image_dls(
    source: ImageSource,
    bs: int = 128,
    valid: float | str = 0.1,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    split_seed: int = 42,
    crop: int = 0,
    flip: bool | None = None,
    rotate: float = 0,
    jitter: bool | Sequence[float] = False,
    perspective: float = 0,
    randaugment: Sequence[int] | None = None,
    erase: float = 0,
    cutout: int = 0,
    limit: int | None = None,
    num_workers: int = 0,
    device: str | torch.device | None = None,
) -> ImageLoaders:
    """DataLoaders of a set in memory: stratified parts, the resident loader, batch augmentation on the train part.

    source: the set.
    bs: images a batch.
    valid: part of the official training images held out for validation; 'test' validates on the test part, for
        comparison with figures published that way, and is marked in the run. Only for sets with official parts.
    fractions: train, valid and test, for sets without official parts.
    split_seed: which lot decides the parts; apart from the training seed.
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
            f"{source.name}: {len(unlabelled)} images have no label, the first is {source.ids[unlabelled[0]]}"
        )
    split = _split(source, valid, fractions, split_seed)
    if not split.valid_is_test:
        warn_of_copies_across(source, split)
    if limit:
        split = checked(split.limited(limit), source.labels)
    if len(split.train) < bs:
        raise DataError(f"{source.name}: {len(split.train)} training images make no batch of {bs}; pass a smaller bs")
    operations = augmentations(source, crop, flip, rotate, jitter, perspective, randaugment, erase, cutout)
    source.stats = source.stats or source.measured_stats(split.train)
    return _loaders(source, split, operations, device, bs=bs, num_workers=num_workers)


def _split(source: ImageSource, valid: float | str, fractions: Sequence[float], split_seed: int) -> Split:
    groups = source.groups if source.groups is not None else source.copies
    try:
        return make_split(source.labels, source.parts, valid, fractions, split_seed, groups)
    except DataError as error:
        if groups is None or source.groups is not None:
            raise
        copies = len(groups) - len(np.unique(groups))
        raise DataError(
            f"{source.name}: {error} {copies} of {len(groups)} images are copies of others; copies stay in one part."
        ) from error


def evaluation_dls(source: ImageSource, bs: int = 128, device: str | torch.device | None = None) -> ImageLoaders:
    """DataLoaders whose train and valid parts are both the whole set, unlabelled sets too: to measure a finished model.

    source: the set, with the statistics that the model was trained with.
    bs: images a batch; device: as in `image_dls`.
    """
    return _loaders(source, whole(source), [], device, bs=bs, drop_last=False)


def whole(source: Sized) -> Split:
    """The split whose train and valid parts are both the whole set."""
    rows = np.arange(len(source))
    return Split(rows, rows, rows[:0])


def _loaders(
    source: ImageSource, split: Split, operations: list[Operation], device: str | torch.device | None, **kwargs: Any
) -> ImageLoaders:
    batch_tfms = [
        Augment([op for op in operations if not op.on_float]),
        NormalizeBytes(*source.stats),
        AugmentFloat([op for op in operations if op.on_float]),
    ]
    parts = [rows for rows in (split.train, split.valid, split.test) if len(rows)]
    block = DataBlock(blocks=(CifarBlock(source), LabelBlock(source)), splitter=lambda _: parts, batch_tfms=batch_tfms)
    datasets = block.datasets(list(range(len(source))))
    datasets._dbunch_type = ImageLoaders
    loaders = datasets.dataloaders(
        **kwargs,
        after_item=block.item_tfms,
        after_batch=block.batch_tfms,
        device=torch.device(device or default_device()),
    )
    loaders.source, loaders.split = source, split
    return loaders
