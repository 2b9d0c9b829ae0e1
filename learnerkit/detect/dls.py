"""`detection_dls`: from frames with boxes to DataLoaders whose batches are (frames, sizes, boxes)."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from learnerkit._fastai import TransformBlock
from learnerkit.core.calls import extends, recorded
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import AtLeastOne, Count, Flag, FrameSide, Lot, Share, ShareBelowOne, checked
from learnerkit.core.warn import warn
from learnerkit.data.loaders import KitLoaders, make_loaders
from learnerkit.data.parts import parts_of
from learnerkit.data.source import Stats, with_views
from learnerkit.data.split import Shares, Split
from learnerkit.detect.data.augment import AugmentFrames
from learnerkit.detect.data.channels import LOOKED_AT, complaints
from learnerkit.detect.data.deep import called_alpha
from learnerkit.detect.data.loader import DetectionDL
from learnerkit.detect.data.scan import read_detection
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.data.transforms import BoxRows, DropModality, FrameRows, NormalizeFrames

NAME = "detect"
SHARES, HELD_OUT = (0.7, 0.1, 0.2), 0.125  # of all frames; of the training part that the files name
RGB_STATS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # ImageNet's
OTHER_STATS = (0.5, 0.5)  # mean and deviation of any further channel


class FrameLoaders(KitLoaders):
    """DataLoaders of frames; `size`: their longer side in pixels, None for as they are stored."""

    size: int | None

    def facts(self) -> dict[str, Any]:
        """What run.json records of the data."""
        return {**super().facts(), "size": self.size}


@checked
def MultispectralBlock(source: FrameSource, size: FrameSide | None = None) -> TransformBlock:
    """The block of frames of any number of channels, for one's own DataBlock; brings the loader that pads batches.

    source: the set whose row numbers are the items; size: the longer side in pixels, None for as stored.

    Examples:
        >>> from learnerkit.detect.data.scan import read_detection
        >>> source = read_detection(make_digit_scenes("scenes", {"train": 6, "val": 2, "test": 2}))
        >>> block = DataBlock([MultispectralBlock(source), BoxBlock(source)])
        >>> frames, sizes, boxes = block.dataloaders(range(len(source)), bs=4).one_batch()
        >>> frames.shape
        torch.Size([4, 5, 64, 64])
    """
    return TransformBlock(type_tfms=FrameRows(source, size), dl_type=DetectionDL)


@checked
def BoxBlock(source: FrameSource, size: FrameSide | None = None) -> TransformBlock:
    """The block of boxes that goes with `MultispectralBlock(source, size)`.

    source: the set whose row numbers are the items; size: the longer side in pixels, None for as stored.

    Examples:
        >>> from learnerkit.detect.data.scan import read_detection
        >>> source = read_detection(make_digit_scenes("scenes", {"train": 6, "val": 2, "test": 2}))
        >>> block = DataBlock([MultispectralBlock(source), BoxBlock(source)])
        >>> frames, sizes, boxes = block.dataloaders(range(len(source)), bs=4).one_batch()
        >>> boxes.shape[-1]  # left, top, right, bottom, class
        5
    """
    return TransformBlock(type_tfms=BoxRows(source, size))


@checked
def frame_dls(
    source: FrameSource,
    bs: AtLeastOne = 2,
    *,
    split: Shares = None,
    split_seed: Lot = 42,
    keeps: Sequence[str] | None = None,
    stats: Literal["fixed", "data"] = "fixed",
    size: FrameSide | None = None,
    flip: Flag | None = None,
    iou_crop: Share = 0.0,
    scale_jitter: ShareBelowOne = 0.0,
    colour: Share = 0.0,
    modality_dropout: Share = 0.0,
    limit: AtLeastOne | None = None,
    num_workers: Count = 0,
    device: str | torch.device | None = None,
) -> FrameLoaders:
    """DataLoaders of a detection set: batches of padded frames [B,C,H,W], their sizes [B,2] and boxes [B,M,5].

    source: the set.
    bs: frames a batch.
    split: three shares (train, valid, test) that sum to 1, for a set that names no parts; (.7, .1, .2) when None. Two
        (train, valid) divide the training part that the files name; (.875, .125) when None. 'test' validates on the
        test part, and marks the run.
    split_seed: which lot decides the parts; apart from the training seed.
    keeps: views that keep the classes; ('mirror',) when None, () where a mirrored object is of another one.
    stats: what frames are normalised with: 'fixed' (ImageNet's figures for RGB, .5 and .5 for further channels), or
        'data': each channel's range in the training part (its .1 and 99.9 percentiles) is stretched to 0..1, and its
        mean and deviation there are taken; for channels that use a small part of their type's range, as 14 bits of a
        thermal camera in uint16 do. Pictures show what is stretched.
    size: the longer side in pixels that frames are resized to, the aspect kept; as they are stored when None.
    flip: mirror half of the frames; None does where the set keeps its classes under a mirror.
    iou_crop: probability of a random crop that keeps a share of the boxes.
    scale_jitter: greatest change of the scale, .2 for .8 to 1.25 times.
    colour: probability that the colours of the RGB channels are changed.
    modality_dropout: probability that a channel behind RGB is put to its mean.
    limit: only so many frames of each part, for quick trials.
    num_workers: processes that read and augment frames; the batches are the same with any number of them.
    device: where batches are put; fastai's default device when None.
    """
    source, flip = with_views(source, keeps, flip)
    source.notes = [*source.notes, *called_alpha(source.frames[0].files[0])]
    parts = parts_of(source, bs, split, split_seed, limit, default=SHARES, held_out=HELD_OUT, shuffle_valid=False)
    _check_boxes(source, parts)
    _look_at_channels(source, parts.train, stats)
    source.stretch = source.measured_stretch(parts.train) if stats == "data" else None
    source.stats = source.measured_stats(parts.train) if stats == "data" else fixed_stats(source.channels)
    augment = AugmentFrames(flip, iou_crop, scale_jitter, colour)
    batch_tfms = []
    if modality_dropout and not source.modalities:
        raise DataError(f"modality_dropout: {source.name} has no channel behind its colours to be dropped")
    if modality_dropout:
        batch_tfms = [DropModality(modality_dropout, channel_means(source, parts.train), source.colours)]
    item_tfms = [augment] if flip or iou_crop or scale_jitter or colour else []
    return frame_loaders(source, parts, size, item_tfms, batch_tfms, device, bs=bs, num_workers=num_workers)


def _check_boxes(source: FrameSource, parts: Split) -> None:
    """DataError where no box is trained on; a warning where classes stand in valid or test alone."""
    trained = _classes(source, parts.train)
    if not trained:
        raise DataError(f"{source.name}: no box stands on any of the {len(parts.train)} training frames")
    for part in ("valid", "test"):
        strange = sorted(_classes(source, getattr(parts, part)) - trained)
        if strange:
            names = ", ".join(source.vocab[code] for code in strange)
            warn(f"{source.name}: {names}: in {part} but not in train; nothing can learn them")


def _look_at_channels(source: FrameSource, rows: np.ndarray, stats: str) -> None:
    """Warn of channels that hold little, by some training frames, and keep what was said for run.json."""
    uses = source.uses(rows, LOOKED_AT)
    said = complaints(uses, source.channel_names, source.colours, stretched=stats == "data")
    source.notes = [*source.notes, *said]
    for line in said:
        warn(f"{source.name}: {line}")


def _classes(source: FrameSource, rows: np.ndarray) -> set[int]:
    return {int(code) for row in rows for code in source.codes[row]}


def channel_means(source: FrameSource, rows: np.ndarray) -> list[float]:
    """The mean of each channel over some frames, at most 100, normalised: what says nothing about a frame."""
    measured, _ = source.measured_stats(rows[:: max(1, len(rows) // 100)])
    return [(value - mean) / std for value, mean, std in zip(measured, *source.stats, strict=True)]


def fixed_stats(channels: int) -> Stats:
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
    item_tfms: Sequence[Any] = (),
    batch_tfms: Sequence[Any] = (),
    device: str | torch.device | None = None,
    **kwargs: Any,
) -> FrameLoaders:
    """DataLoaders of the given parts.

    size: see `frame_dls`; item_tfms, batch_tfms: augmentation; kwargs: of fastai's dataloaders.
    """
    blocks = MultispectralBlock(source, size), BoxBlock(source, size)
    batch_tfms = [NormalizeFrames(*source.stats), *batch_tfms]
    loaders = make_loaders(
        NAME, source, split, blocks, item_tfms, batch_tfms, device=device, kind=FrameLoaders, **kwargs
    )
    loaders.size = size
    for dl in loaders.loaders:
        dl.modalities = source.modalities  # named where they are shown
    return loaders


@recorded()
@extends(frame_dls)
def detection_dls(
    path: PathLike,
    bs: AtLeastOne = 2,
    *,
    bad: Literal["refuse", "skip", "clip"] = "refuse",
    unlabelled: Literal["refuse", "background", "skip"] = "refuse",
    polygons: Flag = False,
    modalities: Sequence[str] = (),
    **kwargs: Any,
) -> FrameLoaders:
    """DataLoaders of frames with boxes, of 1 to 16 channels: YOLO, COCO, Pascal VOC, darknet, folders of modalities.

    images/*.npy hold uint8, uint16 or float arrays (H, W, C) or (C, H, W). TIFF and PNG are read with every channel and
    bit, or refused by name: planes, pages and samples are channels, and so is a fourth one that varies. 8 bits of grey
    are three equal channels.
    A data.yaml is obeyed; else names come from classes.txt and its like, parts from lists (train.txt) or folders.

    path: the folder, an annotation file (JSON), or a data.yaml.
    bs: frames a batch.
    bad: what to do with bad boxes and files: 'refuse' lists them all, 'skip' leaves them out, 'clip' also cuts boxes to
        the image; what was left out or cut is listed in the run's quarantine.csv.
    unlabelled: what an image without a label file is: 'refuse' names them all, 'background' takes them as images
        without objects, 'skip' leaves them out.
    polygons: take the boxes around polygons even where lines of boxes stand beside them, or all have four points.
    modalities: names of the channels behind RGB; thermal and event where there are two.

    Examples:
        >>> scenes = make_digit_scenes("scenes", {"train": 32, "val": 4, "test": 4})
        >>> dls = detection_dls(scenes, bs=4, keeps=())  # a mirrored digit is of another class
        >>> frames, sizes, boxes = dls.one_batch()
        >>> frames.shape
        torch.Size([4, 5, 64, 64])
    """
    source = read_detection(path, bad, unlabelled=unlabelled, polygons=polygons)
    source.notes += source.unnamed
    if modalities:
        behind = source.channels - source.colours
        if len(modalities) != behind:
            raise DataError(f"modalities={list(modalities)}: {path} has {behind} channel(s) behind its colours")
        source.modalities = tuple(modalities)
    return frame_dls(source, bs, **kwargs)
