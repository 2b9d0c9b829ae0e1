"""Samples that stand in a set more than once: kept in one part of a split; contradicting labels are named."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from learnerkit.data.faults import Fault
from learnerkit.data.source import Source, tell
from learnerkit.data.split import Split


def first_copies(contents: Iterable[bytes | str]) -> np.ndarray:
    """For each content the number of the first equal one, int64 [N]."""
    first: dict[bytes | str, int] = {}
    return np.array([first.setdefault(content, number) for number, content in enumerate(contents)], dtype=np.int64)


def merged_groups(groups: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Group numbers such that samples of one group, and copies of one sample, share one.

    groups: names [N]; copies: `first_copies` [N], or any numbers that are equal for copies.
    """
    _, first = np.unique(groups, return_inverse=True)
    _, second = np.unique(copies, return_inverse=True)
    n = int(first.max()) + 1
    edges = coo_array((np.ones(len(first)), (first, second + n)), shape=(n + int(second.max()) + 1,) * 2)
    return connected_components(edges, directed=False)[1][first]


def copy_groups(copies: np.ndarray | None) -> list[list[int]]:
    """The rows of each content that stands in a set more than once, in order; copies: as a set has them."""
    if copies is None:
        return []
    order = np.argsort(copies, kind="stable")
    _, begins = np.unique(copies[order], return_index=True)
    return [group.tolist() for group in np.split(order, begins[1:]) if len(group) > 1]


def digests(rows: np.ndarray) -> Iterable[bytes]:
    """A 16-byte digest of each row of an array."""
    return (hashlib.blake2b(np.ascontiguousarray(row), digest_size=16).digest() for row in rows)


def contradictions(copies: np.ndarray, labels: np.ndarray, names: Sequence[str], vocab: Sequence[str]) -> list[Fault]:
    """A fault for each sample whose content stands in the set under another class as well."""
    faults = []
    differing = {int(first) for first, label in zip(copies, labels, strict=True) if labels[first] != label}
    for row in np.flatnonzero(np.isin(copies, sorted(differing))):
        others = np.flatnonzero((copies == copies[row]) & (labels != labels[row]))
        other, code = others[0], labels[others[0]]
        reason = f"the same content as {names[other]}, which is of class '{vocab[code]}'"
        faults.append(Fault(str(names[row]), f"of class '{vocab[labels[row]]}', {reason}"))
    return faults


def warn_of_copies_across(source: Source, split: Split) -> None:
    """One warning when a sample of valid or test stands in the training part too."""
    if source.copies is None:
        return
    trained = set(source.copies[split.train].tolist())
    for part in ("valid", "test"):
        rows = getattr(split, part)
        again = [row for row in rows if int(source.copies[row]) in trained]
        if again:
            tell(
                source,
                f"{len(again)} of {len(rows)} {part} samples stand in the training part too, such as "
                f"{source.ids[again[0]]}; the figures of {part} flatter",
            )
