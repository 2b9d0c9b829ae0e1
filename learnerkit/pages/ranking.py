"""How finished runs of a task are ranked beside one another; by the monitored figure where a task says nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from learnerkit.core.errors import RunError
from learnerkit.core.files import sha256, to_json
from learnerkit.core.finished import (
    Comparison,
    Finished,
    mean_of,
    settings_of,
    spread_of,
    valid_figure,
    valid_loss,
)
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import Form, formatted
from learnerkit.pages.choice import choice_text, in_order
from learnerkit.pages.comparison import draw_ranked
from learnerkit.pages.detectable import Measure

ALONE = "there is no other to compare it with"  # of a single variant
Variants = dict[str, list[Finished]]


@dataclass(frozen=True)
class Column:
    """A column of a comparison's table.

    key: of a row, or keys of values that are shown together; head, form: on the page.
    brief, brief_form: on the command line; it does not stand there without `brief`.
    optional: empty, and not 'n/a', where a row has no value.
    """

    key: str | tuple[str, ...]
    head: str
    form: Form = "{}"
    brief: str = ""
    brief_form: Form = ""
    optional: bool = False

    def text(self, row: dict[str, Any], brief: bool = False) -> str:
        """A row's cell."""
        keys = (self.key,) if isinstance(self.key, str) else self.key
        values = [row.get(key) for key in keys]
        value = None if None in values else values[0] if len(values) == 1 else tuple(values)
        if value is None and self.optional:
            return ""
        return formatted(value, self.brief_form or self.form if brief else self.form)


@dataclass(frozen=True)
class Ranking:
    """How a task compares its finished runs.

    read: a run folder and its run.json to what was measured; RunError when it cannot be compared.
    rows: runs by variant to one row each, best first; columns: of the table.
    verdict: the comparison in a sentence; draw: its picture; note: how to read the table.
    run_cells: what the table of runs says of one, by the head of its column.
    curve: the figure of the ledger whose course is drawn, and what it is called; None for the monitored one.
    picture: name of the picture's file.
    gain: the figure of the rows that is drawn against what they cost, and what it is called; more is better.
    measure: the figure of the rows that is compared, and what tells two of them apart; None where no figure is.
    """

    read: Callable[[RunFolder, dict[str, Any]], Finished]
    rows: Callable[[Variants], list[dict[str, Any]]]
    columns: tuple[Column, ...]
    verdict: Callable[[Comparison], str]
    draw: Callable[[Comparison], Figure]
    note: str
    run_cells: Callable[[Finished], dict[str, str]]
    curve: tuple[str, str] | None = None
    picture: str = "comparison"
    gain: tuple[str, str] | None = None
    measure: Measure | None = None


def base_row(label: str, members: list[Finished]) -> dict[str, Any]:
    """What every task's row says of a variant."""
    row = {"variant": label, "n": len(members), "seeds": " ".join(str(run.seed) for run in members)}
    row |= {key: mean_of(members, key) for key in ("seconds", "parameters")}
    return {**row, "valid_loss": valid_loss(members)}


# by the monitored figure


def read_monitored(run: RunFolder, described: dict[str, Any]) -> Finished:
    """A finished run of any task: the monitored figure on the test part, on valid where there is no test part."""
    results, monitor = run.results(), described["monitor"]
    part = next((part for part in ("test", "valid") if _key(part, monitor) in results), None)
    if part is None:
        raise RunError(f"was not evaluated: results.json has no {monitor}")
    split = described.get("split") or {}
    samples = sha256(to_json([described.get("fingerprint"), split.get("hash"), part]).encode())[:12]
    return Finished(
        run, described, results, run.history(), part, split.get(part, 0), samples, {}, settings_of(described)
    )


def _key(part: str, monitor: str) -> str:
    return f"{part}_{monitor.removeprefix('valid_')}"


def _monitored(run: Finished) -> tuple[str, str]:
    """The key of a run's monitored figure in its results, and which way is better."""
    return _key(run.part, run.described["monitor"]), run.described["mode"]


def monitored_rows(variants: Variants) -> list[dict[str, Any]]:
    """One row a variant in the order of the choice; beside it the spread over seeds and how far it is behind."""
    key, mode = _monitored(run := next(iter(variants.values()))[0])
    rows = [
        {
            **base_row(label, members),
            "valid": valid_figure(members, _key("valid", run.described["monitor"])),
            "figure": mean_of(members, key),
            "std": spread_of(members, key),
        }
        for label, members in variants.items()
    ]
    rows, sign = in_order(rows, "valid", "figure", mode), -1 if mode == "max" else 1
    for row in rows[1:]:
        known = row["figure"] is not None and rows[0]["figure"] is not None
        row["difference"] = sign * (row["figure"] - rows[0]["figure"]) if known else None
    return rows


MONITORED_COLUMNS = (
    Column("variant", "variant", brief="variant"),
    Column("n", "runs", brief="runs"),
    Column("valid", "on valid", "{:.4f}", brief="valid"),
    Column("figure", "monitored figure", "{:.4f}", brief="figure"),
    Column("std", "std over seeds", "{:.4f}", brief="std", optional=True),
    Column("difference", "behind the best", "{:.4f}", brief="behind", optional=True),
    Column("parameters", "parameters", "{:,.0f}"),
    Column("seconds", "seconds", "{:,.0f}"),
)


def monitored_verdict(comparison: Comparison) -> str:
    """The choice in a sentence, with what is not known."""
    key, mode = _monitored(comparison.runs[0])
    text = choice_text(comparison, "valid", "figure", "{:.4f}")
    text += f"; {key.removeprefix(f'{comparison.part}_')}, {'less' if mode == 'min' else 'more'} is better"
    luck = "whether others differ by more than luck, this comparison does not say"
    return f"{text}; {luck if comparison.rows[1:] else ALONE}."


def draw_monitored(comparison: Comparison) -> Figure:
    """The monitored figure of each variant with its spread, and each run's course."""
    run = comparison.runs[0]
    return draw_ranked(comparison, "figure", "std", _monitored(run)[0], run.described["monitor"], "{:.3f}")


BY_MONITOR = Ranking(
    read_monitored,
    monitored_rows,
    MONITORED_COLUMNS,
    monitored_verdict,
    draw_monitored,
    "Figures are means over the runs of a variant, on the part named above. The order is that of valid, equal ones by "
    "the lower loss there, then by fewer parameters. No interval and no test is computed.",
    lambda run: {_monitored(run)[0]: formatted(run.results.get(_monitored(run)[0]), "{:.4f}")},
    measure=Measure("figure", "std"),
)
