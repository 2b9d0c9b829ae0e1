"""Contenders take turns: each in a process of its own that is made once and asked for a value in every round."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kit.machine import Others
from kit.question import Contender, Row, Setting, Size, Table

HERE = Path(__file__).parents[1]
PATIENCE = 300.0  # seconds for one answer of a contender


class Asked:
    """A contender's process and its row."""

    def __init__(self, place: tuple[str, str], name: str, one: Contender, setting: Setting, table: Table) -> None:
        self.row = Row(name, one.note)
        threads = str(table.threads or len(os.sched_getaffinity(0)))
        paths = [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "MPLBACKEND": "agg"}
        environment |= {f"{kind}_NUM_THREADS": threads for kind in ("OMP", "MKL")}
        words = [*place, name, setting.size, str(setting.folder), "warm" if table.warm else "cold"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kit.contender", *words],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def answer(self) -> dict[str, Any]:
        """The process's next line; on an error, or when it takes too long, the row says so and the process ends."""
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        if line:
            found = json.loads(line)
        else:
            found = {"error": "failed: its process ended" if ready else f"no answer within {PATIENCE:.0f} s"}
        if "error" in found:
            self.row.error = found["error"]
            self.end()
        return found

    def measure(self) -> None:
        """Ask for one value."""
        if self.row.error:
            return
        others = Others()
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended; the answer says so
        found = self.answer()
        if "figure" in found:
            self.row.values.append(found["figure"])
            self.row.facts, self.row.peak_mb = found["facts"], found["peak_mb"]
            self.row.others.append(others.cores())

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def measure_table(question: str, key: str, table: Table, size: Size, rounds: int) -> Iterator[Row]:
    """The rows of a table, measured in `rounds` rounds of turns, a process a contender."""
    rounds = min(rounds, table.rounds or rounds)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        setting = Setting(size, Path(folder))
        if table.prepare is not None:
            table.prepare(setting)
        names = list(table.contenders)
        for group in [[name] for name in names] if table.each_alone else [names]:
            yield from _turns((question, key), group, table, setting, rounds)


def _turns(place: tuple[str, str], names: list[str], table: Table, setting: Setting, rounds: int) -> list[Row]:
    asked: list[Asked] = []
    try:
        for first in range(0, len(names), 2):  # two at a time import and warm up
            begun = [Asked(place, name, table.contenders[name], setting, table) for name in names[first : first + 2]]
            asked += begun
            for one in begun:
                one.answer()
        for _ in range(rounds):
            for one in asked:
                one.measure()
    finally:
        for one in asked:
            one.end()
    return [one.row for one in asked]
