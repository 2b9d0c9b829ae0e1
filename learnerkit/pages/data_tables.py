"""The tables of a data report that every task has: classes, copies, sizes."""

from collections.abc import Sequence
from typing import Any

from learnerkit.core.members import PARTS
from learnerkit.pages.page import Table

MOST_PAIRS = 100  # that a table lists; the JSON has all


def class_table(classes: Sequence[dict[str, Any]], things: str) -> Table:
    """How many there are of each class in each part, the largest first. classes: of `data.balance.class_counts`."""
    total = sum(row["all"] for row in classes)
    rows = [
        (row["name"], f"{row['all']:,}", f"{row['all'] / max(1, total):.1%}", *(f"{row[part]:,}" for part in PARTS))
        for row in sorted(classes, key=lambda row: -row["all"])
    ]
    return Table("Classes, the largest first", ("class", things, "share", *PARTS), rows, long=len(rows) > 20)


def pair_table(title: str, pairs: Sequence[Sequence[str]], note: str = "") -> list[Table]:
    """A table of pairs of samples (name, part, other, part, what makes them alike); none where there are none."""
    rows = [tuple(map(str, pair)) for pair in pairs[:MOST_PAIRS]]
    rest = len(pairs) - len(rows)
    more = f"{rest:,} more stand in data_report.json. " if rest else ""
    heads = ("sample", "part", "is like", "part", "kind")
    return [Table(title, heads, rows, more + note, long=len(rows) > 20)] if rows else []


def size_table(facts: dict[str, Any]) -> list[Table]:
    """The commonest sizes of the pictures; none where all are alike. facts: 'sizes' of `data.look_facts`."""
    if facts["distinct"] < 2:
        return []
    rows = [(f"{row['width']}x{row['height']}", f"{row['images']:,}") for row in facts["common"]]
    rest = facts["distinct"] - len(rows)
    return [
        Table("Sizes, the commonest first", ("width x height", "images"), rows, f"and {rest} more" if rest > 0 else "")
    ]


def fault_table(faults: Sequence[dict[str, Any]]) -> list[Table]:
    """Every fault with its file; none where there are none. faults: 'faults' of the facts."""
    rows = [(fault["file"], fault["place"], fault["reason"]) for fault in faults[:MOST_PAIRS]]
    rest = len(faults) - len(rows)
    note = f"{rest:,} more stand in data_report.json" if rest else ""
    return [Table("Faults", ("file", "place", "what is wrong"), rows, note, long=True, early=True)] if rows else []
