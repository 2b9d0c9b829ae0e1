"""The pictures of a sweep: figures against an axis, accuracy against cost with the front, a heat map of two axes."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from learnerkit.core.text import short_count
from learnerkit.pages.figure import legend_below, look_of, new_figure
from learnerkit.pages.letters import plain_text

Row = dict[str, Any]
LABELLED = 14  # points of the front's picture that are called by name


def means(rows: Sequence[Row], keys: tuple[str, ...], figure: str) -> dict[tuple[Any, ...], float]:
    """The mean of a figure over the rows that are equal in `keys`, such as those of several seeds; known ones alone."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if row.get(figure) is not None:
            found.setdefault(tuple(row[key] for key in keys), []).append(row[figure])
    return {key: float(np.mean(values)) for key, values in found.items()}


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which points (cost, gain) no other one beats: none costs less and gains as much; by cost, ascending.

    Of equal points the first counts.
    """
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1], place))
    best, kept = -np.inf, []
    for place in order:
        if points[place][1] > best:
            best = points[place][1]
            kept.append(place)
    return kept


def draw_against(
    rows: Sequence[Row], axis: str, lines: str, figures: dict[str, str], costs: Collection[str] = ()
) -> Figure:
    """A panel a figure against an axis of numbers, a line for each value of `lines`.

    axis, lines, figures: keys of the rows; of the figures with what each is called; costs: which of them are costs.
    """
    columns = min(2, len(figures))
    height = -(-len(figures) // columns)
    drawn, panels = new_figure(6.2 * columns, 4.1 * height + 0.7, height, columns)
    panels, names = np.atleast_1d(panels).ravel(), list(dict.fromkeys(row[lines] for row in rows))
    places = sorted({row[axis] for row in rows})
    for panel, (key, title) in zip(panels, figures.items(), strict=False):
        values = means(rows, (lines, axis), key)
        for number, name in enumerate(names):
            known = [(place, values[name, place]) for place in places if (name, place) in values]
            if known:
                panel.plot(*zip(*known, strict=True), **look_of(number), markersize=5, linewidth=1.5)
        panel.set(title=plain_text(title), xlabel=plain_text(axis), ylabel=plain_text(title))
        if len(places) <= 8:
            panel.set_xticks(places, [f"{place:g}" for place in places])
        if key in costs:
            _spread(panel, "y", list(values.values()))
        panel.grid(alpha=0.3)
    for panel in panels[len(figures) :]:
        panel.set_axis_off()
    legend_below(drawn, [plain_text(str(name), 40) for name in names])
    return drawn


def draw_front(
    rows: Sequence[Row], gain: tuple[str, str], costs: dict[str, str], label: Callable[[Row], str], sign: int = 1
) -> Figure:
    """A figure against each cost, a point a row, with the line of those that no other beats.

    gain: key and title; costs: titles by key; label: what a row is called; sign: -1 where less of the figure is better.
    """
    drawn, panels = new_figure(7.2 * len(costs), 5.4, 1, len(costs))
    names = list(dict.fromkeys(map(label, rows)))
    for panel, (cost, title) in zip(np.atleast_1d(panels), costs.items(), strict=True):
        known = [row for row in rows if row.get(cost) is not None and row.get(gain[0]) is not None]
        points = [(row[cost], row[gain[0]]) for row in known]
        for row, point in zip(known, points, strict=True):
            look = look_of(names.index(label(row)))
            panel.plot(*point, color=look["color"], marker=look["marker"], markersize=6, linestyle="")
        best = front([(each, sign * value) for each, value in points])
        panel.plot(*zip(*(points[place] for place in best), strict=True), color="black", linewidth=1, zorder=0)
        for place in best[:LABELLED]:
            text = plain_text(str(known[place]["trial"]), 40)
            panel.annotate(text, points[place], xytext=(5, -9), textcoords="offset points", fontsize=7)
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
        _spread(panel, "x", [point[0] for point in points])
        panel.set(
            title=plain_text(f"{gain[1]} against {title}", 80), xlabel=plain_text(title), ylabel=plain_text(gain[1])
        )
        panel.grid(alpha=0.3)
    legend_below(drawn, [plain_text(str(name), 40) for name in names])
    return drawn


def _spread(panel: Any, axis: str, values: list[float]) -> None:
    """A logarithmic scale of the 'x' or 'y' axis where costs span more than a power of ten."""
    if values and min(values) > 0 and max(values) > 10 * min(values):
        panel.set(**{f"{axis}scale": "log"})
        _tick(getattr(panel, f"{axis}axis"), values)


def _tick(axis: Any, values: list[float]) -> None:
    """Plain numbers on a logarithmic axis, so many that they have room."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(values) < 1000 * min(values) else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    axis.set_minor_formatter(NullFormatter())


def draw_heat_map(rows: Sequence[Row], across: str, down: str, figure: tuple[str, str], form: str) -> Figure:
    """A figure over two axes, written into its cells; a cell that is not known stays grey.

    across, down: keys of the axes; figure: key and title; form: of the cells.
    """
    values = means(rows, (down, across), figure[0])
    columns, names = sorted({row[across] for row in rows}), list(dict.fromkeys(row[down] for row in rows))
    table = np.array([[values.get((name, column), np.nan) for column in columns] for name in names])
    drawn, panel = new_figure(2.6 + 1.15 * len(columns), 1.6 + 0.38 * len(names))
    panel.set_facecolor("#dddddd")
    picture = panel.imshow(table, aspect="auto", cmap="viridis")
    low, high = np.nanmin(table), np.nanmax(table)
    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value):
            dark = value < (low + high) / 2
            ink = "white" if dark else "black"
            panel.text(column, row, form.format(value), ha="center", va="center", fontsize=9, color=ink)
    panel.set_xticks(range(len(columns)), [f"{column:g}" for column in columns])
    panel.set_yticks(range(len(names)), [plain_text(str(name), 40) for name in names])
    panel.set(title=plain_text(figure[1]), xlabel=plain_text(across))
    drawn.colorbar(picture, ax=panel)
    return drawn


def tick_text(value: float) -> str:
    """A number on an axis: from a million on in such units, as '20 M' and '4 G'."""
    return short_count(value) if value >= 1e6 else f"{value:g}"
