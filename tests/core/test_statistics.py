"""Statistics worked by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import contingency_tables, multitest

from learnerkit.core.statistics import drawn_groups, holm, mcnemar, mean_interval, paired_interval


def test_mcnemar_is_the_exact_binomial_test():
    first = np.array([1] * 8 + [0] * 2 + [1] * 5 + [0] * 5, dtype=bool)
    second = np.array([0] * 8 + [1] * 2 + [1] * 5 + [0] * 5, dtype=bool)
    # 8 against 2 of 10 discordant: 2 * (1 + 10 + 45) / 1024
    assert mcnemar(first, second) == pytest.approx(2 * 56 / 1024)
    assert mcnemar(first, first) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0]) and holm([]) == []


def test_the_interval_is_that_of_the_mean():
    rng = np.random.default_rng(0)
    first, second = rng.random(400) < 0.8, rng.random(400) < 0.7
    mean, low, high = paired_interval(first, second)
    difference = first.astype(float) - second
    half = 1.96 * difference.std(ddof=1) / 20
    assert mean == pytest.approx(difference.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.01)
    assert paired_interval(first, first) == (0, 0, 0)


# groups


def test_a_group_is_exchanged_whole():
    first = np.array([1, 1, 1, 0, 1], dtype=bool)
    second = np.array([0, 0, 0, 1, 1], dtype=bool)
    # the groups a, b and c hold 2, 1 and -1: of the eight sums of +-2 +-1 +-1 six lie 2 or more from 0
    assert mcnemar(first, second, ["a", "a", "b", "c", "c"]) == pytest.approx(6 / 8)
    assert mcnemar(first, second) == pytest.approx(10 / 16)  # 3 against 1
    # what cancels within a group says nothing: 1 against 0 of the other
    assert mcnemar(np.array([1, 0, 1], bool), np.array([0, 1, 0], bool), [7, 7, 3]) == 1.0
    assert mcnemar(first, second, [0] * 5) == 1.0  # of one group nothing can be learnt


def test_a_group_is_drawn_whole():
    first, second = np.array([1.0, 1.0, 0.0]), np.zeros(3)
    # two draws of the groups (1, 1) and (0): 0, 2/3, 2/3 or 1, each a quarter of the time
    assert paired_interval(first, second, ["x", "x", "y"]) == pytest.approx((2 / 3, 0, 1))
    assert paired_interval(first, second, ["x", "x", "y"], level=0.4) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    mean, low, high = paired_interval(first, second, [1, 1, 1])
    assert mean == pytest.approx(2 / 3) and np.isnan([low, high]).all()
    assert paired_interval(first, first, [1, 1, 1]) == (0, 0, 0)


def some_results(seed, n=120):
    rng = np.random.default_rng(seed)
    return rng.random(n) < 0.85, rng.random(n) < 0.7


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_a_sample_in_its_group_change_nothing(seed):
    first, second = some_results(seed)
    groups = np.random.default_rng(seed).permutation(len(first))
    thrice = [np.repeat(values, 3) for values in (first, second, groups)]
    assert paired_interval(*thrice) == pytest.approx(paired_interval(first, second, groups), abs=1e-12)
    assert mcnemar(*thrice) == pytest.approx(mcnemar(first, second), rel=1e-9)
    low, high = paired_interval(*thrice[:2])[1:]
    whole = paired_interval(first, second)
    assert high - low < 0.7 * (whole[2] - whole[1]) and mcnemar(*thrice[:2]) < mcnemar(first, second)  # without groups


@pytest.mark.parametrize("seed", range(3))
def test_groups_of_one_sample_are_as_none(seed):
    first, second = some_results(seed)
    alone = [f"g{i}" for i in range(len(first))]
    assert paired_interval(first, second, alone) == paired_interval(first, second)
    assert mcnemar(first, second, alone) == mcnemar(first, second)
    only = int((first & ~second).sum()), int((~first & second).sum())
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_as_scipy_has_for_groups(seed):
    rng = np.random.default_rng(seed)
    first, second = some_results(seed, 60)
    groups = rng.integers(0, 12, 60)
    difference = first.astype(float) - second
    sums, sizes = np.bincount(groups, difference), np.bincount(groups)
    found = stats.permutation_test(
        (sums, np.zeros(len(sums))), lambda x, y: (x - y).sum(), permutation_type="samples", n_resamples=np.inf
    )
    assert mcnemar(first, second, groups) == pytest.approx(found.pvalue)
    drawn = stats.bootstrap(
        (sums, sizes),
        lambda total, size, axis=-1: total.sum(axis=axis) / size.sum(axis=axis),
        paired=True,
        method="percentile",
        rng=rng,
    )
    mean, low, high = paired_interval(first, second, groups)
    assert mean == pytest.approx(difference.mean())
    assert (low, high) == pytest.approx(tuple(drawn.confidence_interval), abs=0.02)


def test_clustered_luck_is_not_taken_for_a_difference():
    """Two equal classifiers whose errors come in groups of eight: one trial in twenty may say otherwise."""
    rng, alarms = np.random.default_rng(0), np.zeros(2)
    groups = np.repeat(np.arange(60), 8)
    for _ in range(200):
        first, second = (np.repeat(rng.random(60) < 0.7, 8) ^ (rng.random(480) < 0.05) for _ in range(2))
        alarms += [mcnemar(first, second, groups) < 0.05, mcnemar(first, second) < 0.05]
    assert alarms[0] <= 18 and alarms[1] > 60


def test_drawn_groups_stand_together():
    counts = drawn_groups(5, 400, ["b", "a", "b", "c", "a"])
    assert (counts[:, 0] == counts[:, 2]).all() and (counts[:, 1] == counts[:, 4]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all() and counts[:, :2].mean() == pytest.approx(1, abs=0.1)
    alone = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), size=9)
    assert (drawn_groups(6, 9) == alone).all() and (drawn_groups(4, 9, [2, 2, 2, 2]) == 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_tests_and_corrections_are_those_of_statsmodels(seed):
    first, second = some_results(seed)
    table = [[(first & second).sum(), (first & ~second).sum()], [(~first & second).sum(), (~first & ~second).sum()]]
    assert mcnemar(first, second) == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue)
    p_values = list(np.random.default_rng(seed).random(6) ** 3)
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


def test_the_mean_of_what_is_known():
    assert mean_interval(np.array([1.0, np.nan, 3.0]))[0] == 2
    assert mean_interval(np.array([1.0, np.nan, 3.0])) == paired_interval(np.array([1.0, 3.0]), np.zeros(2))
    assert np.isnan(mean_interval(np.array([np.nan, np.nan]))).all()
    with_groups = mean_interval(np.array([1.0, np.nan, 3.0, 5.0]), ["a", "a", "b", "c"])
    assert with_groups == paired_interval(np.array([1.0, 3.0, 5.0]), np.zeros(3), np.array(["a", "b", "c"]))
