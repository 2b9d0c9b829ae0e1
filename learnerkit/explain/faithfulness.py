"""Deletion and insertion (Petsiuk et al. 2018): does the score follow the pixels that a map says matter?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit.core.errors import DataError
from learnerkit.core.ranges import AtLeastOne, Inner, Lot, checked
from learnerkit.core.seed import seed_of
from learnerkit.core.warn import warn
from learnerkit.explain.batches import predicted
from learnerkit.explain.consistency import Row, interval_of, previous_is_another
from learnerkit.explain.maps import at_size, pixel_maps, says_something
from learnerkit.explain.replaced import Ground, ground_of, random_ranks, ranks_of, replaced_scores
from learnerkit.explain.scores import Targets, class_indices
from learnerkit.models.mode import in_mode

BETTER = {"deletion": -1, "insertion": 1}  # which way the area under each is better
Score = Callable[[nn.Module, Any, Any], Tensor]  # model, images, targets to [B]
Curves = dict[str, dict[str, np.ndarray]]  # 'deletion' and 'insertion' to scores [N,S+1] by map
RANDOM = "random"  # what the mean of the random orders is called among the maps


def class_probabilities(model: nn.Module, images: Tensor, targets: Targets) -> Tensor:
    """Each image's probability of its class [B]: the softmax of a classifier's logits."""
    logits = model(images)
    return logits.softmax(dim=1).gather(1, class_indices(targets, logits)[:, None])[:, 0]


@dataclass(frozen=True)
class Faithfulness:
    """What `faithfulness` found.

    fractions: of the pixels that are replaced, from 0 to 1 [S+1].
    curves: 'deletion' and 'insertion' to the scores [N,S+1] of each map by name, 'random' first, the mean of the random
        orders; nan where a map says nothing.
    others: the same of each image in the order of the previous image's map; nan where there is none.
    rows: a row a map and curve.
    """

    fractions: np.ndarray
    curves: Curves
    others: Curves
    rows: list[Row]


@checked
def faithfulness(
    model: nn.Module,
    images: Tensor,
    maps: Tensor | Mapping[str, Tensor],
    targets: Targets = None,
    *,
    steps: AtLeastOne = 32,
    n_random: AtLeastOne = 5,
    ground: Ground = "blur",
    score: Score = class_probabilities,
    bs: AtLeastOne = 128,
    seed: Lot = 0,
    level: Inner = 0.95,
    groups: Sequence | np.ndarray | None = None,
) -> Faithfulness:
    """Deletion and insertion curves of maps beside those of random orders, on the same images.

    model: used in evaluation mode, left as it is. images: [N,C,H,W] as the model takes them.
    maps: of these images, [N,H,W] or [N,C,H,W], or several by name; a coarse one is enlarged to the images.
    targets: class indices [N], or one for all; what a classifier predicts of the whole images when None.
    steps: of a curve: the pixels are replaced in so many lots of one size. n_random: random orders of each image.
    ground: what a deleted pixel becomes, and what pixels are inserted into: 'blur', the image blurred by a Gaussian
        whose sigma is an eighth of its shorter side, or 'zero', the mean colour of normalised images.
    score: a function (model, images, targets) to [B]; the probability of the class when not given.
    bs: images at a time. seed: of the random orders, and of what breaks ties.
    level: of the intervals: percentile bootstrap over the images.
    groups: of each image [N], drawn whole; each image alone when None.
    A row has `map`, `curve`, `area` (under the curve: the mean score on the way), `low` and `high`, `random` (the area
    of the random orders), `gain`, `gain_low` and `gain_high` (how much better than they, image by image: less area of a
    deletion, more of an insertion), `other_images` (the area in the order of another image's map), `excess`,
    `excess_low` and `excess_high` (how much better than that), `n` images and `n_na` whose map says nothing.

    Examples:
        >>> import torch
        >>> model, images = create_model("tiny_cnn", n_in=1), torch.rand(8, 1, 32, 32)
        >>> rows = faithfulness(model, images, gradcam(model, images), steps=8)
        >>> [(row["curve"], row["n"]) for row in rows.rows]
        [('deletion', 8), ('insertion', 8)]
    """
    named = {"map": maps} if not isinstance(maps, Mapping) else maps
    named = {name: pixel_maps(each) for name, each in named.items()}
    _refuse(images, named)
    if targets is None:
        targets = predicted(model, images, bs)
    sides, pixels = tuple(images.shape[-2:]), images.shape[-2] * images.shape[-1]
    counts = torch.linspace(0, pixels, min(steps, pixels) + 1, dtype=torch.float64).round().long()
    known = {name: says_something(each).numpy()[:, None] for name, each in named.items()}
    if not any(each.any() for each in known.values()):
        warn(f"the maps of all {len(images)} images are 0 or of one value, which orders no pixels: all is n/a")
    orders = {name: ranks_of(at_size(each, sides), seed_of(seed, 0)) for name, each in named.items()}
    by_chance = [random_ranks(len(images), pixels, seed_of(seed, turn)) for turn in range(1, n_random + 1)]
    another, empty = previous_is_another(len(images), groups)[:, None], ground_of(images, ground)
    curves, others = {}, {}
    with in_mode(model, training=False), torch.no_grad():
        for kind, (start, end) in {"deletion": (images, empty), "insertion": (empty, images)}.items():
            settings = {"counts": counts, "targets": targets, "score": score, "bs": bs}
            curve = partial(replaced_scores, model, start, end, **settings)
            curves[kind] = {RANDOM: np.mean([curve(ranks) for ranks in by_chance], axis=0)}
            curves[kind] |= {name: np.where(known[name], curve(ranks), np.nan) for name, ranks in orders.items()}
            others[kind] = {
                name: np.where(another & known[name] & np.roll(known[name], 1), curve(ranks.roll(1, dims=0)), np.nan)
                for name, ranks in orders.items()
            }
    fractions = counts.numpy() / pixels
    return Faithfulness(fractions, curves, others, list(_rows(fractions, curves, others, level, groups)))


def _refuse(images: Tensor, maps: Mapping[str, Tensor]) -> None:
    """DataError where the maps are not of these images."""
    if images.ndim != 4 or not len(images):
        raise DataError(f"images of shape {tuple(images.shape)}: [N,C,H,W] is needed, one image or more")
    if not maps or RANDOM in maps:
        raise DataError(f"maps: {', '.join(maps) or 'none'}; one or more by names other than '{RANDOM}' are needed")
    for name, each in maps.items():
        if len(each) != len(images):
            raise DataError(f"maps '{name}': {len(each)} of {len(images)} images; one for each is needed")


def _rows(fractions: np.ndarray, curves: Curves, others: Curves, level: float, groups: Any) -> Iterator[Row]:
    for kind, sign in BETTER.items():
        areas, other = ({name: np.trapezoid(y, fractions) for name, y in of[kind].items()} for of in (curves, others))
        by_chance = areas.pop(RANDOM)
        for name, area in areas.items():
            known = ~np.isnan(area)
            excess = sign * (area - other[name])
            yield {
                "map": name,
                "curve": kind,
                **interval_of(area, level, groups, ("area", "low", "high")),
                "random": interval_of(by_chance[known])["mean"],
                **interval_of(sign * (area - by_chance), level, groups, ("gain", "gain_low", "gain_high")),
                "other_images": interval_of(other[name])["mean"],
                **interval_of(excess, level, groups, ("excess", "excess_low", "excess_high")),
                "n": int(known.sum()),
                "n_na": int((~known).sum()),
            }
