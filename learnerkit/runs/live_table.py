"""Many runs as a served page asks for them: table and curves, whole at first, then what has changed. No torch."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from learnerkit.core.errors import LearnerkitError
from learnerkit.core.files import read_ledger
from learnerkit.core.run_folder import OF_THE_MACHINE
from learnerkit.core.text import one_line
from learnerkit.pages.charts import Chart, Curve
from learnerkit.runs.index import FACTS, Index, Row, no_runs
from learnerkit.runs.listing import Listing, listed, said
from learnerkit.runs.query import Fields

MOST_LINES = 24  # runs whose curves are drawn together
MOST_CHARTS = 6
ASIDE = {"epoch", "step", "skipped", "is_best", "checkpoint", "lr", *OF_THE_MACHINE}  # of a ledger's keys


@dataclass(frozen=True)
class Query:
    """What is asked of the table: see `listing.listed`."""

    where: tuple[str, ...] = ()
    sort: str = ""
    columns: str = ""
    text: str = ""

    def listing(self, rows: Sequence[Row]) -> Listing:
        """The answer among some runs."""
        return listed(rows, self.where, self.sort, self.columns, self.text)


@dataclass
class LiveTable:
    """The runs below a folder, looked at anew whenever somebody asks.

    A token says of which state of the runs, of which columns and of which question an answer was: the next answer holds
    the rows alone that have changed since, unless the columns are others.
    root: the folder.
    """

    root: Path
    begun: str = field(default_factory=lambda: secrets.token_hex(4))
    turn: int = 0
    turns: dict[str, int] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    lock: Any = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.index = Index(self.root)

    def look(self) -> dict[str, Row]:
        """Every run by its name, as it is now."""
        return self._seen()[0]

    def _seen(self) -> tuple[dict[str, Row], int, dict[str, int]]:
        """The runs as they are now, the turn, and in which turn each has changed: of one moment."""
        with self.lock:
            rows = {row.name: row for row in self.index.rows()}
            changed = [name for name, row in rows.items() if row is not self.rows.get(name)]
            if changed or rows.keys() != self.rows.keys():
                self.turn += 1
            self.turns = {name: self.turns.get(name, 0) for name in rows} | dict.fromkeys(changed, self.turn)
            self.rows = rows
            return rows, self.turn, self.turns

    def answer(self, query: Query, since: str = "") -> dict[str, Any] | None:
        """The table; None where nothing has changed since an answer. RecipeError where no run has a field.

        since: the token of that answer.
        """
        rows, now, turns = self._seen()
        found = query.listing(list(rows.values()))
        columns = _digest([column.key for column in found.columns])
        token = ".".join((self.begun, str(now), columns, _digest([repr(query)])))
        if token == since:
            return None
        begun, turn, before, _ = (*since.split("."), "", "", "")[:4]
        whole = (begun, before) != (self.begun, columns) or not turn.isdecimal()
        told = {
            "token": token,
            "whole": whole,
            "heads": [{"key": column.key, "head": column.head} for column in found.columns],
            "order": [row.name for row in found.rows],
            "rows": {name: _told(row, found) for name, row in rows.items() if whole or turns[name] > int(turn)},
            "said": said(found) if rows else [no_runs(self.index)],
            "running": sum(row.state == "running" for row in rows.values()),
        }
        return {**told, "fields": _fields(list(rows.values()))} if whole else told

    def curves(self, names: Sequence[str], since: str = "") -> dict[str, Any] | None:
        """The curves of some runs over each other, of running ones without names; None where nothing has changed.

        names: of runs, of which those that are gone count for nothing; since: the token of an earlier answer.
        """
        rows, _, turns = self._seen()
        chosen = [name for name in names if name in rows]
        chosen = chosen if names else [name for name, row in rows.items() if row.state == "running"]
        shown = chosen[:MOST_LINES]
        token = _digest([self.begun, *(f"{name} {turns[name]}" for name in chosen)])
        if token == since:
            return None
        drawn = [rows[name] for name in shown]
        charts = [{"title": chart.title, "content": chart.content()} for chart in course_charts(drawn)]
        return {"token": token, "charts": charts, "runs": shown, "more": len(chosen) - len(shown)}


def link(*parts: str) -> str:
    """The address of a run or of something in it."""
    return quote("/runs/" + "/".join(part for part in parts if part), errors="surrogateescape")


def _told(row: Row, found: Listing) -> dict[str, Any]:
    page = link(row.name, "report.html") if (row.path / "report.html").exists() else None
    said = {"state": row.state, "called": one_line(row.name), "address": link(row.name), "page": page}
    return {**said, "cells": [one_line(column.text(row)) for column in found.columns]}


def _fields(rows: list[Row]) -> list[dict[str, str]]:
    keys = Fields(rows).keys
    return [{"key": key, "kind": "run"} for key in FACTS if key not in ("name", "path", "bytes")] + [
        {"key": key, "kind": kind} for key, kind in keys.items() if key not in FACTS
    ]


def course_charts(rows: Sequence[Row]) -> list[Chart]:
    """A chart a figure of the ledgers, a line a run: losses, what chose the weights, further figures, the rate."""
    ledgers = {row.name: epochs for row in rows if (epochs := _epochs(row))}
    known = dict.fromkeys(key for epochs in ledgers.values() for key in epochs[-1])
    monitors = dict.fromkeys(row.monitor for row in rows if row.monitor in known)
    first = [key for key in ("train_loss", "valid_loss") if key in known]
    others = [key for key in known if key not in ASIDE and key not in first and key not in monitors]
    keys = [*first, *(key for key in monitors if key not in first), *others][: MOST_CHARTS - 1]
    keys += ["lr"] if "lr" in known else []
    charts = []
    for key in keys:
        places = sorted({epoch["epoch"] for epochs in ledgers.values() for epoch in epochs})
        curves = []
        for number, (name, epochs) in enumerate(ledgers.items()):
            values = {epoch["epoch"]: epoch.get(key) for epoch in epochs}
            curves.append(Curve(name, [values.get(place) for place in places], number))
        title = "Learning rate" if key == "lr" else key.replace("_", " ").capitalize()
        charts.append(Chart(title, "epoch", places, curves))
    return charts


def _epochs(row: Row) -> list[dict[str, Any]]:
    """The epochs of a run; none where its ledger cannot be read."""
    try:
        return [one for one in read_ledger(row.path / "history.jsonl") if isinstance(one.get("epoch"), int)]
    except (LearnerkitError, OSError, ValueError, AttributeError):
        return []


def _digest(parts: Sequence[str]) -> str:
    return sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]
