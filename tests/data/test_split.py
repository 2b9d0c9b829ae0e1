"""Splits: stratified, fixed, grouped; one that does not fit the set is refused."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from learnerkit.classify.digits import read_digits
from learnerkit.classify.dls import array_dls
from learnerkit.core.errors import DataError
from learnerkit.data.split import check_classes, deal, make_split


def test_split_is_stratified_fixed_and_exact():
    labels = read_digits().labels
    split = make_split(labels, np.full(len(labels), ""))
    assert split.counts == {"train": 1257, "valid": 270, "test": 270}
    everything = np.concatenate([split.train, split.valid, split.test])
    assert sorted(everything.tolist()) == list(range(1797))
    for rows in (split.valid, split.test):
        share = np.bincount(labels[rows], minlength=10) / np.bincount(labels, minlength=10)
        assert (abs(share - 0.15) < 0.01).all()
    again = make_split(labels, np.full(len(labels), ""))
    ids = [str(n) for n in range(1797)]
    assert split.hash(ids) == again.hash(ids)
    assert split.hash(ids) != make_split(labels, np.full(len(labels), ""), split_seed=1).hash(ids)


def test_groups_never_fall_into_two_parts():
    labels = np.repeat([0, 1], 60)
    groups = np.repeat(np.arange(40), 3)
    parts = deal(labels, (0.6, 0.2, 0.2), 0, groups)
    for first in range(3):
        for second in range(first):
            assert not set(groups[parts[first]]) & set(groups[parts[second]])
    assert [len(part) for part in parts] == [72, 24, 24]


def test_official_parts_and_valid_on_test():
    labels, parts = np.arange(120) % 3, np.array(["train"] * 90 + ["test"] * 30)
    split = make_split(labels, parts, (0.8, 0.2))
    assert split.counts == {"train": 72, "valid": 18, "test": 30}
    compared = make_split(labels, parts, "test")
    assert compared.valid_is_test and np.array_equal(compared.valid, compared.test) and len(compared.train) == 90
    assert make_split(labels, parts).counts == {"train": 81, "valid": 9, "test": 30}


NONE, OFFICIAL, WHOLE = np.full(60, ""), np.repeat(["train", "test"], 30), np.repeat(["train", "valid", "test"], 20)


@pytest.mark.parametrize(
    ("parts", "split", "words"),
    [
        (NONE, (0.9, 0.1), r"split=\(0.9, 0.1\): the files name no parts; give three shares"),
        (NONE, "test", "name no test part to validate on"),
        (NONE, "valid", "three shares .*, two .*, or 'test'"),
        (NONE, (0.5, 0.5, 0.5), "sum to 1"),
        (NONE, (0.0, 0.5, 0.5), "train above 0"),
        (NONE, (1.5, -0.5, 0.0), "0 or more"),
        (OFFICIAL, (0.7, 0.15, 0.15), "name the parts train, test; give two shares"),
        (OFFICIAL, (0.9, 0.2), "sum to 1"),
        (WHOLE, (0.9, 0.1), "name the parts train, valid, test themselves; leave split out"),
        (WHOLE, (0.7, 0.15, 0.15), "leave split out"),
        (np.repeat(["valid", "test"], 30), None, "but no train part"),
    ],
)
def test_a_split_that_does_not_fit_the_set_is_refused(parts, split, words):
    with pytest.raises(DataError, match=words):
        make_split(np.arange(60) % 2, parts, split)


def test_impossible_splits_are_refused_and_thin_ones_warned_of():
    parts = np.array(["train"] * 20 + ["valid"] * 10 + ["test"] * 10)
    strange = np.where(np.arange(40) == 25, 2, np.arange(40) % 2)
    thin = np.where(np.arange(40) >= 30, 0, np.arange(40) % 2)
    for vocab, said in ((("cat", "dog"), "cat"), ((), "0")):
        with pytest.raises(DataError, match=rf"one class only \({said}\)"):
            check_classes("s", make_split(np.zeros(40, int), parts), np.zeros(40, int), vocab)
    with pytest.raises(DataError, match=r"class\(es\) 2 stand in valid but not in train"):
        check_classes("s", make_split(strange, parts), strange)
    with pytest.warns(UserWarning, match="no image in test"):
        check_classes("s", make_split(thin, parts), thin)
    with pytest.raises(DataError, match="cannot hold every class"):
        make_split(np.arange(40) % 20, np.full(40, ""))
    different = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8) + np.arange(40, dtype=np.uint8)[:, None, None]
    with pytest.raises(DataError, match="make no batch of 64"):
        array_dls(different, np.arange(40) % 2, bs=64)
    with pytest.raises(DataError, match=r"valid part is empty.*39 of 40 samples are copies of others"):
        array_dls(np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2, bs=8)


def every_class_everywhere(labels, parts):
    return all(set(labels[part]) == set(labels) for part in parts)


@pytest.mark.filterwarnings("ignore:parts of")
@pytest.mark.parametrize("shares", [(0.7, 0.15, 0.15), (0.8, 0.1, 0.1), (0.4, 0.3, 0.3), (0.9, 0.1), (0.8, 0.0, 0.2)])
def test_a_class_of_three_stands_in_every_part(shares):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        counts = rng.integers(3, 20, rng.integers(2, 25))
        labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
        parts = deal(labels, shares, seed)
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
        assert every_class_everywhere(labels, [part for part, share in zip(parts, shares, strict=True) if share])
        for part, share in list(zip(parts, shares, strict=True))[1:]:
            assert len(part) == (max(round(share * len(labels)), len(counts)) if share else 0)
        assert all(np.array_equal(one, other) for one, other in zip(parts, deal(labels, shares, seed), strict=True))


def test_small_classes_beside_large_ones_keep_the_sizes_and_groups_whole():
    labels = np.repeat(np.arange(5), [100, 60, 30, 4, 3])
    parts = deal(labels, (0.7, 0.15, 0.15), 42)
    assert [len(part) for part in parts] == [137, 30, 30] and every_class_everywhere(labels, parts)
    assert [np.bincount(labels[part]).tolist()[3:] for part in parts[1:]] == [[1, 1], [1, 1]]
    labels = np.repeat(np.arange(5), [99, 60, 30, 12, 9])
    groups = np.arange(len(labels)) // 3
    whole = deal(labels, (0.7, 0.15, 0.15), 42, groups)
    assert not set(groups[whole[0]]) & set(groups[whole[1]]) and not set(groups[whole[1]]) & set(groups[whole[2]])
    assert every_class_everywhere(labels, whole)


def test_a_split_that_was_good_is_what_it_was():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    rest, test = train_test_split(np.arange(100), test_size=15, random_state=7, stratify=labels)
    rest, valid = train_test_split(np.sort(rest), test_size=15, random_state=7, stratify=labels[np.sort(rest)])
    parts = deal(labels, (0.7, 0.15, 0.15), 7)
    assert [set(part) for part in parts] == [set(rest), set(valid), set(test)]


def test_parts_that_grow_are_said_and_two_are_too_few():
    with pytest.warns(UserWarning, match=r"parts of \[4, 4, 4\] and not \[8, 2, 2\], so that each of 4 classes"):
        parts = deal(np.repeat(np.arange(4), 3), (0.7, 0.15, 0.15), 0)
    assert [len(part) for part in parts] == [4, 4, 4]
    with pytest.raises(DataError, match="cannot hold every class"):
        deal(np.repeat(np.arange(4), [3, 3, 3, 1]), (0.7, 0.15, 0.15), 0)
