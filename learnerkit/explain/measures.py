"""How alike two maps of one image are: Spearman's rank correlation, SSIM, the overlap of what stands out most."""

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from learnerkit.core.errors import DataError
from learnerkit.explain.maps import at_size, pixel_maps, says_something

MEASURES = ("spearman", "ssim", "overlap")
SHARE = 0.2  # of the pixels are the top of a map
WINDOW, SIGMA, C1, C2 = 11, 1.5, 0.01**2, 0.03**2  # of SSIM, as Wang et al. 2004 have them for a range of 1


def compare_maps(first: Tensor, second: Tensor, share: float = SHARE) -> dict[str, np.ndarray]:
    """How alike the maps of the same images are: 'spearman', 'ssim' and 'overlap', float64 [N] each, 1 where equal.

    first, second: [N,H,W] or [N,C,H,W] (see `pixel_maps`). Of two sizes the larger is brought to the smaller: enlarging
        would make up pixels that no method has measured, and count each of them.
    share: of the pixels, between 0 and 1, that are the top of a map, for the overlap.
    nan where one of the two says nothing: it is all 0 or of one value, see also `ssim` and `overlap`.
    """
    first, second = pixel_maps(first), pixel_maps(second)
    if len(first) != len(second):
        raise DataError(f"{len(first)} and {len(second)} maps: a pair is of the same image; give as many of each")
    size = smallest([first, second])
    first, second = at_size(first, size), at_size(second, size)
    known = (says_something(first) & says_something(second)).numpy()
    found = {name: np.full(len(known), np.nan) for name in MEASURES}
    if known.any():
        first, second = first[known].double(), second[known].double()
        found["spearman"][known] = spearman(first.flatten(1).numpy(), second.flatten(1).numpy())
        found["ssim"][known] = ssim(first, second).numpy()
        found["overlap"][known] = overlap(first.flatten(1).numpy(), second.flatten(1).numpy(), share)
    return found


def smallest(maps: list[Tensor]) -> tuple[int, int]:
    """The least height and the least width among maps [N,H,W]."""
    return min(each.shape[1] for each in maps), min(each.shape[2] for each in maps)


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each row with the same row of the other [N]; equal values have their mean rank.

    first, second: values [N,P], none of whose rows is of one value alone.
    """
    ranks = [rankdata(values, axis=1) for values in (first, second)]
    first, second = (values - values.mean(axis=1, keepdims=True) for values in ranks)
    return (first * second).sum(axis=1) / np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) of each map with the other's [N], after each is scaled to 0 to 1.

    first, second: [N,H,W], none of one value alone.
    A Gaussian window of 11 pixels and sigma 1.5 is laid wherever it lies whole within the map; on a map of less than 11
    pixels it is the greatest odd one that fits, of a sigma smaller by as much. nan below 3 pixels.
    """
    side = min(WINDOW, *first.shape[1:])
    side -= 1 - side % 2
    if side < 3:
        return torch.full((len(first),), torch.nan, dtype=first.dtype)
    window = torch.exp(-0.5 * ((torch.arange(side, dtype=first.dtype) - side // 2) / (SIGMA * side / WINDOW)) ** 2)
    window /= window.sum()
    down, across = (torch.eye(n, dtype=first.dtype).unfold(0, side, 1) @ window for n in first.shape[1:])

    def local(values: Tensor) -> Tensor:
        return down @ values @ across.T

    first, second = _to_one(first), _to_one(second)
    mean, other = local(first), local(second)
    spread = (local(first**2) - mean**2).clamp_min(0) + (local(second**2) - other**2).clamp_min(0)
    together = local(first * second) - mean * other
    likeness = (2 * mean * other + C1) * (2 * together + C2) / ((mean**2 + other**2 + C1) * (spread + C2))
    return likeness.mean(dim=(1, 2))


def _to_one(maps: Tensor) -> Tensor:
    """Each map with its least value at 0 and its greatest at 1."""
    least, greatest = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - least) / (greatest - least)


def overlap(first: np.ndarray, second: np.ndarray, share: float = SHARE) -> np.ndarray:
    """Which part of the top pixels of each row are the top pixels of the other's too [N]; by chance it is `share`.

    first, second: values [N,P]; share: of the pixels that are the top, between 0 and 1.
    Pixels of equal value at the border of the top share the places that are left, so that no order of scanning decides;
    two rows have in common the lesser of their shares of a pixel. nan where less than `share` of a row is above its
    least value: what of the ground then counts as top would be made up.
    """
    count = max(1, round(share * first.shape[1]))
    return np.minimum(_top(first, count), _top(second, count)).sum(axis=1) / count


def _top(values: np.ndarray, count: int) -> np.ndarray:
    """How far each value is among the `count` greatest of its row, 0 to 1 [N,P]; nan in rows whose ground is."""
    border = -np.partition(-values, count - 1, axis=1)[:, count - 1 : count]
    above, level = values > border, values == border
    left = (count - above.sum(axis=1, keepdims=True)) / level.sum(axis=1, keepdims=True)
    return np.where(border > values.min(axis=1, keepdims=True), above + level * left, np.nan)
