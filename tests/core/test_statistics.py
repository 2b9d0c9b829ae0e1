"""Statistics worked by hand."""

import numpy as np
import pytest

from learnerkit.core.statistics import holm, mcnemar, paired_interval


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
