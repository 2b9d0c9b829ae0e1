"""Equal samples and near copies as pairs of a report: within parts and across them, each once."""

import numpy as np
import pytest
from PIL import Image

from learnerkit.classify.source import ImageSource
from learnerkit.data.alike import alike_lines, equal_pairs, near_pairs
from learnerkit.data.copies import copy_groups
from learnerkit.data.near_copies import near_copies_across, near_copies_within, parts_looked_through
from learnerkit.data.split import Split


def textures(n, seed=0):
    """Pictures with details of their own, uint8 [n,3,32,32]."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 9, 9, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in small]
    return np.stack(large).transpose(0, 3, 1, 2)


@pytest.fixture
def source():
    """40 pictures: 30 is 1 again and 31 is 2 mirrored, both in test; 4 is 3 again, 6 is 5 mirrored, both in train."""
    images = textures(40)
    images[30], images[31], images[4], images[6] = images[1], images[2][:, :, ::-1], images[3], images[5][:, :, ::-1]
    return ImageSource("set", images, np.arange(40) % 2, ["a", "b"])


SPLIT = Split(np.arange(20), np.arange(20, 28), np.arange(28, 40))
PARTS = np.array(["train"] * 20 + ["valid"] * 8 + ["test"] * 12)


def test_equal_samples_are_pairs_with_the_first_and_those_across_stand_first(source):
    pairs = equal_pairs(source, PARTS)
    assert [(p["name"], p["part"], p["other"], p["other_part"]) for p in pairs] == [
        ("30", "test", "1", "train"),
        ("4", "train", "3", "train"),
    ]
    assert {pair["kind"] for pair in pairs} == {"equal"}


def test_three_equal_samples_are_two_pairs():
    assert copy_groups(np.array([0, 1, 0, 3, 0, 3])) == [[0, 2, 4], [3, 5]]
    assert copy_groups(None) == []


def test_near_copies_within_a_part_stand_once_and_equal_ones_are_not_among_them(source):
    (pair,) = near_copies_within(source, SPLIT)
    assert {pair.name, pair.other} == {"5", "6"} and (pair.part, pair.other_part) == ("train", "train")
    assert pair.kind == "mirrored"


def test_pairs_across_come_before_those_within(source):
    source.near_copies = near_copies_across(source, SPLIT)
    names = [{pair["name"], pair["other"]} for pair in near_pairs(source, SPLIT)]
    assert names == [{"31", "2"}, {"5", "6"}]
    assert near_pairs(source, None) == [vars(source.near_copies[0])]


def test_what_is_said_of_pairs_inside_a_part(source):
    source.near_copies = near_copies_across(source, SPLIT)
    lines = alike_lines(source, equal_pairs(source, PARTS), near_pairs(source, SPLIT), SPLIT)
    assert lines[0] == (None, "within train, 1 are equal to another, such as 4 of 3")
    assert lines[1][0] is True and lines[1][1].startswith("within train, 1 pair(s) are near copies, such as ")
    assert len(lines) == 2


def test_a_part_of_too_many_samples_is_passed_over_and_said(source, monkeypatch):
    monkeypatch.setattr("learnerkit.data.near_copies.MOST_WITHIN", 15)
    assert parts_looked_through(SPLIT) == ["valid", "test"] and near_copies_within(source, SPLIT) == []
    assert alike_lines(source, [], [], SPLIT) == [
        (True, "train has too many samples to be looked through for near copies within it")
    ]
