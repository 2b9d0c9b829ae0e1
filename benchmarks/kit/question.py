"""What a question is: tables of contenders that do the same work, and targets that are told as met or missed."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Size = Literal["tiny", "quick", "full"]
Measure = Callable[[], "float | dict[str, Any]"]


@dataclass(frozen=True)
class Setting:
    """What a contender is made for.

    size: how much work there is; folder: what the table's `prepare` has written into.
    """

    size: Size
    folder: Path

    def of(self, tiny: Any, quick: Any, full: Any) -> Any:
        """The value for the size at hand."""
        return {"tiny": tiny, "quick": quick, "full": full}[self.size]


@dataclass(frozen=True)
class Contender:
    """One that answers a question, in a process of its own.

    make: from a setting to a function that does the work once and returns its figure, or a dict with 'figure' and facts
        beside it ('peak_mb' where the memory is not that of this process). It imports what it needs itself, so that
        memory is its own.
    note: what is not the same work; it stands in the row.
    """

    make: Callable[[Setting], Measure]
    note: str = ""


@dataclass
class Row:
    """What was measured of one contender, a value a round; `error` says why there is none."""

    name: str
    note: str = ""
    values: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    peak_mb: float | None = None
    others: list[float] = field(default_factory=list)
    error: str | None = None

    @property
    def median(self) -> float | None:
        """The median of the rounds; None without any."""
        return statistics.median(self.values) if self.values else None


Rows = dict[str, Row]


@dataclass(frozen=True)
class Target:
    """A bound on a figure of the rows, told as met or missed: a measurement, no test.

    figure: from the rows by name to a number, None where a row lacks it.
    at: 'most' or 'least' `limit`.
    """

    text: str
    figure: Callable[[Rows], float | None]
    limit: float
    at: Literal["most", "least"] = "most"

    def judged(self, rows: Rows) -> dict[str, Any]:
        """The target as the JSON file has it."""
        found = self.figure(rows)
        met = None if found is None else (found <= self.limit if self.at == "most" else found >= self.limit)
        return {"text": self.text, "found": found, "at": self.at, "limit": self.limit, "met": met}


@dataclass(frozen=True)
class Table:
    """Contenders of one question under one setting.

    title, asks: heading, and a sentence with the setting.
    unit: of the figure; more: whether more of it is better.
    base: the contender that ratios are to.
    columns: facts that are shown, by their headings.
    threads: of torch and its libraries; all cores when None.
    rounds: at most so many; warm: whether the work is done once before the first round.
    quick: whether it belongs to `make bench-quick`.
    prepare: writes what contenders read into the setting's folder, once.
    each_alone: one contender's process at a time, its rounds in a row, where several do not fit into memory.
    """

    title: str
    asks: str
    unit: str
    contenders: dict[str, Contender]
    base: str
    more: bool = False
    targets: Iterable[Target] = ()
    columns: dict[str, str] = field(default_factory=dict)
    threads: int | None = None
    rounds: int | None = None
    warm: bool = True
    quick: bool = True
    prepare: Callable[[Setting], None] | None = None
    each_alone: bool = False


def paired(rows: Rows, name: str, other: str, pair: Callable[[float, float], float]) -> float | None:
    """The median over the rounds of what `pair` makes of the two values of one round: what drifts falls out."""
    a, b = rows.get(name), rows.get(other)
    if a is None or b is None or not a.values or not b.values:
        return None
    return statistics.median(pair(x, y) for x, y in zip(a.values, b.values, strict=False))


def ratio(name: str, other: str) -> Callable[[Rows], float | None]:
    """One contender's figure in parts of another's."""
    return lambda rows: paired(rows, name, other, lambda a, b: a / b)


def difference(name: str, other: str) -> Callable[[Rows], float | None]:
    """One contender's figure less another's."""
    return lambda rows: paired(rows, name, other, lambda a, b: a - b)


def of_best(name: str, among: Iterable[str], more: bool) -> Callable[[Rows], float | None]:
    """A contender's figure in parts of the best of some others'."""

    def figure(rows: Rows) -> float | None:
        able = [other for other in among if other in rows and rows[other].values]
        if not able:
            return None
        best = (max if more else min)(able, key=lambda other: rows[other].median)
        return ratio(name, best)(rows)

    return figure


def fact(name: str, key: str) -> Callable[[Rows], float | None]:
    """A fact of one contender's row."""
    return lambda rows: rows[name].facts.get(key) if name in rows else None


def growth(rows: Rows) -> float | None:
    """The last row's figure in parts of the first's: rows are sizes, and the figure is that of one item."""
    able = [row.median for row in rows.values() if row.values]
    return able[-1] / able[0] if len(able) > 1 else None
