"""Curves that answer to the pointer: plain numbers for the page, which its script draws."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from learnerkit.core.text import one_line

MOST_POINTS = 2000  # of a line; a screen has no more columns
MOST_ON = 8  # lines of a chart that are drawn before anything is asked for


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    label: in the legend; values: one for each place on the x axis, None or nan for a gap.
    look: number of its colour, its own place when None; dash: number of its kind of line, by the colour's when None.
    """

    label: str
    values: Sequence[float | None]
    look: int | None = None
    dash: int | None = None


@dataclass(frozen=True)
class Chart:
    """Lines over one axis of numbers.

    title: above it; x_label: of one place, such as 'epoch'; x: the places, rising.
    best: the place that a line marks; note: what is said below while nothing is pointed at.
    """

    title: str
    x_label: str
    x: Sequence[float]
    curves: list[Curve] = field(default_factory=list)
    best: float | None = None
    note: str = ""

    def content(self) -> dict[str, Any]:
        """The chart as the page's script reads it: at most `MOST_POINTS` places, the first and the last among them."""
        kept = thinned(len(self.x), MOST_POINTS)
        lines = [
            {
                "label": one_line(curve.label),
                "values": [number(curve.values[place]) for place in kept],
                "off": len(self.curves) > 2 * MOST_ON and place_of >= MOST_ON,
                **({} if curve.look is None else {"look": curve.look}),
                **({} if curve.dash is None else {"dash": curve.dash}),
            }
            for place_of, curve in enumerate(self.curves)
        ]
        said = {"x_label": self.x_label, "best": self.best, "note": one_line(self.note)}
        return {"x": [number(self.x[place]) for place in kept], "lines": lines, **said}


def thinned(n: int, most: int) -> list[int]:
    """At most so many of n places, evenly spaced, the first and the last among them."""
    return list(range(n)) if n <= most else [round(k * (n - 1) / (most - 1)) for k in range(most)]


def number(value: Any) -> float | None:
    """A figure in six digits; None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def ledger_chart(title: str, rows: Sequence[dict[str, Any]], labels: dict[str, str], best: Any = None) -> Chart:
    """Figures of a ledger over its epochs.

    labels: by the figure's key; best: the epoch whose weights were kept.
    """
    curves = [Curve(label, [row.get(key) for row in rows]) for key, label in labels.items()]
    note = "" if best is None else f"The line marks epoch {best}, whose weights were kept."
    return Chart(title, "epoch", [row["epoch"] for row in rows], curves, best, note)


def charts_of(groups: Iterable[tuple[str, dict[str, str]]], rows: Sequence[dict[str, Any]]) -> list[Chart]:
    """A chart for each group of figures of a ledger that has any; (title, labels by key) each."""
    kept = [row["epoch"] for row in rows if row.get("is_best")]
    return [ledger_chart(title, rows, labels, kept[-1] if kept else None) for title, labels in groups if labels]
