"""Figures of files that were written with six digits beside those with nine."""

from collections.abc import Sequence

FEW = 6  # digits that batch_metrics.csv had once


def has_few(values: Sequence[float]) -> bool:
    """Whether no figure says more than six digits, as in a file of an earlier version."""
    return all(value != value or value == few(value) for value in values)


def few(value: float) -> float:
    """A figure with six digits."""
    return float(f"{value:.{FEW}g}")


def alike(first: Sequence[float], second: Sequence[float]) -> tuple[list[float], list[float]]:
    """Both with as many digits as the one that has fewer."""
    if has_few(first) or has_few(second):
        return [few(value) for value in first], [few(value) for value in second]
    return list(first), list(second)
