"""How many samples each class has in each part, and what is wrong with those numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from learnerkit.core.levels import Line
from learnerkit.core.members import PARTS
from learnerkit.core.text import some
from learnerkit.data.split import Split

IMBALANCED = 5.0  # times as many of one class as of another: the mean loss hardly hears the smaller one
FEW = 10  # samples of a class in a part: with fewer, one of them is more than ten points of the class's recall


def parts_by_row(split: Split | None, n: int) -> np.ndarray:
    """The part of each of n rows, '' for those in none."""
    parts = np.full(n, "", dtype="<U5")
    if split is not None:
        for part in PARTS:
            parts[getattr(split, part)] = part
    return parts


def class_counts(codes: np.ndarray, parts: np.ndarray, vocab: Sequence[str]) -> list[dict[str, Any]]:
    """A row a class: its name, how many there are of it in all, and in each part.

    codes: class numbers [N]; parts: the part of each [N], '' where it is in none.
    """
    counts = {part: np.bincount(codes[parts == part], minlength=len(vocab)) for part in PARTS}
    every = np.bincount(codes, minlength=len(vocab))
    return [
        {"name": name, "all": int(every[code]), **{part: int(counts[part][code]) for part in PARTS}}
        for code, name in enumerate(vocab)
    ]


def imbalance(classes: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """How unequal the classes are that there is anything of; None where there is nothing.

    ratio: of the largest to the smallest; guess: the share that always guessing the largest gets right; absent: the
    classes without anything.
    """
    present = [row for row in classes if row["all"]]
    if not present:
        return None
    largest, smallest = (choose(present, key=lambda row: row["all"]) for choose in (max, min))
    return {
        "largest": largest["name"],
        "smallest": smallest["name"],
        "ratio": round(largest["all"] / smallest["all"], 3),
        "guess": round(largest["all"] / sum(row["all"] for row in present), 4),
        "absent": [row["name"] for row in classes if not row["all"]],
    }


def balance_lines(classes: Sequence[dict[str, Any]], things: str, remedy: str = "", guessed: bool = True) -> list[Line]:
    """What there is to say of the numbers of a set's classes: unequal ones, absent ones, and too few to be measured.

    things: what is counted, such as 'images'; remedy: against unequal classes; guessed: whether a model tells the class
        of each, so that always guessing the largest says what its accuracy has to beat.
    """
    found = imbalance(classes)
    if found is None:
        return [(None, f"there are no {things}")]
    counts = {row["name"]: row["all"] for row in classes}
    if found["ratio"] == 1:
        same = f"{counts[found['largest']]:,} {things} of each class"
        return [(True, same), *_absent(found, things), *_few(classes, things)]
    most, least = (f"'{found[end]}' ({counts[found[end]]:,})" for end in ("largest", "smallest"))
    unequal = found["ratio"] >= IMBALANCED
    guess = f"{found['guess']:.1%} of all are '{found['largest']}'" + (
        ", which always guessing it gets right" * guessed
    )
    text = f"{found['ratio']:.3g} times as many {things} of {most} as of {least}; {guess}"
    lines: list[Line] = [(None, f"classes are unequal: {text}{remedy}") if unequal else (True, text)]
    return [*lines, *_absent(found, things), *_few(classes, things)]


def _absent(found: dict[str, Any], things: str) -> list[Line]:
    names = found["absent"]
    return [(None, f"{len(names)} class(es) have no {things} at all: {some(names)}")] if names else []


def _few(classes: Sequence[dict[str, Any]], things: str) -> list[Line]:
    told, example = [], ""
    for part in PARTS:
        few = [row for row in classes if row["all"] and row[part] < FEW]
        if few and any(row[part] for row in classes):
            told.append(f"{len(few)} in {part}")
            least = min(few, key=lambda row: row[part])
            example = example or f", such as '{least['name']}' ({least[part]} in {part})"
    if not told:
        return []
    one = f"one of them is more than {100 // FEW} points of a class's recall there"
    return [
        (None, f"of {len(classes)} classes, so many have fewer than {FEW} {things}: {', '.join(told)}{example}; {one}")
    ]
