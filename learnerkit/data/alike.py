"""Samples that show what others show, as plain pairs for a report: equal ones and near copies, in and across parts."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from learnerkit.core.levels import Line
from learnerkit.core.text import some
from learnerkit.data.copies import copy_groups
from learnerkit.data.near_copies import NearCopy, near_copies_within, parts_looked_through, told_of_near_copies
from learnerkit.data.source import Source
from learnerkit.data.split import Split

EQUAL = "equal"
Pairs = list[dict[str, Any]]


def equal_pairs(source: Source, parts: np.ndarray) -> Pairs:
    """Each sample that is equal to an earlier one, with the first of those; pairs across parts stand first.

    parts: the part of each sample [N]. A pair has the keys name, part, other, other_part, kind and score.
    """
    pairs = [
        _pair(source, parts, row, group[0], EQUAL, 1.0) for group in copy_groups(source.copies) for row in group[1:]
    ]
    return sorted(pairs, key=lambda pair: pair["part"] == pair["other_part"])


def near_pairs(source: Source, split: Split | None) -> Pairs:
    """The near copies across the parts, which dealing them found, then those inside each part; as `equal_pairs`."""
    within = near_copies_within(source, split) if split is not None else []
    return [dict(vars(pair)) for pair in (*_across(source), *within)]


def alike_lines(source: Source, equal: Pairs, near: Pairs, split: Split | None) -> list[Line]:
    """The near copies across parts by name, which dealing them has warned of, and what there is inside each part.

    equal, near: see `equal_pairs` and `near_pairs`; split: None where the set could not be dealt.
    """
    lines: list[Line] = [(True, text) for _, text in told_of_near_copies(_across(source), split)[1:]]
    for pairs, what, good in ((equal, "are equal to another", None), (near, "pair(s) are near copies", True)):
        inside = [pair for pair in pairs if pair["part"] == pair["other_part"]]
        for part, count in Counter(pair["part"] for pair in inside).items():
            first = next(pair for pair in inside if pair["part"] == part)
            example = f"{first['name']} of {first['other']}" + (f" ({first['kind']})" if good else "")
            lines.append((good, f"within {part or 'no part'}, {count:,} {what}, such as {example}"))
    passed = (
        [] if split is None else [p for p, n in split.counts.items() if n > 1 and p not in parts_looked_through(split)]
    )
    if passed:
        lines.append((True, f"{some(passed)} has too many samples to be looked through for near copies within it"))
    return lines


def _across(source: Source) -> list[NearCopy]:
    return list(getattr(source, "near_copies", ()))  # one whose parts could not be dealt was not looked through


def _pair(source: Source, parts: Sequence[str], row: int, other: int, kind: str, score: float) -> dict[str, Any]:
    names = {
        "name": source.ids[row],
        "part": str(parts[row]),
        "other": source.ids[other],
        "other_part": str(parts[other]),
    }
    return {**names, "kind": kind, "score": score}
