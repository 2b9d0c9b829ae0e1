"""Stratified, seeded, grouped splits into train, valid and test, with a hash that says which one it was."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from learnerkit.core.errors import DataError

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Row numbers of each part.

    train, valid, test: int64 rows; train and test sorted, valid shuffled so that its first batches stand for the whole;
        test may be empty.
    valid_is_test: the comparison mode in which valid and test are the same rows.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    valid_is_test: bool = False

    def hash(self, ids: Sequence[str]) -> str:
        """Hash over the names in each part."""
        digest = hashlib.sha256()
        for part in PARTS:
            text = part + "\n" + "\n".join(ids[row] for row in getattr(self, part)) + "\n"
            digest.update(text.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]

    def limited(self, n: int) -> "Split":
        """At most `n` rows of each part, evenly spaced, so that files sorted by class keep all classes."""
        parts = [getattr(self, part) for part in PARTS]
        kept = [rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int)] for rows in parts]
        return Split(*kept, self.valid_is_test)

    @property
    def counts(self) -> dict[str, int]:
        """Images in each part."""
        return {part: len(getattr(self, part)) for part in PARTS}


def deal(
    labels: np.ndarray, fractions: Sequence[float], seed: int, groups: np.ndarray | None = None
) -> list[np.ndarray]:
    """Deal rows into parts so that each class is spread by `fractions` and no group is divided.

    labels: int64 [N].
    fractions: one a part, summing to 1; the sizes are exact to a row where groups are single rows.
    seed: the split's own seed.
    groups: [N] group names; every row its own group when None. A group counts as of the class of its first row.
    """
    if abs(sum(fractions) - 1) > 1e-6 or min(fractions) < 0:
        raise DataError(f"fractions {tuple(fractions)}: must be 0 or more and sum to 1")
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    units, parts = np.arange(len(first)), []
    for number, fraction in reversed(list(enumerate(fractions))):
        size = round(fraction * len(first))
        if number == 0 or size == 0:
            part = units if number == 0 else units[:0]
        else:
            units, part = _split_off(units, labels[first], size, seed)
        parts.insert(0, np.flatnonzero(np.isin(members, part)))
    return parts


def _split_off(units: np.ndarray, labels: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        rest, part = train_test_split(units, test_size=size, random_state=seed, stratify=labels[units])
    except ValueError as error:
        raise DataError(
            f"a part of {size} out of {len(units)} cannot hold every class ({error}). "
            "Give each class more images, or a larger part."
        ) from error
    return np.sort(rest), np.sort(part)


def make_split(
    labels: np.ndarray,
    parts: np.ndarray,
    valid: float | str = 0.1,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    split_seed: int = 42,
    groups: np.ndarray | None = None,
) -> Split:
    """The split of a set, from what its files say and, where they say nothing, by lot.

    labels: int64 [N].
    parts: 'train', 'valid', 'test' or '' for each row, as the files say.
    valid: part of the official training rows to hold out when the files give no valid part; 'test' uses the test part
        as valid, for comparison with published figures that were chosen on it.
    fractions: train, valid, test, for sets whose files give no parts.
    split_seed: which lot; apart from the training seed.
    groups: rows of one group stay together.
    """
    if not np.any(parts == "train"):
        if valid == "test":
            raise DataError("valid='test': this set has no official test part; leave it out, or pass fractions")
        train, held, test = deal(labels, fractions, split_seed, groups)
        return checked(Split(train, _shuffled(held, split_seed), test), labels)
    train, held, test = (np.flatnonzero(parts == part) for part in PARTS)
    if valid == "test":
        if not len(test):
            raise DataError("valid='test': this set has no test part")
        return checked(Split(train, test, test, valid_is_test=True), labels)
    if isinstance(valid, str) or not 0 < valid < 1:
        raise DataError(f"valid={valid!r}: a part between 0 and 1 (such as .1), or 'test'")
    if not len(held):
        chosen = deal(labels[train], (1 - valid, valid), split_seed, None if groups is None else groups[train])
        train, held = train[chosen[0]], train[chosen[1]]
    return checked(Split(train, _shuffled(held, split_seed), test), labels)


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(rows)


def checked(split: Split, labels: np.ndarray) -> Split:
    """The same split, refused when it cannot be trained or validated on; a class absent from a part is a warning."""
    for part in ("train", "valid"):
        if not len(getattr(split, part)):
            raise DataError(f"the {part} part is empty: {split.counts}. Give more images or other fractions.")
    present = np.unique(labels[split.train])
    if len(present) < 2:
        raise DataError(f"the train part holds one class only (code {present[0]}); a classifier needs two or more")
    for part in ("valid", "test"):
        rows = getattr(split, part)
        absent = np.setdiff1d(labels[rows], present)
        if len(absent):
            raise DataError(f"class code(s) {absent.tolist()} stand in {part} but not in train; nothing can learn them")
        missing = np.setdiff1d(present, labels[rows])
        if len(missing) and len(rows):
            warnings.warn(
                f"{len(missing)} class(es) have no image in {part}; their figures there are undefined", stacklevel=2
            )
    return split
