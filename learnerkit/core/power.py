"""What difference can be shown at all: the power of a test over paired samples, and of a t test over seeds."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct, norm, t

from learnerkit.core.statistics import group_codes

POWER, ALPHA = 0.8, 0.05  # of ten real differences eight are found; of twenty times that there is none, one is
MOST_SEEDS = 1000


def paired_error(first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None) -> float | None:
    """The standard error of the difference of two means over the same samples; None where one group is all there is.

    first, second: values of each sample [N]; groups: of each sample [N], which vary as a whole; each alone when None.
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    codes = np.arange(len(difference)) if groups is None else group_codes(groups)
    sums, sizes = np.bincount(codes, difference), np.bincount(codes)
    if len(sums) < 2:
        return None
    apart = sums - difference.mean() * sizes
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (apart**2).sum()) / len(difference))


def pooled_std(stds: Sequence[float], counts: Sequence[int]) -> float | None:
    """One standard deviation of several groups of runs, weighted by what each knows of it; None where none knows any.

    stds: of each group; counts: runs of each; groups of one run say nothing.
    """
    free = np.array(counts) - 1
    known = free > 0
    if not known.any():
        return None
    return float(np.sqrt((free[known] * np.array(stds, dtype=np.float64)[known] ** 2).sum() / free[known].sum()))


def shown_by_samples(error: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """The least difference that samples show with such a power in a two-sided test; error: standard error of it."""
    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power)) * error


def error_p(difference: float, error: float) -> float:
    """Two-sided p of a difference by its standard error."""
    if not error:
        return float(difference == 0)
    return float(2 * norm.sf(abs(difference) / error))


def t_power(effect: float, first: int, second: int, alpha: float = ALPHA) -> float:
    """The power of the two-sided t test of two means.

    effect: difference over standard deviation; first, second: runs of each, 3 or more in all.
    """
    free, shift = first + second - 2, abs(effect) * (first * second / (first + second)) ** 0.5
    bound = t.ppf(1 - alpha / 2, free)
    low = nct.cdf(-bound, free, shift)
    return float(nct.sf(bound, free, shift) + (low if low == low else 0))


def shown_by_seeds(std: float, first: int, second: int, alpha: float = ALPHA, power: float = POWER) -> float:
    """The least difference of two means that a t test shows with such a power.

    std: over seeds; first, second: runs of each, 3 or more in all.
    """
    most = 1.0
    while t_power(most, first, second, alpha) < power:
        most *= 2
    return std * float(brentq(lambda effect: t_power(effect, first, second, alpha) - power, 0, most, xtol=1e-9))


def seeds_needed(effect: float, alpha: float = ALPHA, power: float = POWER, most: int = MOST_SEEDS) -> int | None:
    """How many runs of each of two variants show a difference with such a power; None for more than `most`.

    effect: difference over standard deviation.
    """
    low, high = 1, most  # too few, and perhaps enough
    if t_power(effect, high, high, alpha) < power:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if t_power(effect, middle, middle, alpha) >= power else (middle, high)
    return high
