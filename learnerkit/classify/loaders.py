"""The DataLoaders of a set of images whose parts are given: normalised, augmented in training, at the model's size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from learnerkit.classify.blocks import LabelBlock, rows_block
from learnerkit.classify.source import ImageSource
from learnerkit.classify.transforms import Augment, AugmentFloat, NormalizeBytes, Operation, Sized
from learnerkit.core.errors import DataError, RecipeError
from learnerkit.data.loaders import KitLoaders, make_loaders
from learnerkit.data.source import UNLABELLED, Stats
from learnerkit.data.split import Split

NAME = "classify"


def sides(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Height and width of a size that may be one side."""
    return (size, size) if isinstance(size, int) else size and tuple(size)


def check_crops(crop: int | None, min_scale: float | None) -> None:
    """RecipeError where two kinds of random crop are asked for."""
    if crop and min_scale is not None:
        raise RecipeError(
            f"crop={crop} and min_scale={min_scale}: both cut at random; leave crop out, or crop=0 (--crop 0)"
        )


def check_labels(source: ImageSource) -> None:
    """DataError where images of a set that is to be trained on have no label."""
    unlabelled = np.flatnonzero(source.labels == UNLABELLED)
    if len(unlabelled):
        raise DataError(
            f"{source.name}: {len(unlabelled)} images have no label (-1), the first is {source.ids[unlabelled[0]]}"
        )


def with_crop(arguments: dict[str, Any], usual: int) -> dict[str, Any]:
    """Arguments of `image_dls` with the usual padding where none is said and no other crop is asked for."""
    if arguments.get("crop") is not None or arguments.get("min_scale") is not None:
        return arguments
    return {**arguments, "crop": usual}


def stats_of(source: ImageSource, stats: str | None, parts: Split) -> Stats:
    """The figures that a set is normalised with, see `image_dls`."""
    if stats == "fixed" and source.stats is None:
        raise DataError(f"stats='fixed': no figures are published for {source.name}; 'data' measures its training part")
    return source.measured_stats(parts.train) if stats == "data" or source.stats is None else source.stats


def evaluation_dls(source: ImageSource, split: Split, bs: int = 128, size: tuple[int, int] | None = None) -> KitLoaders:
    """DataLoaders of given parts without augmentation, unlabelled sets too: to measure a finished model.

    source: the set, with the statistics that the model was trained with; split: such as `data.loaders.whole(source)`.
    bs: images a batch; size: height and width that the model sees; the set's own when None.
    """
    return image_loaders(source, split, [], None, size or source.view or source.shape[1:], bs=bs, drop_last=False)


def image_loaders(
    source: ImageSource,
    split: Split,
    operations: list[Operation],
    device: str | torch.device | None,
    size: tuple[int, int],
    **kwargs: Any,
) -> KitLoaders:
    """DataLoaders of given parts.

    operations: augmentations of the training part, see `transforms.augmentations`.
    device: where the set and its batches live; size: height and width that the model sees.
    kwargs: of fastai's dataloaders.
    """
    batch_tfms = [
        Augment([op for op in operations if not op.on_float]),
        NormalizeBytes(*source.stats),
        AugmentFloat([op for op in operations if op.on_float]),
        Sized(size, source.view),
    ]
    blocks = rows_block(source), LabelBlock(source)
    dls = make_loaders(NAME, source, split, blocks, batch_tfms=batch_tfms, device=device, **kwargs)
    dls.input_shape = (source.channels, *size)
    return dls
