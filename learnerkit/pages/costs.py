"""What the variants of a comparison cost, from the profiles of their runs: measured alike, or marked."""

from typing import Any

from matplotlib.figure import Figure

from learnerkit.core.finished import Comparison, variants_of
from learnerkit.core.profiles import common_basis, differs
from learnerkit.core.text import short_count, some
from learnerkit.pages.comparison import names_of
from learnerkit.pages.ranking import Column
from learnerkit.pages.sweep import draw_front

MARK = "*"
COLUMNS = (
    Column(("latency_ms", "latency_mark"), "ms an image", "{0[0]:.2f}{0[1]}", brief="ms", optional=True),
    Column("multiply_adds", "multiply-adds", short_count, brief="MACs", optional=True),
)

DRAWN = {"latency_ms": "latency of an image in ms", "multiply_adds": "multiply-adds of an image"}


def add_costs(comparison: Comparison) -> None:
    """Add latency_ms and multiply_adds to the rows whose runs were profiled, and notes on latencies measured otherwise.

    The latency of a variant is the mean over its runs that were measured as the most runs of the comparison were; where
    there is none, that of its others, marked, which stands beside the rest and is not to be ranked with it.
    """
    profiles = {id(run): run.profile for run in comparison.runs if run.profile}
    usual = common_basis(list(profiles.values()))
    if not profiles:
        return
    marked: dict[str, list[str]] = {}
    for row in comparison.rows:
        known = [profiles[id(run)] for run in variants_of(comparison.runs)[row["variant"]] if id(run) in profiles]
        timed = [summary for summary in known if summary.get("latency_ms") is not None]
        alike = [summary for summary in timed if not differs(summary, usual)]
        row["multiply_adds"] = _mean(known, "multiply_adds")
        row["latency_ms"] = _mean(alike or timed, "latency_ms")
        row["latency_mark"] = "" if alike or not timed else MARK
        if timed and not alike:
            marked.setdefault(differs(timed[0], usual), []).append(row["variant"])
    comparison.notes += [
        f"{MARK} {some(names)}: latency not to be ranked with the others: {how}" for how, names in marked.items()
    ]


def columns_of(comparison: Comparison) -> tuple[Column, ...]:
    """The columns of what the variants cost; none where no run was profiled."""
    known = any(row.get("multiply_adds") is not None for row in comparison.rows)
    return COLUMNS if known else ()


def draw_costs(comparison: Comparison, gain: tuple[str, str]) -> Figure | None:
    """A figure against latency and multiply-adds, with those that no other beats; None where no two can be ranked.

    gain: key of the rows, and what it is called. Marked latencies are left out.
    """
    names = names_of(comparison)
    rows = [{**row, "trial": names[row["variant"]]} for row in comparison.rows if row.get(gain[0]) is not None]
    rows = [{**row, "latency_ms": None} if row.get("latency_mark") else row for row in rows]
    counts = {key: sum(row.get(key) is not None for row in rows) for key in DRAWN}
    costs = {key: title for key, title in DRAWN.items() if counts[key] > 1}
    return draw_front(rows, gain, costs, lambda row: row["trial"]) if costs else None


def _mean(summaries: list[dict[str, Any]], key: str) -> float | None:
    values = [summary[key] for summary in summaries if summary.get(key) is not None]
    return sum(values) / len(values) if values else None
