"""The parts of a set that a training is given: dealt, checked, and warnings where copies or near copies are in two."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.members import PARTS
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.data.copies import warn_of_copies_across
from learnerkit.data.near_copies import warn_of_near_copies
from learnerkit.data.source import Source, tell
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
    groups: samples that stay together, as the set then says too; copies of one sample when None.
    more: of `make_split`.
    """
    source.found = []
    for note in source.notes:
        warn(f"{source.name}: {note}")
    copies, alike = source.copies, np.zeros(len(source), dtype=np.int64)
    source.groups = groups = copies if groups is None else groups  # a comparison resamples what is dealt
    try:
        dealt_by = alike if labels is None else labels
        if isinstance(split, Mapping):
            parts = split_by_ids(source, split, told=limit is None).limited(limit)
        else:
            parts = make_split(dealt_by, source.parts, split, split_seed, groups, limit=limit, **more)
    except DataError as error:
        dealt = copies is not None and not isinstance(split, Mapping)
        again = len(copies) - len(np.unique(copies)) if dealt else 0
        note = f" {again} of {len(source)} samples are copies of others; copies stay in one part." if again else ""
        raise DataError(f"{source.name}: {str(error).rstrip('.')}.{note}") from error
    named = np.isin(source.parts, PARTS)
    if named.any() and not named.all() and not isinstance(split, Mapping):
        aside = [source.ids[row] for row in np.flatnonzero(~named)]
        tell(source, f"{len(aside):,} sample(s) stand in no part by the files, left out: {some(aside)}")
    if not parts.valid_is_test:
        warn_of_copies_across(source, parts)
    if labels is not None:
        check_classes(source.name, parts, labels, source.vocab)
    if bs < 1:
        raise DataError(f"bs={bs}: a batch has 1 sample or more")
    if len(parts.train) < bs:
        raise DataError(
            f"{source.name}: {len(parts.train)} training samples make no batch of {bs}; pass a smaller bs (--bs "
            f"{len(parts.train)} or less)"
        )
    if not parts.valid_is_test:
        warn_of_near_copies(source, parts)
    return parts


def split_by_ids(source: Source, given: Mapping[str, Sequence[str]], told: bool = True) -> Split:
    """The split that lists of names say; a sample in no list is in no part.

    given: names of the samples of 'train', 'valid' and 'test'. DataError where one is not in the set, or stands twice.
    told: whether samples in no list are warned of.
    """
    if unknown := [part for part in given if part not in PARTS]:
        raise DataError(f"split: there is no part '{unknown[0]}'; {', '.join(PARTS)} there are")
    rows = {name: row for row, name in enumerate(source.ids)}
    lists = {part: [str(name) for name in given.get(part, ())] for part in PARTS}
    gone = [name for names in lists.values() for name in names if name not in rows]
    if gone:
        raise DataError(f"split: {len(gone):,} listed sample(s) are not in the set, or not any more: {some(gone)}")
    both = lists["valid"] == lists["test"] != []
    listed = lists["train"] + lists["valid"] + ([] if both else lists["test"])
    twice = [name for name, n in Counter(listed).items() if n > 1]
    if twice:
        raise DataError(f"split: {len(twice):,} sample(s) are listed more than once: {some(twice)}")
    if told and len(listed) < len(rows):
        aside = sorted(set(rows) - set(listed), key=rows.get)
        tell(source, f"{len(aside):,} sample(s) are new, for the given parts name none of them: {some(aside)}")
    parts = (np.array([rows[name] for name in lists[part]], dtype=np.int64) for part in PARTS)
    return Split(*parts, valid_is_test=both, by="lists")
