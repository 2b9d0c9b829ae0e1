"""From a FrameSource to DataLoaders whose batches are (frames, sizes, boxes), through fastai's DataBlock."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from fastai.data.block import DataBlock, TransformBlock
from fastai.data.core import DataLoaders
from fastai.torch_core import default_device

from learnerkit.core.errors import DataError
from learnerkit.data.block import ImageLoaders
from learnerkit.data.copies import warn_of_copies_across
from learnerkit.data.detection import FrameSource
from learnerkit.data.detection_augment import AugmentFrames
from learnerkit.data.detection_dl import DetectionDL
from learnerkit.data.detection_split import split_frames
from learnerkit.data.detection_transforms import BoxRows, DropModality, FrameRows, NormalizeFrames
from learnerkit.data.split import Split

RGB_STATS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LEAST_SIZE = 32  # pixels of the longer side
OTHER_STATS = (0.5, 0.5)  # mean and deviation of any further channel


def MultispectralBlock(source: FrameSource, size: int | None = None) -> TransformBlock:
    """The block of frames of any number of channels, for one's own DataBlock; brings the loader that pads batches.

    source: the set whose row numbers are the items; size: the longer side in pixels, None for as stored.
    """
    return TransformBlock(type_tfms=FrameRows(source, size), dl_type=DetectionDL)


def BoxBlock(source: FrameSource, size: int | None = None) -> TransformBlock:
    """The block of boxes that goes with `MultispectralBlock(source, size)`."""
    return TransformBlock(type_tfms=BoxRows(source, size))


def frame_dls(
    source: FrameSource,
    bs: int = 2,
    split: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 42,
    size: int | None = None,
    stats: str = "fixed",
    flip: bool | None = None,
    iou_crop: float = 0.0,
    scale_jitter: float = 0.0,
    colour: float = 0.0,
    modality_dropout: float = 0.0,
    limit: int | None = None,
    num_workers: int = 0,
    device: str | torch.device | None = None,
) -> ImageLoaders:
    """DataLoaders of a detection set: batches of padded frames [B,C,H,W], their sizes [B,2] and boxes [B,M,5].

    source: the set.
    bs: frames a batch.
    split: train, valid and test, summing to 1, for sets whose files give no parts.
    seed: which lot decides the parts; apart from the training seed.
    size: the longer side in pixels that frames are resized to, the aspect kept; as they are stored when None.
    stats: what frames are normalised with: 'fixed' (ImageNet's figures for RGB, .5 and .5 for further channels), or
        'data', from the training part.
    flip: mirror half of the frames; None does where the set keeps its classes under a mirror.
    iou_crop: probability of a random crop that keeps a share of the boxes.
    scale_jitter: greatest change of the scale, .2 for .8 to 1.25 times.
    colour: probability that the colours of the RGB channels are changed.
    modality_dropout: probability that a channel behind RGB is put to its mean.
    limit: only so many frames of each part, for quick trials.
    num_workers: processes that read and augment frames; the batches are the same with any number of them.
    device: where batches are put; fastai's default device when None.
    """
    if size is not None and not isinstance(size, int):
        raise DataError(f"size={size}: one number of pixels is needed, of the longer side; frames keep their aspect")
    if bs < 1 or (size is not None and size < LEAST_SIZE):
        raise DataError(f"bs={bs}, size={size}: bs is 1 or more, size {LEAST_SIZE} pixels or more")
    shares = {"iou_crop": iou_crop, "colour": colour, "modality_dropout": modality_dropout}
    wrong = [f"{name}={value}" for name, value in shares.items() if not 0 <= value <= 1]
    if wrong or not 0 <= scale_jitter < 1:
        given = ", ".join(wrong) or f"scale_jitter={scale_jitter}"
        raise DataError(f"{given}: 0 to 1 is needed, scale_jitter below 1")
    if stats not in ("fixed", "data"):
        raise DataError(f"stats='{stats}': 'fixed' or 'data'")
    if flip and "mirror" not in source.keeps:
        raise DataError(f"flip=True: {source.name} does not keep its classes under a mirror (keeps={source.keeps})")
    parts = split_frames(source, split, seed, limit)
    warn_of_copies_across(source, parts)
    if len(parts.train) < bs:
        raise DataError(f"{source.name}: {len(parts.train)} training frames make no batch of {bs}; pass a smaller bs")
    source = copy.copy(source)  # another call may normalise otherwise
    source.stats = source.measured_stats(parts.train) if stats == "data" else fixed_stats(source.channels)
    mirror = "mirror" in source.keeps if flip is None else flip
    item_tfms = (
        [AugmentFrames(mirror, iou_crop, scale_jitter, colour)] if mirror or iou_crop or scale_jitter or colour else []
    )
    if modality_dropout and not source.modalities:
        raise DataError(f"modality_dropout: {source.name} has no channel behind its colours to be dropped")
    batch_tfms = []
    if modality_dropout:
        batch_tfms = [DropModality(modality_dropout, channel_means(source, parts.train), source.colours)]
    return frame_loaders(source, parts, size, item_tfms, batch_tfms, device, bs=bs, num_workers=num_workers)


def channel_means(source: FrameSource, rows: np.ndarray) -> list[float]:
    """The mean of each channel over some frames, at most 100, normalised: what says nothing about a frame."""
    measured, _ = source.measured_stats(rows[:: max(1, len(rows) // 100)])
    return [(value - mean) / std for value, mean, std in zip(measured, *source.stats, strict=True)]


def fixed_stats(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """ImageNet's mean and std for the first three of three or more channels, .5 and .5 for every other."""
    n_rgb = 3 if channels >= 3 else 0
    mean, std = (
        values[:n_rgb] + (other,) * (channels - n_rgb) for values, other in zip(RGB_STATS, OTHER_STATS, strict=True)
    )
    return mean, std


def frame_loaders(
    source: FrameSource,
    split: Split,
    size: int | None,
    item_tfms: list,
    batch_tfms: list,
    device: str | torch.device | None,
    **kwargs: Any,
) -> ImageLoaders:
    """DataLoaders of the given parts.

    size: see `frame_dls`; item_tfms, batch_tfms: augmentation; kwargs: of fastai's dataloaders.
    """
    rows = [part for part in (split.train, split.valid, split.test) if len(part)]
    block = DataBlock(
        blocks=(MultispectralBlock(source, size), BoxBlock(source, size)),
        splitter=lambda _: rows,
        item_tfms=item_tfms,
        batch_tfms=[NormalizeFrames(*source.stats), *batch_tfms],
    )
    datasets = block.datasets(list(range(len(source))))
    datasets._dbunch_type = ImageLoaders
    loaders: DataLoaders = datasets.dataloaders(
        **kwargs,
        after_item=block.item_tfms,
        after_batch=block.batch_tfms,
        device=torch.device(device or default_device()),
    )
    loaders.source, loaders.split, loaders.size = source, split, size
    for dl in loaders.loaders:
        dl.modalities = source.modalities  # named where they are shown
    return loaders
