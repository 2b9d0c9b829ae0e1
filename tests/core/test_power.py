"""The power of comparisons: by hand, beside statsmodels, and by drawing."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from learnerkit.core.power import (
    error_p,
    paired_error,
    pooled_std,
    seeds_needed,
    shown_by_samples,
    shown_by_seeds,
    t_power,
)

EFFECTS = [(0.5, 10, 12, 0.05), (2.0, 3, 3, 0.05), (3.0, 2, 3, 0.01), (0.1, 100, 100, 0.05), (1.5, 5, 5, 0.05 / 6)]


@pytest.mark.parametrize(("effect", "first", "second", "alpha"), EFFECTS)
def test_the_power_of_a_t_test_is_that_of_statsmodels(effect, first, second, alpha):
    expected = TTestIndPower().power(effect, first, alpha, ratio=second / first)
    assert t_power(effect, first, second, alpha) == pytest.approx(expected, rel=1e-9)
    least = shown_by_seeds(1.0, first, second, alpha)
    assert least == pytest.approx(TTestIndPower().solve_power(None, first, alpha, 0.8, second / first), rel=1e-4)
    assert shown_by_seeds(0.02, first, second, alpha) == pytest.approx(0.02 * least)


@pytest.mark.parametrize("effect", [0.2, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 6])
def test_the_number_of_seeds_is_the_next_whole_one(effect, alpha):
    expected = int(np.ceil(TTestIndPower().solve_power(effect, None, alpha, 0.8)))
    n = seeds_needed(effect, alpha)
    assert n == expected and t_power(effect, n, n, alpha) >= 0.8 > t_power(effect, n - 1, n - 1, alpha)


def test_the_ends_of_the_number_of_seeds():
    assert seeds_needed(0.01) is None and seeds_needed(1e6) == 2 and seeds_needed(1.0, most=10) is None
    assert seeds_needed(1.0) == 17  # Cohen's tables


def test_the_power_of_two_runs_beside_one_by_drawing():
    """One degree of freedom, where the tables of others end."""
    rng = np.random.default_rng(0)
    two, one = rng.normal(20.0, 1, (40_000, 2)), rng.normal(0, 1, 40_000)
    spread = np.abs(two[:, 0] - two[:, 1]) / 2**0.5
    found = np.abs(two.mean(axis=1) - one) / (spread * 1.5**0.5) > stats.t.ppf(0.975, 1)
    assert found.mean() == pytest.approx(t_power(20.0, 2, 1), abs=0.01)


def test_the_least_difference_of_samples_by_hand():
    assert shown_by_samples(0.01) == pytest.approx(0.01 * (1.959964 + 0.841621), abs=1e-8)
    least = shown_by_samples(1.0, 0.05 / 3)
    assert NormalIndPower().power(least, 1, 0.05 / 3, ratio=0) == pytest.approx(0.8, abs=1e-4)
    assert error_p(1.959964, 1.0) == pytest.approx(0.05, abs=1e-6) and error_p(-3.0, 1.0) == error_p(3.0, 1.0)
    assert error_p(0.0, 0.0) == 1 and error_p(0.1, 0.0) == 0


def test_the_error_of_paired_samples_by_hand():
    """Ten samples, of which two are right in the first alone and one in the second alone."""
    first, second = np.zeros(10), np.zeros(10)
    first[[0, 1]], second[2] = 1, 1
    assert paired_error(first, second) == pytest.approx((first - second).std(ddof=1) / 10**0.5)
    assert paired_error(first, second) == pytest.approx(((3 - 10 * 0.1**2) / 9 / 10) ** 0.5)
    assert paired_error(first, first) == 0


def test_copies_of_samples_make_no_error_smaller():
    rng = np.random.default_rng(1)
    first, second = rng.random(50), rng.random(50)
    groups = np.repeat(np.arange(50), 3)
    thrice = paired_error(np.repeat(first, 3), np.repeat(second, 3), groups)
    assert thrice == pytest.approx(paired_error(first, second))
    assert paired_error(np.repeat(first, 3), np.repeat(second, 3)) < 0.6 * thrice
    assert paired_error(first, second, np.zeros(50, int)) is None
    uneven = np.sort(rng.integers(0, 12, 200))  # as a bootstrap of whole groups has it
    values = rng.normal(0, 1, 200) + rng.normal(0, 1, 12)[uneven]
    sums, sizes = np.bincount(uneven, values), np.bincount(uneven)
    drawn = rng.integers(0, len(sums), (20_000, len(sums)))
    spread = (sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)).std()
    assert paired_error(values, np.zeros(200), uneven) == pytest.approx(spread, rel=0.12)


def test_the_pooled_spread_by_hand():
    assert pooled_std([0.03, 0.01], [3, 2]) == pytest.approx(((2 * 0.0009 + 0.0001) / 3) ** 0.5)
    assert pooled_std([0.02, 0], [4, 1]) == pytest.approx(0.02) and pooled_std([0, 0], [1, 1]) is None
    rng = np.random.default_rng(0)
    groups = [rng.normal(place, 2, 5) for place in (0, 10, 20)]
    pooled = pooled_std([group.std(ddof=1) for group in groups], [5] * 3)
    assert pooled**2 == pytest.approx(np.mean([group.var(ddof=1) for group in groups]))
