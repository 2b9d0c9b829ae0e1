"""What was found of a data set before anything is trained on it: one record for every task."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from learnerkit.core.levels import Line, line_text
from learnerkit.core.text import one_line
from learnerkit.pages.page import Table


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


def table_text(table: Table) -> str:
    """A table as text with columns: the first to the left, the others to the right."""
    rows = [[one_line(cell) for cell in row] for row in (table.heads, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if not n else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(
        [table.title, *(f"  {line.rstrip()}" for line in lines), *([f"  {table.note}"] * bool(table.note))]
    )


def report_text(name: str, examined: Examined) -> str:
    """The report as plain text: the worst first, then everything in its order, then the tables."""
    order = {False: 0, None: 1, True: 2}
    lines = sorted(examined.lines, key=lambda line: order[line[0]])  # stable: each level keeps its order
    parts = ["\n".join([name, *map(line_text, lines)]), *map(table_text, examined.tables)]
    return "\n\n".join(parts) + "\n"
