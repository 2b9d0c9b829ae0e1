"""Counts of classes in parts, and what is said of them: worked by hand."""

import numpy as np
import pytest

from learnerkit.data.balance import balance_lines, class_counts, imbalance, parts_by_row
from learnerkit.data.split import Split


def counts(**all_of):
    """Classes by their name: train, valid, test."""
    keys = ("train", "valid", "test")
    return [{"name": n, "all": sum(of), **dict(zip(keys, of, strict=True))} for n, of in all_of.items()]


def test_counts_by_class_and_part():
    split = Split(np.array([0, 1, 2]), np.array([4]), np.array([3]))
    parts = parts_by_row(split, 6)
    assert parts.tolist() == ["train", "train", "train", "test", "valid", ""]
    rows = class_counts(np.array([0, 0, 1, 1, 0, 0]), parts, ["a", "b", "c"])
    assert rows == [
        {"name": "a", "all": 4, "train": 2, "valid": 1, "test": 0},
        {"name": "b", "all": 2, "train": 1, "valid": 0, "test": 1},
        {"name": "c", "all": 0, "train": 0, "valid": 0, "test": 0},
    ]
    assert parts_by_row(None, 2).tolist() == ["", ""]


def test_imbalance_is_the_ratio_of_ends_and_the_share_of_the_largest():
    found = imbalance(counts(a=(60, 0, 0), b=(10, 0, 0), c=(30, 0, 0), d=(0, 0, 0)))
    assert found == {"largest": "a", "smallest": "b", "ratio": 6.0, "guess": 0.6, "absent": ["d"]}
    assert imbalance(counts(a=(0, 0, 0))) is None


def warned(classes, things="images", **more):
    return [text for good, text in balance_lines(classes, things, **more) if good is None]


def test_unequal_classes_are_warned_of_from_five_times_on():
    (line,) = warned(counts(a=(100, 50, 50), b=(20, 10, 10)), remedy="; mend it")
    assert line.startswith(
        "classes are unequal: 5 times as many images of 'a' (200) as of 'b' (40); 83.3% of all are 'a'"
    )
    assert line.endswith("which always guessing it gets right; mend it")
    assert "guessing" not in warned(counts(a=(100, 50, 50), b=(20, 10, 10)), guessed=False)[0]
    assert not warned(counts(a=(99, 50, 50), b=(20, 10, 10)))
    assert balance_lines(counts(a=(20, 10, 10), b=(20, 10, 10)), "images") == [(True, "40 images of each class")]


def test_classes_with_too_few_in_a_part_are_counted_by_part():
    (line,) = warned(counts(a=(50, 10, 9), b=(40, 12, 10), c=(30, 3, 2)))
    assert "of 3 classes, so many have fewer than 10 images: 1 in valid, 2 in test, such as 'c' (3 in valid)" in line


def test_a_part_that_does_not_exist_has_not_too_few():
    assert not warned(counts(a=(50, 10, 0), b=(40, 12, 0)))


@pytest.mark.parametrize("things", ["images", "boxes"])
def test_absent_classes_and_nothing_at_all(things):
    assert any(
        f"1 class(es) have no {things} at all: b" in line
        for line in warned(counts(a=(20, 20, 20), b=(0, 0, 0)), things)
    )
    assert warned(counts(a=(0, 0, 0)), things) == [f"there are no {things}"]
