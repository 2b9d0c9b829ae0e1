"""Stratified, seeded, grouped splits into train, valid and test, with a hash that says which one it was."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from types import NoneType

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.members import PARTS
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.data.deal import deal

Shares = Sequence[float] | Mapping[str, Sequence[str]] | str | None


@dataclass(frozen=True)
class Split:
    """Row numbers of each part.

    train, valid, test: int64 rows; train and test sorted, valid shuffled so that its first batches stand for the whole;
        test may be empty.
    valid_is_test: the comparison mode in which valid and test are the same rows.
    by: who decided, in words: the files, a lot with its seed and shares, or lists.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    valid_is_test: bool = False
    by: str = ""

    def hash(self, ids: Sequence[str]) -> str:
        """Hash over the names in each part."""
        digest = hashlib.sha256()
        for part in PARTS:
            text = part + "\n" + "\n".join(ids[row] for row in getattr(self, part)) + "\n"
            digest.update(text.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]

    def limited(self, n: int | None) -> "Split":
        """At most `n` rows of each part, evenly spaced, so that files sorted by class keep all classes."""
        if n is None:
            return self
        if not isinstance(n, Integral) or n < 1:
            raise DataError(f"limit={n}: so many samples of each part, 1 or more; None for all")
        few = {part: getattr(self, part)[evenly(len(getattr(self, part)), n)] for part in PARTS}
        return replace(self, **few)

    @property
    def counts(self) -> dict[str, int]:
        """Samples in each part."""
        return {part: len(getattr(self, part)) for part in PARTS}


def evenly(n: int, k: int) -> np.ndarray:
    """At most `k` positions out of `n`, evenly spaced, the first and the last among them."""
    return np.linspace(0, n - 1, min(k, n)).astype(int)


def make_split(
    labels: np.ndarray,
    parts: np.ndarray,
    split: Shares = None,
    split_seed: int = 42,
    groups: np.ndarray | None = None,
    default: Sequence[float] = (0.7, 0.15, 0.15),
    held_out: float = 0.1,
    shuffle_valid: bool = True,
    limit: int | None = None,
) -> Split:
    """The split of a set, from what its files say and, where they say nothing, by lot.

    labels: int64 [N].
    parts: 'train', 'valid', 'test' or '' for each row, as the files say; any other word stands in no part.
    split: three shares (train, valid, test) for a set whose files name no parts; two (train, valid) divide the training
        part that its files name, and keep their test part; 'test' validates on that test part, for comparison with
        figures that were chosen on it. DataError where the set does not fit it.
    split_seed: which lot; apart from the training seed.
    groups: rows of one group stay together.
    default, held_out: the three shares, and the share of the training part, where `split` is None.
    shuffle_valid: so that the first batches of the valid part stand for the whole of it.
    limit: only so many rows of each part.
    """
    whole = _dealt(labels, parts, split, split_seed, groups, default, held_out, shuffle_valid)
    for part in ("train", "valid"):
        if not len(getattr(whole, part)):
            raise DataError(f"the {part} part is empty: {whole.counts}. Give more samples or other shares (split=).")
    return whole.limited(limit)


def _dealt(
    labels: np.ndarray,
    parts: np.ndarray,
    split: Shares,
    split_seed: int,
    groups: np.ndarray | None,
    default: Sequence[float],
    held_out: float,
    shuffle_valid: bool,
) -> Split:
    if not isinstance(split_seed, Integral) or not 0 <= split_seed < 2**32:
        raise DataError(f"split_seed={split_seed!r}: a whole number from 0 is needed; which lot decides the parts")
    arranged = partial(_shuffled, seed=split_seed) if shuffle_valid else np.sort
    named = [part for part in PARTS if np.any(parts == part)]
    if named and "train" not in named:
        raise DataError(f"the files name the part(s) {', '.join(named)} but no train part")
    shares = _shares(split, named, default, held_out)
    if not named:
        train, held, test = deal(labels, shares, split_seed, groups)
        return Split(train, arranged(held), test, by=f"lot ({_lot(split_seed, shares)})")
    train, held, test = (np.flatnonzero(parts == part) for part in PARTS)
    if split == "test":
        if len(held):
            warn(f"split='test': the {len(held):,} samples of the valid part that the files name are left out")
        return Split(train, test, test, valid_is_test=True, by="files")
    if shares is not None:
        chosen = deal(labels[train], shares, split_seed, None if groups is None else groups[train])
        train, held = train[chosen[0]], train[chosen[1]]
    by = "files" if shares is None else f"files; valid by lot ({_lot(split_seed, shares)})"
    return Split(train, arranged(held), test, by=by)


def _lot(split_seed: int, shares: Sequence[float]) -> str:
    return f"split_seed {split_seed}, shares {' / '.join(f'{share:g}' for share in shares)}"


def _shares(split: Shares, named: list[str], default: Sequence[float], held_out: float) -> Sequence[float] | None:
    """The shares to deal by; None where the files say everything. DataError where `split` does not fit the files."""
    what = f"split={split!r}"
    if not isinstance(split, (str, NoneType)):
        try:
            split = tuple(float(share) for share in split)
        except (TypeError, ValueError):
            raise DataError(
                f"{what}: three shares (train, valid, test) such as (.7, .15, .15), two (train, valid), or 'test'"
            ) from None
    if isinstance(split, str):
        if split != "test":
            raise DataError(f"{what}: three shares (train, valid, test), two (train, valid), or 'test'")
        if "test" not in named:
            raise DataError(f"{what}: the files name no test part to validate on; give shares, such as .7,.15,.15")
        return None
    if not named:
        if split is not None and len(split) != 3:
            raise DataError(f"{what}: the files name no parts; give three shares (train, valid, test) that sum to 1")
        return _checked_shares(default if split is None else split, what)
    if "valid" in named:
        if split is not None:
            raise DataError(f"{what}: the files name the parts {', '.join(named)} themselves; leave split out")
        return None
    if split is not None and len(split) != 2:
        raise DataError(
            f"{what}: the files name the parts {', '.join(named)}; give two shares (train, valid) of their train part, "
            "such as .9,.1"
        )
    return _checked_shares((1 - held_out, held_out) if split is None else split, what)


def _checked_shares(shares: Sequence[float], what: str) -> Sequence[float]:
    if not abs(sum(shares) - 1) <= 1e-6 or min(shares) < 0 or not shares[0] > 0:
        raise DataError(f"{what}: shares are 0 or more, train above 0, and sum to 1")
    return shares


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(rows)


def check_classes(name: str, split: Split, labels: np.ndarray, vocab: Sequence[str] = ()) -> None:
    """DataError when a classifier cannot learn what it is measured on; a class absent from a part is a warning.

    name: of the set; vocab: class names, for the message.
    """
    present = np.unique(labels[split.train])
    if len(present) < 2:
        lone = _named(present, vocab)
        raise DataError(f"{name}: the train part holds one class only ({lone}); two or more are needed")
    for part in ("valid", "test"):
        rows = getattr(split, part)
        absent = np.setdiff1d(labels[rows], present)
        if len(absent):
            raise DataError(
                f"{name}: class(es) {_named(absent, vocab)} stand in {part} but not in train; nothing can learn them"
            )
        missing = np.setdiff1d(present, labels[rows])
        if len(missing) and len(rows):
            warn(f"{name}: {len(missing)} class(es) have no image in {part}; their figures there are undefined")


def _named(codes: np.ndarray, vocab: Sequence[str]) -> str:
    """The names of classes in a message; a code that has none is itself."""
    return some([vocab[code] if code < len(vocab) else code for code in codes.tolist()])
