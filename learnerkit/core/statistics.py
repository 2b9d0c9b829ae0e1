"""Whether a difference between classifiers is more than luck: paired bootstrap, McNemar, Holm. Pure numpy and scipy.

Samples of one group (copies, pairs of one source image) stand or fall together: where groups are given, a group is what
is drawn, or exchanged, as a whole.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binom, norm

RESAMPLES = 9999
CELLS = 4_000_000  # numbers held at a time


def group_codes(groups: Sequence | np.ndarray) -> np.ndarray:
    """Names of groups [N] as numbers from 0 in the order of their first sample, int64 [N]."""
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def drawn_groups(n: int, resamples: int, groups: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """How often each of `n` samples stands in each bootstrap resample of their groups, int64 [R,N].

    groups: of each sample [N]; each alone when None.
    """
    codes = np.arange(n) if groups is None else group_codes(groups)
    drawn = int(codes.max()) + 1
    return np.random.default_rng(seed).multinomial(drawn, np.full(drawn, 1 / drawn), size=resamples)[:, codes]


def paired_interval(
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Difference of the means, first minus second, with its percentile bootstrap interval over groups of samples.

    first, second: how right each is on each sample [N], 0 to 1; the samples are the same.
    groups: of each sample [N], drawn whole; each sample alone when None.
    level: of the interval. seed: of the resampling, 9,999 times.
    The ends are nan where two differ and all samples are of one group: nothing can be drawn then.
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    mean = float(difference.mean())
    if not difference.any():
        return 0.0, 0.0, 0.0
    sums, sizes = _by_group(difference, groups)
    if len(sums) == 1:
        return mean, float("nan"), float("nan")
    # groups with the same sum and size cannot be told apart: how many of each kind are drawn says all
    kinds, counts = np.unique(np.stack([sums.round(9), sizes], axis=1), axis=0, return_counts=True)
    rng, means = np.random.default_rng(seed), []
    for rows in np.array_split(np.arange(RESAMPLES), -(-RESAMPLES * len(kinds) // CELLS)):
        sum_drawn, size_drawn = (rng.multinomial(len(sums), counts / len(sums), size=len(rows)) @ kinds).T
        means.append(sum_drawn / size_drawn)
    low, high = np.percentile(np.concatenate(means), [50 - 50 * level, 50 + 50 * level])
    return mean, float(low), float(high)


def mean_interval(
    values: np.ndarray, groups: Sequence | np.ndarray | None = None, level: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """The mean of the values that are known, with its percentile bootstrap interval: `paired_interval` beside zeros.

    values: of each sample [N], nan where there is none; all three figures are nan where there is none at all.
    """
    values = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(values)
    if not known.any():
        return float("nan"), float("nan"), float("nan")
    of_known = None if groups is None else np.asarray(groups)[known]
    return paired_interval(values[known], np.zeros(known.sum()), of_known, level, seed)


def mcnemar(first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Exact two-sided p of McNemar's test (1947): whether two classifiers err equally often on the same samples.

    first, second: whether each is right on each sample, bool [N].
    groups: of each sample [N]; each alone when None. With groups it is an exact permutation test: where neither
        classifier is better, the two could be exchanged in any whole group, and the p is the share of these exchanges
        whose difference is as large as the one found. Where each group is one sample this is McNemar's test.
    """
    difference = np.asarray(first, dtype=np.int64) - np.asarray(second, dtype=np.int64)
    sums = _by_group(difference, groups)[0].round().astype(np.int64)
    chances = np.ones(1)  # of each sum over the groups, from the least to the greatest, when all signs are drawn
    for size, n in zip(*np.unique(np.abs(sums[sums != 0]), return_counts=True), strict=True):
        of_size = np.zeros(2 * size * n + 1)
        of_size[:: 2 * size] = binom.pmf(np.arange(n + 1), n, 0.5)
        chances = np.convolve(chances, of_size)
    distance = np.abs(np.arange(len(chances)) - len(chances) // 2)
    return min(1.0, float(chances[distance >= abs(sums.sum())].sum()))


def _by_group(values: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the values of each group and its size, float64 [G] each."""
    if groups is None:
        return values.astype(np.float64), np.ones(len(values))
    codes = group_codes(groups)
    return np.bincount(codes, values), np.bincount(codes).astype(np.float64)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number by Holm's step-down method (1979), in the given order."""
    order = np.argsort(p_values, kind="stable")
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected


def wilson(right: np.ndarray, n: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval (1927) of shares: its lower and upper ends, nan where there is no sample.

    right: counts of what was right; n: of how many each; level: of the interval.
    """
    z = norm.ppf(0.5 + level / 2)
    n = np.where(np.asarray(n) > 0, n, np.nan).astype(np.float64)
    share = np.asarray(right) / n
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    return np.where(share == 0, 0.0, low.clip(0)), np.where(share == 1, 1.0, high.clip(max=1))
