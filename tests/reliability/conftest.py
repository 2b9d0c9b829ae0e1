"""Counted trials: each gate says how many were run and how many failed, and the table can be written to a file.

Set LEARNERKIT_RELIABILITY_TABLE=benchmarks/RELIABILITY.md to have it written.
"""

import os
import platform
import time
from pathlib import Path

import pytest
import torch

from learnerkit.core.environment import versions

HEAD = """# Reliability

Faults planted by the test suite, and what happened. Made by
`LEARNERKIT_RELIABILITY_TABLE=benchmarks/RELIABILITY.md pytest -m reliability`. A trial that fails fails the suite. The
last column is the negative control that stands beside the gate in the tests, or what a trial of fastai 2.8.12 showed.

"""


class Gate:
    """One row of the table."""

    def __init__(self, fault, outcome, control="", least=1):
        self.fault, self.outcome, self.control, self.least = fault, outcome, control, least
        self.trials, self.failures, self.begun = 0, [], time.monotonic()

    def trial(self, good, detail=""):
        """Count one trial."""
        self.trials += 1
        if not good:
            self.failures.append(detail)

    def close(self):
        self.seconds = time.monotonic() - self.begun
        assert not self.failures, f"{len(self.failures)} of {self.trials} failed, the first: {self.failures[0]}"
        assert self.trials >= self.least, f"{self.trials} trials of {self.least}"


def pytest_configure(config):
    config.gates = []


@pytest.fixture
def gate(request):
    """Opens a gate; it is closed, and has to hold, when the test ends."""
    opened = []

    def make(*args, **kwargs):
        opened.append(Gate(*args, **kwargs))
        request.config.gates.append(opened[-1])
        return opened[-1]

    yield make
    for item in opened:
        item.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    target, gates = os.environ.get("LEARNERKIT_RELIABILITY_TABLE"), getattr(session.config, "gates", [])
    if not target or not gates or hasattr(session.config, "workerinput"):  # one of several processes has a part alone
        return
    lines = [
        "| fault | trials | required outcome | failures | seconds | naive code, vanilla fastai |",
        "|---|---|---|---|---|---|",
    ]
    for gate in gates:
        cells = [
            gate.fault,
            gate.trials,
            gate.outcome,
            len(gate.failures),
            f"{getattr(gate, 'seconds', 0):.0f}",
            gate.control,
        ]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    total = sum(gate.trials for gate in gates)
    found = versions()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, no GPU" if not torch.cuda.is_available() else "with a GPU"
    foot = (
        f"\n{total:,} trials. Python {found['python']}, torch {found['torch']}, fastai {found['fastai']}; {machine}.\n"
    )
    Path(target).write_text(HEAD + "\n".join(lines) + "\n" + foot)
