"""Rows dealt into parts by lot: stratified, seeded, groups whole, no class left out of a part that it could be in."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import train_test_split

from learnerkit.core.errors import DataError
from learnerkit.core.warn import warn


def deal(labels: np.ndarray, shares: Sequence[float], seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Deal rows into parts so that each class is spread by `shares` and no group is divided.

    A class of as many groups as there are parts, or more, stands in every part: where the lot leaves it out of one,
    another is drawn that does not, in the same sizes as long as every such class finds room in them.

    labels: int64 [N].
    shares: one a part, summing to 1; the sizes are exact to a row where groups are single rows.
    seed: the split's own seed.
    groups: [N] group names; every row its own group when None. A group counts as of the class of its first row.
    """
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    classes, sizes = labels[first], [round(share * len(first)) for share in shares]
    taken = [size for size in sizes[1:] if size]
    try:
        dealt = _by_lot(classes, sizes, seed)
        if not _everywhere(classes, [dealt == part for part in np.unique(dealt)]):
            dealt = _one_in_each(classes, sizes, seed)
    except ValueError as error:
        if np.unique(classes, return_counts=True)[1].min() <= len(taken):
            raise DataError(
                f"a part of {min(taken)} out of {len(first)} cannot hold every class ({error}). "
                "Give each class more images, or a larger part."
            ) from error
        dealt = _one_in_each(classes, sizes, seed)
    if (found := np.bincount(dealt, minlength=len(sizes)).tolist())[1:] != sizes[1:]:
        what = "" if len(first) == len(labels) else " groups"
        warn(f"parts of {found}{what} and not {sizes}, so that each of {len(np.unique(classes))} classes stands in all")
    return [np.flatnonzero(dealt[members] == part) for part in range(len(shares))]


def _by_lot(classes: np.ndarray, sizes: Sequence[int], seed: int) -> np.ndarray:
    """The part of each unit, int64 [N]; ValueError where a part is too small for the classes."""
    dealt, units = np.zeros(len(classes), dtype=np.int64), np.arange(len(classes))
    for part in reversed(range(1, len(sizes))):
        if sizes[part]:
            units, held = train_test_split(units, test_size=sizes[part], random_state=seed, stratify=classes[units])
            units = np.sort(units)
            dealt[held] = part
    return dealt


def _everywhere(classes: np.ndarray, parts: Sequence[np.ndarray]) -> bool:
    """Whether each class that has a unit for every part stands in all of them."""
    names, counts = np.unique(classes, return_counts=True)
    large = names[counts >= len(parts)]
    return all(np.isin(large, classes[part]).all() for part in parts)


def _one_in_each(classes: np.ndarray, sizes: Sequence[int], seed: int) -> np.ndarray:
    """The part of each unit such that every class that can stands in every part; smaller classes are trained on."""
    held = [part for part in range(1, len(sizes)) if sizes[part]]
    names, members, counts = np.unique(classes, return_inverse=True, return_counts=True)
    large = counts > len(held)
    want = np.array([sizes[part] / len(classes) * counts for part in held])
    give = np.where(large, np.maximum(np.floor(want), 1), 0).astype(np.int64)
    while (full := give.sum(axis=0) >= counts).any():  # a class keeps one to be trained on
        code = np.flatnonzero(full & large)[0]
        give[give[:, code].argmax(), code] -= 1
    for number, part in enumerate(held):
        while missing := sizes[part] - give[number].sum():
            movable = large & (give.sum(axis=0) < counts - 1 if missing > 0 else give[number] > 1)
            if not movable.any():
                break
            short = np.where(movable, np.sign(missing) * (want[number] - give[number]), -np.inf)
            give[number, short.argmax()] += np.sign(missing)
    dealt, rng = np.zeros(len(classes), dtype=np.int64), np.random.default_rng(seed)
    for code in range(len(names)):
        order = rng.permutation(np.flatnonzero(members == code))
        dealt[order[: give[:, code].sum()]] = np.repeat(held, give[:, code])
    return dealt
