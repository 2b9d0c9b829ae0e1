"""Figures of six digits beside those of nine."""

from learnerkit.core.digits import alike, has_few


def test_a_file_of_six_digits_is_told_by_its_figures():
    assert has_few([2.36320, 0.123456, 1e-7, float("nan")])
    assert not has_few([2.36320, 2.36319757])


def test_both_sides_have_the_fewer_digits():
    assert alike([2.36320, 1.5], [2.36319757, 1.50000012]) == ([2.3632, 1.5], [2.3632, 1.5])
    assert alike([2.36319757], [2.36319758]) == ([2.36319757], [2.36319758])
