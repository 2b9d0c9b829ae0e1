"""The parts of a set that a training is given: dealt, checked, and warnings where copies or near copies are in two."""

from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.warn import warn
from learnerkit.data.copies import warn_of_copies_across
from learnerkit.data.near_copies import warn_of_near_copies
from learnerkit.data.source import Source
from learnerkit.data.split import Shares, Split, check_classes, make_split


def parts_of(
    source: Source,
    bs: int,
    split: Shares,
    split_seed: int,
    limit: int | None,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    **more: Any,
) -> Split:
    """Who is trained on, validated on and tested on; DataError naming the set where it cannot be trained so.

    bs: samples a batch, of which the training part needs one; split, split_seed: see `make_split`.
    limit: only so many samples of each part.
    labels: class numbers to stratify by, which must all be trained on; None where a sample has none or several.
    groups: samples that stay together; copies of one sample when None.
    more: of `make_split`.
    """
    for note in source.notes:
        warn(f"{source.name}: {note}")
    copies, alike = source.copies, np.zeros(len(source), dtype=np.int64)
    groups = copies if groups is None else groups
    try:
        dealt_by = alike if labels is None else labels
        parts = make_split(dealt_by, source.parts, split, split_seed, groups, limit=limit, **more)
    except DataError as error:
        again = len(copies) - len(np.unique(copies)) if copies is not None else 0
        note = f" {again} of {len(source)} samples are copies of others; copies stay in one part." if again else ""
        raise DataError(f"{source.name}: {error}{note}") from error
    if not parts.valid_is_test:
        warn_of_copies_across(source, parts)
    if labels is not None:
        check_classes(source.name, parts, labels)
    if bs < 1:
        raise DataError(f"bs={bs}: a batch has 1 sample or more")
    if len(parts.train) < bs:
        raise DataError(f"{source.name}: {len(parts.train)} training samples make no batch of {bs}; pass a smaller bs")
    if not parts.valid_is_test:
        warn_of_near_copies(source, parts)
    return parts
