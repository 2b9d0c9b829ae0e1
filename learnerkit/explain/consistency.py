"""`explanation_consistency`: do explanations of the same image and class agree, across sizes, methods and models?"""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
from torch import Tensor, nn

from learnerkit.core.errors import DataError
from learnerkit.core.ranges import AtLeastOne, Inner, checked
from learnerkit.core.statistics import group_codes, mean_interval
from learnerkit.core.warn import warn
from learnerkit.explain.batches import Method, maps_of, predicted
from learnerkit.explain.cam import gradcam
from learnerkit.explain.maps import at_size, pixel_maps
from learnerkit.explain.measures import MEASURES, SHARE, compare_maps, smallest
from learnerkit.explain.scores import Targets

Row = dict[str, Any]


@checked
def explanation_consistency(
    models: nn.Module | Mapping[Any, nn.Module],
    images: Tensor | Mapping[Any, Tensor],
    methods: Method | Sequence[Method] | Mapping[str, Method] = gradcam,
    targets: Targets = None,
    *,
    bs: AtLeastOne = 64,
    share: Inner = SHARE,
    level: Inner = 0.95,
    groups: Sequence | np.ndarray | None = None,
) -> list[Row]:
    """How alike the maps of the same images and classes are: a row for each pair of variants and each measure.

    models: one, or several by name. images: [N,C,H,W] as the models take them, or the same images by resolution, such
        as {32: small, 224: large}. methods: functions (model, images, targets=) to maps, one, several, or by name.
        All that are given are combined. Models and images under the same names are not: each model has its own.
    targets: class indices [N], or one for all; what the first model predicts of the first images when None. Every
        variant explains the same class.
    bs: images at a time.
    share: of the pixels that are the top of a map, between 0 and 1, for the overlap.
    level: of the intervals: percentile bootstrap over the images.
    groups: of each image [N], such as its photograph; drawn whole. Each image alone when None.
    A row has `first` and `second` (variants), `measure` ('spearman', 'ssim' or 'overlap'), `mean`, `low` and `high`,
    `other_images` (the mean where the second map is of another image: what objects in the middle and the form of the
    maps give by themselves), `excess`, `excess_low` and `excess_high` (how much the mean is above that),
    `n` images and `n_na` of which a map says nothing. Maps of several sizes are brought to the least.

    Examples:
        >>> import torch
        >>> model, images = create_model("simple_cnn", n_in=1), torch.rand(8, 1, 32, 32)
        >>> rows = explanation_consistency(model, images, [gradcam, layercam])
        >>> [(row["first"], row["second"], row["measure"]) for row in rows][0]
        ('gradcam', 'layercam', 'spearman')
    """
    return consistency_of(variant_maps(models, images, methods, targets, bs), share, level, groups)


def consistency_of(
    maps: Mapping[str, Tensor], share: float = SHARE, level: float = 0.95, groups: Sequence | np.ndarray | None = None
) -> list[Row]:
    """The rows of `explanation_consistency`, of maps [N,H,W] or [N,C,H,W] of the same images by variant.

    All are brought to the least height and width among them, so that the rows can be compared with one another.
    """
    if len(maps) < 2:
        raise DataError(
            f"{len(maps)} variant(s) of maps ({', '.join(maps) or 'none'}): consistency is of two or more; give "
            "several models, resolutions or methods"
        )
    plain = {name: pixel_maps(each) for name, each in maps.items()}
    counts = {name: len(each) for name, each in plain.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise DataError(f"numbers of maps differ ({said}); each variant has one of the same images in the same order")
    size = smallest(list(plain.values()))
    plain = {name: at_size(each, size) for name, each in plain.items()}
    rows = [
        {"first": first, "second": second, **row}
        for first, second in combinations(plain, 2)
        for row in likeness_rows(plain[first], plain[second], share, level, groups)
    ]
    if not any(row["n"] for row in rows):
        warn(f"no image has two maps that say something: all of {len(next(iter(plain.values())))} is n/a")
    return rows


def likeness_rows(
    first: Tensor, second: Tensor, share: float = SHARE, level: float = 0.95, groups: Any = None
) -> list[Row]:
    """A row a measure of the maps of the same images, and of each first map with the second of the previous image."""
    same, other = compare_maps(first, second, share), compare_maps(first, second.roll(1, dims=0), share)
    another = previous_is_another(len(first), groups)
    rows = []
    for name in MEASURES:
        others = np.where(another, other[name], np.nan)
        rows.append(
            {
                "measure": name,
                **interval_of(same[name], level, groups),
                "other_images": interval_of(others)["mean"],
                **interval_of(same[name] - others, level, groups, ("excess", "excess_low", "excess_high")),
                "n": int(np.isfinite(same[name]).sum()),
                "n_na": int(np.isnan(same[name]).sum()),
            }
        )
    return rows


def previous_is_another(n: int, groups: Any = None) -> np.ndarray:
    """Whether the image whose map `roll(1)` brings beside each is another one, of another group, bool [n]."""
    codes = np.arange(n) if groups is None else group_codes(groups)
    if len(codes) != n:
        raise DataError(f"groups: {len(codes)} for {n} images; one for each is needed")
    return codes != np.roll(codes, 1)


def interval_of(
    values: np.ndarray, level: float = 0.95, groups: Any = None, names: Sequence[str] = ("mean", "low", "high")
) -> Row:
    """Mean and ends of the interval of values [N] by name, see `mean_interval`."""
    return dict(zip(names, mean_interval(values, groups, level), strict=True))


def variant_maps(
    models: nn.Module | Mapping[Any, nn.Module],
    images: Tensor | Mapping[Any, Tensor],
    methods: Method | Sequence[Method] | Mapping[str, Method] = gradcam,
    targets: Targets = None,
    bs: int = 64,
) -> dict[str, Tensor]:
    """The maps [N,H,W] of `explanation_consistency` by variant; a name says what not all variants share."""
    models, images = _named(models, "model"), _named(images, "images")
    methods = dict(methods) if isinstance(methods, Mapping) else _by_name([methods] if callable(methods) else methods)
    counts = {name: len(each) for name, each in images.items()}
    if len(set(counts.values())) != 1 or not all(counts.values()):
        raise DataError(f"images: {counts or 'none'}; each resolution has the same images, one or more")
    own = len(models) > 1 and list(models) == list(images)
    places = [(name, name) for name in models] if own else list(product(models, images))
    if targets is None:
        targets = predicted(models[places[0][0]], images[places[0][1]], bs)
    found = {}
    for (model, size), method in product(places, methods):
        said = [_in_words(model)] if len(models) > 1 else []
        said += [_in_words(size)] if len(images) > 1 and not own else []
        said += [method] if len(methods) > 1 or not said else []
        found[", ".join(said)] = maps_of(methods[method], models[model], images[size], targets, bs)
    return found


def _in_words(name: Any) -> str:
    """The name of a model or resolution; a number is one of pixels."""
    return f"{name} px" if isinstance(name, int) else str(name)


def _named(given: Any, name: str) -> dict[Any, Any]:
    return dict(given) if isinstance(given, Mapping) else {name: given}


def _by_name(methods: Sequence[Method]) -> dict[str, Method]:
    named = {getattr(method, "__name__", repr(method)): method for method in methods}
    if len(named) != len(methods):
        raise DataError(
            f"methods: {len(methods)} of which some have one name ({', '.join(named)}); give a dict by name"
        )
    return named
