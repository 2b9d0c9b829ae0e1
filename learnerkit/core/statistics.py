"""Whether a difference between classifiers is more than luck: paired bootstrap, McNemar, Holm. Pure numpy and scipy."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest, bootstrap


def paired_interval(
    first: np.ndarray, second: np.ndarray, level: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """Difference of the means, first minus second, with its percentile bootstrap interval over the samples.

    first, second: how right each is on each sample [N], 0 to 1; the samples are the same.
    level: of the interval. seed: of the resampling, 9,999 times.
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    if np.ptp(difference) == 0:
        return (float(difference[0]),) * 3
    found = bootstrap(
        (difference,),
        np.mean,
        confidence_level=level,
        method="percentile",
        n_resamples=9999,
        batch=500,
        rng=np.random.default_rng(seed),
    )
    low, high = found.confidence_interval
    return float(difference.mean()), float(low), float(high)


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Exact two-sided p of McNemar's test (1947): whether two classifiers err equally often on the same samples.

    first, second: whether each is right on each sample, bool [N].
    """
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    n = only_first + only_second
    return float(binomtest(only_first, n).pvalue) if n else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number by Holm's step-down method (1979), in the given order."""
    order = np.argsort(p_values, kind="stable")
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected
