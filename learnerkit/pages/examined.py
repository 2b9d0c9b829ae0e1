"""What was found of a data set before anything is trained on it: one record for every task, as text and as JSON."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from learnerkit.core.files import to_json
from learnerkit.core.text import Line, one_line
from learnerkit.pages.page import Table

LEVELS = {True: "ok", None: "warn", False: "fault"}
MOST_ROWS = 200  # of a table on a page; the JSON has all


@dataclass
class Examined:
    """What is there, what is wrong with it, and how it is shown.

    lines: (good, text) each, good None for a warning and False for a fault, in the order they are told.
    facts: plain values under the keys of nbs/data_report.md, for programs.
    headlines: (label, figure) at the top of the page; tables: of the page and of the text.
    figures: a picture's file name to its title and a function that draws it, or gives None: it is called only where a
        page is written.
    """

    lines: list[Line] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    headlines: list[tuple[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, tuple[str, Callable[[], Figure | None]]] = field(default_factory=dict)

    def add(self, other: "Examined") -> None:
        """Put what another part of the examination found behind what stands here."""
        self.lines += other.lines
        self.facts |= other.facts
        self.headlines += other.headlines
        self.tables += other.tables
        self.figures |= other.figures


def level_of(lines: Iterable[Line]) -> str:
    """The worst of some lines: 'ok', 'warn' or 'fault'."""
    found = [good for good, _ in lines]
    return LEVELS[False if False in found else None if None in found else True]


def told_lines(lines: Iterable[Line]) -> list[dict[str, str]]:
    """Lines for JSON: 'level', one of `LEVELS`, and 'text'."""
    return [{"level": LEVELS[good], "text": text} for good, text in lines]


def line_text(line: Line) -> str:
    """A line as the command prints it."""
    good, text = line
    return f"  {LEVELS[good] if good is not False else 'FAULT':<5} {text}"


def table_text(table: Table) -> str:
    """A table as text with columns: the first to the left, the others to the right."""
    rows = [[one_line(cell) for cell in row] for row in (table.heads, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) if not n else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths)))
        for row in rows
    ]
    return "\n".join([table.title, *(f"  {line.rstrip()}" for line in lines), *([f"  {table.note}"] * bool(table.note))])


def report_text(name: str, examined: Examined) -> str:
    """The report as plain text: the worst first, then everything in its order, then the tables."""
    order = {False: 0, None: 1, True: 2}
    lines = sorted(examined.lines, key=lambda line: order[line[0]])  # stable: each level keeps its order
    parts = ["\n".join([name, *map(line_text, lines)]), *map(table_text, examined.tables)]
    return "\n\n".join(parts) + "\n"


def report_json(about: dict[str, Any], examined: Examined, **more: Sequence[Line]) -> str:
    """The report as JSON: what it is about, the level, the lines and the facts.

    about: keys at the top, such as 'data' and 'task'; more: further lines by their key, such as those of the
    installation, which count for the level too.
    """
    every = [*examined.lines, *(line for lines in more.values() for line in lines)]
    return to_json(
        {
            **about,
            "level": level_of(every),
            **{key: told_lines(lines) for key, lines in more.items()},
            "lines": told_lines(examined.lines),
            "facts": examined.facts,
        }
    )
