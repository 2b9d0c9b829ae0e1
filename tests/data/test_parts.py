"""The parts of a set: copies stay together, are said where files part them, and a batch is made of the rest."""

import numpy as np
import pytest

from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError
from learnerkit.data.parts import parts_of
from learnerkit.data.split import make_split


def source(n=40, copies=(), parts=None):
    images = np.arange(n, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 1, 4, 4), np.uint8)
    for row in copies:
        images[row] = images[0]
    return ImageSource("s", images, np.arange(n) % 2, ["a", "b"], parts=parts)


def test_copies_stay_in_one_part():
    for seed in range(5):
        held = source(copies=(2, 4, 6))
        parts = parts_of(held, 4, (0.6, 0.2, 0.2), seed, None, held.labels)
        inside = [{0, 2, 4, 6} & set(getattr(parts, part).tolist()) for part in ("train", "valid", "test")]
        assert sorted(map(len, inside)) == [0, 0, 4]


def test_copies_that_the_files_part_are_said_but_not_where_valid_is_test():
    held = source(copies=(38,), parts=np.array(["train"] * 20 + ["test"] * 20))
    with pytest.warns(UserWarning, match="1 of 20 test samples stand in the training part too, such as 38"):
        parts_of(held, 4, (0.8, 0.2), 42, None, held.labels)
    assert parts_of(held, 4, "test", 42, None, held.labels).valid_is_test  # no warning: warnings are errors here


def test_a_limit_and_a_batch():
    held = source()
    parts = parts_of(held, 4, None, 42, 6, held.labels)
    assert parts.counts == {"train": 6, "valid": 6, "test": 6}
    with pytest.raises(DataError, match="s: 6 training samples make no batch of 8"):
        parts_of(held, 8, None, 42, 6, held.labels)
    with pytest.raises(DataError, match="bs=0"):
        parts_of(held, 0, None, 42, None, held.labels)
    with pytest.raises(DataError, match=r"s: split=\(0.9, 0.1\).*three shares"):
        parts_of(held, 4, (0.9, 0.1), 42, None, held.labels)


@pytest.mark.parametrize("split", [0.8, True, ("a", "b", "c"), b"test", (0.5, float("nan"), 0.5), (0.5, 0.6, -0.1)])
def test_a_split_that_is_none_is_refused_in_words(split):
    held = source()
    with pytest.raises(DataError, match=r"split=.*(three shares|sum to 1)"):
        parts_of(held, 4, split, 42, None, held.labels)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
def test_a_lot_is_a_whole_number(seed):
    held = source()
    with pytest.raises(DataError, match=r"split_seed=.* a whole number from 0"):
        parts_of(held, 4, None, seed, None, held.labels)


@pytest.mark.parametrize("limit", [0, -1, 2.5])
def test_a_limit_is_one_or_more(limit):
    held = source()
    with pytest.raises(DataError, match=r"limit=.* 1 or more; None for all"):
        parts_of(held, 4, None, 42, limit, held.labels)


def test_who_decided_the_parts_is_said():
    held = source()
    assert parts_of(held, 4, None, 42, None, held.labels).by == "lot (split_seed 42, shares 0.7 / 0.15 / 0.15)"
    parted = source(parts=np.array(["train"] * 30 + ["test"] * 10))
    assert (
        parts_of(parted, 4, None, 42, None, parted.labels).by == "files; valid by lot (split_seed 42, shares 0.9 / 0.1)"
    )
    lists = {"train": ["2", "0"], "valid": ["5"], "test": ["9"]}
    with pytest.warns(UserWarning, match=r"are new, for the given parts name none of them: 1, 3, 4 and \d+ more"):
        dealt = parts_of(held, 2, lists, 42, None)
    assert dealt.by == "lists" and dealt.train.tolist() == [2, 0]
    assert parts_of(held, 1, lists, 42, 1).counts == {"train": 1, "valid": 1, "test": 1}
    for wrong, said in (
        ({"train": ["0"], "val": ["1"]}, "there is no part 'val'"),
        ({"train": ["0", "nobody"]}, r"1 listed sample\(s\) are not in the set, or not any more: nobody"),
        ({"train": ["0", "1"], "valid": ["1"]}, r"1 sample\(s\) are listed more than once: 1"),
    ):
        with pytest.raises(DataError, match=said):
            parts_of(held, 1, wrong, 42, None)


def test_a_valid_part_that_is_left_out_for_the_test_part_is_said():
    labels, parts = np.arange(12) % 2, np.repeat(["train", "valid", "test"], 4)
    with pytest.warns(UserWarning, match="the 4 samples of the valid part that the files name are left out"):
        assert make_split(labels, parts, "test").valid.tolist() == [8, 9, 10, 11]


def test_the_set_says_what_its_lot_did_not_divide():
    held = source(copies=(2, 4, 6))
    parts_of(held, 4, (0.6, 0.2, 0.2), 42, None, held.labels)
    assert held.groups[:8].tolist() == [0, 1, 0, 3, 0, 5, 0, 7]
    held, named = source(), [f"image{row // 4}" for row in range(40)]
    parts = parts_of(held, 4, (0.6, 0.2, 0.2), 42, None, held.labels, groups=np.array(named))
    assert held.groups.tolist() == named
    assert not {named[row] for row in parts.train} & {named[row] for row in (*parts.valid, *parts.test)}
    alone = source()
    parts_of(alone, 4, (0.6, 0.2, 0.2), 42, None, alone.labels)
    assert alone.groups is None
