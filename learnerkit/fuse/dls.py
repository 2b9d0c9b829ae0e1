"""`saliency_dls`: from a folder of pairs of maps to DataLoaders."""

from collections.abc import Sequence
from typing import Any, Literal

import torch

from learnerkit.classify.blocks import LabelBlock
from learnerkit.core.calls import extends, recorded
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import AtLeastOne, Count, Flag, Lot, NotNegative, Share, checked
from learnerkit.data.loaders import KitLoaders, make_loaders
from learnerkit.data.parts import parts_of
from learnerkit.data.source import with_views
from learnerkit.data.split import Shares, Split
from learnerkit.fuse.files import reading
from learnerkit.fuse.scan import read_pairs
from learnerkit.fuse.source import PairSource
from learnerkit.fuse.transforms import AugmentPairs, NormalizePairs, SaliencyBlock

NAME = "fuse"


@checked
def pair_dls(
    source: PairSource,
    bs: AtLeastOne = 64,
    *,
    split: Shares = None,
    split_seed: Lot = 42,
    keeps: Sequence[str] | None = None,
    stats: Literal["none", "data"] = "none",
    crop: Count = 0,
    flip: Flag = False,
    noise: NotNegative = 0.0,
    map_dropout: Share = 0.0,
    limit: AtLeastOne | None = None,
    device: str | torch.device | None = None,
) -> KitLoaders:
    """DataLoaders of pairs: stratified parts in which pairs of one image stay together.

    source: the set.
    bs: pairs a batch.
    split: three shares (train, valid, test) that sum to 1; (.7, .15, .15) when None.
    split_seed: which lot decides the parts; apart from the training seed.
    keeps: views that keep the class: 'mirror', 'shift'; ('shift',) when None. Add 'mirror' where a mirrored pair is of
        the same class.
    stats: 'none' fuses the maps as they are stored; 'data' brings each map's channels to mean 0 and deviation 1 of the
        training part before.
    crop: zero padding in pixels before a random crop of both maps; 0 for none.
    flip: mirror half of the pairs; refused where a mirror makes another class ('left of').
    noise: standard deviation of Gaussian noise, in the maps' units; 0 for none.
    map_dropout: probability that one of the two maps is zeroed.
    limit: only so many pairs of each part, for quick trials.
    device: where the set and its batches live; fastai's default device when None.
    """
    source, flip = with_views(source, keeps, flip)
    parts = parts_of(source, bs, split, split_seed, limit, source.labels, source.groups)
    source.stats = source.measured_stats(parts.train) if stats == "data" else None
    augment = AugmentPairs(crop, flip, noise, map_dropout) if crop or flip or noise or map_dropout else None
    return pair_loaders(source, parts, augment, device, bs=bs)


def pair_loaders(
    source: PairSource,
    split: Split,
    augment: AugmentPairs | None = None,
    device: str | torch.device | None = None,
    **kwargs: Any,
) -> KitLoaders:
    """DataLoaders of the given parts.

    augment: of the training part; kwargs: of fastai's dataloaders.
    """
    normalize = NormalizePairs(*source.stats) if source.stats else None
    batch_tfms = [tfm for tfm in (normalize, augment) if tfm is not None]
    blocks = SaliencyBlock(source), SaliencyBlock(source, "attention"), LabelBlock(source)
    return make_loaders(NAME, source, split, blocks, batch_tfms=batch_tfms, n_inp=2, device=device, **kwargs)


@recorded()
@extends(pair_dls)
def saliency_dls(
    path: PathLike,
    bs: AtLeastOne = 64,
    *,
    layer: Literal["early", "middle", "late"] | None = None,
    keys: str | Sequence[str] | None = None,
    names: PathLike | None = None,
    group: str | None = None,
    size: AtLeastOne | tuple[AtLeastOne, AtLeastOne] | None = None,
    order: Literal["chw", "hwc"] | None = None,
    bad: Literal["refuse", "skip"] = "refuse",
    cache: PathLike | None = None,
    num_workers: Count | None = None,
    **kwargs: Any,
) -> KitLoaders:
    """DataLoaders of pairs of maps: a folder of .pt files, flat, in class folders, or below {early,middle,late}_layers.

    A file holds saliency_maps and cross_attention_maps, [C,H,W], and class_id; .npz and .safetensors files are read
    alike. The first call packs the files into one memory-mapped array; later ones open it. Folders called train, valid
    and test are the parts.

    path: the folder.
    bs: pairs a batch.
    layer: 'early', 'middle' or 'late' alone; all files when None.
    keys: where saliency map, attention map and class number stand in a file, such as 'sal,attn,label'; a path such as
        'data.sal' or a place in a tuple such as '0' too.
    names: 'relations' calls the classes by the 24 relations, the file of a class list by that; when None what the
        files, class_names.json, classes.txt or class folders say, else class_0, class_1, ...
    group: the key that says which source image a pair is of, anywhere in the files, or 'name' for their names; found
        when None. Pairs of one image stay in one part.
    size: side in pixels, or height and width, that all maps are resized to; needed when they differ.
    order: 'chw' or 'hwc', what the dimensions of a map are; when None [H,W,C] is taken where the shape leaves no doubt.
    bad: what to do with bad files: 'refuse' lists them all, 'skip' trains without them and lists them in the run's
        quarantine.csv.
    cache: where the packed set is written; $LEARNERKIT_HOME or ~/.cache/learnerkit when None.
    num_workers: processes of the first reading; the cores when None.

    Examples:
        >>> import os, torch
        >>> os.mkdir("pairs")
        >>> for number in range(40):
        ...     pair = {"saliency_maps": torch.rand(3, 8, 8), "cross_attention_maps": torch.rand(3, 8, 8)}
        ...     torch.save({**pair, "class_id": number % 2, "class_name": "ab"[number % 2]}, f"pairs/{number}.pt")
        >>> dls = saliency_dls("pairs", bs=8, cache="cache")
        >>> [part.shape[1:] for part in dls.one_batch()[:2]]
        [torch.Size([3, 8, 8]), torch.Size([3, 8, 8])]
    """
    how = reading(keys, size, order)
    source = read_pairs(path, layer, bad, cache, num_workers, names=names, group=group, how=how)
    return pair_dls(source, bs, **kwargs)
