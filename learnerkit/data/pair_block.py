"""From a PairSource to DataLoaders whose batches are (saliency, attention, class), through fastai's DataBlock."""

import copy
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from fastai.data.block import DataBlock, TransformBlock
from fastai.data.core import DataLoaders
from fastai.torch_core import TensorBase, default_device
from fasttransform import ItemTransform
from matplotlib import pyplot
from torch import Tensor

from learnerkit.core.errors import DataError
from learnerkit.data.block import ImageLoaders, LabelBlock
from learnerkit.data.pair_files import MAPS
from learnerkit.data.pairs import PairSource, as_picture
from learnerkit.data.resident import ResidentDL
from learnerkit.data.split import Split, checked, make_split
from learnerkit.data.transforms import Rows
from learnerkit.ops.augment import RandomCrop
from learnerkit.ops.pairs import add_noise, drop_maps, mirror_some


class TensorMap(TensorBase):
    """One map [C,H,W], or a batch of them."""


class MapRows(Rows):
    """Row number to TensorMap; a map (tensor or array [C,H,W]) is taken as it is.

    maps: float32 [N,C,H,W]; side: which map of a pair that is given as a tuple, 0 or 1.
    """

    input_types = (Integral, Tensor, np.ndarray, tuple, list)

    def __init__(self, maps: np.ndarray, side: int) -> None:
        super().__init__(maps)
        self.side = side

    def __call__(self, item: Any, *args: Any, **kwargs: Any) -> Any:
        """Transform a row number, a map, or this side of a pair."""
        return super().__call__(item[self.side] if isinstance(item, (tuple, list)) else item, *args, **kwargs)

    def encodes(self, item: object) -> TensorMap:
        if isinstance(item, Integral):
            return self.tensor[int(item)].as_subclass(TensorMap)
        given = torch.as_tensor(np.asarray(item), dtype=torch.float32)
        if given.shape != self.tensor.shape[1:]:
            raise DataError(f"a map of shape {tuple(given.shape)}: {tuple(self.tensor.shape[1:])} is needed")
        return given.as_subclass(TensorMap)


def SaliencyBlock(source: PairSource, which: str = "saliency") -> TransformBlock:
    """A block of maps for one's own DataBlock; two of them, 'saliency' and 'attention', make a pair.

    source: the set whose row numbers are the items.
    which: 'saliency' or 'attention'.
    """
    kinds = ("saliency", "attention")
    if which not in kinds:
        raise DataError(f"SaliencyBlock(which='{which}'): one of {', '.join(kinds)} (the keys {', '.join(MAPS)})")
    return TransformBlock(type_tfms=MapRows(source.maps[kinds.index(which)], kinds.index(which)), dl_type=PairDL)


class PairDL(ResidentDL):
    """The resident loader of pairs: shows the two maps of a sample side by side."""

    def show_batch(self, b: Any = None, max_n: int = 9, ctxs: Any = None, show: bool = True, **kwargs: Any) -> Any:
        """Draw pairs with their class.

        b: a batch; one is cut when None. max_n: how many. ctxs, show, kwargs: for fastai's sake.
        """
        b = self.one_batch() if b is None else b
        return self._draw(b, [self._name(code) for code in b[2][:max_n]] if len(b) > 2 else None, max_n)

    def show_results(self, b: Any, out: Any, max_n: int = 9, ctxs: Any = None, show: bool = True, **kwargs: Any) -> Any:
        """Draw pairs with their class and the predicted one, red where wrong.

        b: a batch; out: predicted classes [B]. max_n: how many. ctxs, show, kwargs: for fastai's sake.
        """
        truth, said = ([self._name(code) for code in codes[:max_n]] for codes in (b[2], out))
        titles = [f"{a}\npredicted: {p}" for a, p in zip(truth, said, strict=True)]
        return self._draw(b, titles, max_n, [a == p for a, p in zip(truth, said, strict=True)])

    def _name(self, code: Any) -> str:
        vocab = self.vocab
        return str(vocab[int(code)])

    def _draw(self, b: Any, titles: list[str] | None, max_n: int, right: list[bool] | None = None) -> Any:
        n = min(max_n, len(b[0]))
        columns = min(3, n)
        rows = -(-n // columns)
        _, axes = pyplot.subplots(rows, 2 * columns, figsize=(3.4 * columns, 2.2 * rows), squeeze=False)
        for panel in axes.ravel():
            panel.set_axis_off()
        for number in range(n):
            row, column = divmod(number, columns)
            for side in (0, 1):
                panel = axes[row, 2 * column + side]
                panel.imshow(as_picture(b[side][number].detach().cpu().float().numpy()).transpose(1, 2, 0))
                panel.text(0.5, -0.02, ("saliency", "attention")[side], fontsize=7, ha="center", va="top",
                           transform=panel.transAxes)  # fmt: skip
            if titles is not None:
                color = "black" if right is None else "green" if right[number] else "red"
                axes[row, 2 * column].set_title(titles[number], fontsize=8, color=color, x=1.1)
        return axes


class NormalizePairs(ItemTransform):
    """Each map's channels to mean 0 and deviation 1 over the training part.

    mean, std: one a channel, those of the saliency map first.
    """

    order = 10

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean, self.std = (torch.tensor(values).view(2, -1, 1, 1) for values in (mean, std))

    def to(self, device: torch.device) -> None:
        """Move the statistics, as fastai asks when a loader changes its device."""
        self.mean, self.std = self.mean.to(device), self.std.to(device)

    def encodes(self, batch: list) -> tuple:
        first, second, *rest = batch
        return (first - self.mean[0]) / self.std[0], (second - self.mean[1]) / self.std[1], *rest


class AugmentPairs(ItemTransform):
    """Augmentation of the training part in which both maps of a pair share what moves them.

    shift: greatest shift in pixels; mirror: flip half of the pairs.
    noise: standard deviation of Gaussian noise, in the maps' units; drop: probability that one map is zeroed.
    """

    split_idx, order = 0, 20

    def __init__(self, shift: int = 0, mirror: bool = False, noise: float = 0.0, drop: float = 0.0) -> None:
        super().__init__()
        self.crop, self.mirror, self.noise, self.drop = RandomCrop(shift) if shift else None, mirror, noise, drop

    def encodes(self, batch: list) -> tuple:
        first, second, *rest = batch
        kind, n = type(first), first.shape[1]
        both = torch.cat([first.as_subclass(Tensor), second.as_subclass(Tensor)], dim=1)
        if self.crop is not None:
            both = self.crop(both)
        if self.mirror:
            both = mirror_some(both)
        if self.noise:
            both = add_noise(both, self.noise)
        maps = drop_maps(both[:, :n], both[:, n:], self.drop) if self.drop else (both[:, :n], both[:, n:])
        return *(part.contiguous().as_subclass(kind) for part in maps), *rest


def pair_dls(
    source: PairSource,
    bs: int = 64,
    split: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 42,
    normalize: bool = False,
    shift: int = 0,
    flip: bool = False,
    noise: float = 0.0,
    map_dropout: float = 0.0,
    limit: int | None = None,
    device: str | torch.device | None = None,
) -> ImageLoaders:
    """DataLoaders of pairs: stratified parts in which pairs of one image stay together.

    source: the set.
    bs: pairs a batch.
    split: train, valid and test, summing to 1.
    seed: which lot decides the parts; apart from the training seed.
    normalize: bring each map's channels to mean 0 and deviation 1 of the training part before they are fused; by
        default they are fused as they are stored.
    shift: greatest shift of both maps in pixels; 0 for none.
    flip: mirror half of the pairs; refused where a mirror makes another class ('left of').
    noise: standard deviation of Gaussian noise, in the maps' units; 0 for none.
    map_dropout: probability that one of the two maps is zeroed.
    limit: only so many pairs of each part, for quick trials.
    device: where the set and its batches live; fastai's default device when None.
    """
    if flip and "mirror" not in source.keeps:
        raise DataError(
            f"flip=True: a mirror turns a pair of {source.name} into another class (a mirrored 'left of' is 'right "
            "of'); leave flip out, or pass keeps=('mirror', 'shift') (--keeps mirror,shift) where your classes allow it"
        )
    parts = make_split(source.labels, source.parts, fractions=split, split_seed=seed, groups=source.groups)
    if limit:
        parts = checked(parts.limited(limit), source.labels)
    if len(parts.train) < bs:
        raise DataError(f"{source.name}: {len(parts.train)} training pairs make no batch of {bs}; pass a smaller bs")
    source = copy.copy(source)  # another call may normalise otherwise
    source.stats = source.measured_stats(parts.train) if normalize else None
    augment = AugmentPairs(shift, flip, noise, map_dropout) if shift or flip or noise or map_dropout else None
    return pair_loaders(source, parts, augment, device, bs=bs)


def pair_loaders(
    source: PairSource, split: Split, augment: AugmentPairs | None, device: str | torch.device | None, **kwargs: Any
) -> ImageLoaders:
    """DataLoaders of the given parts.

    augment: of the training part; kwargs: of fastai's dataloaders.
    """
    normalize = NormalizePairs(*source.stats) if source.stats else None
    rows = [part for part in (split.train, split.valid, split.test) if len(part)]
    block = DataBlock(
        blocks=(SaliencyBlock(source), SaliencyBlock(source, "attention"), LabelBlock(source)),
        n_inp=2,
        splitter=lambda _: rows,
        batch_tfms=[tfm for tfm in (normalize, augment) if tfm is not None],
    )
    datasets = block.datasets(list(range(len(source))))
    datasets._dbunch_type = ImageLoaders
    loaders: DataLoaders = datasets.dataloaders(
        **kwargs,
        after_item=block.item_tfms,
        after_batch=block.batch_tfms,
        device=torch.device(device or default_device()),
    )
    loaders.source, loaders.split = source, split
    return loaders
