"""Where the trials of a sweep run: as processes of this machine, or as jobs of a cluster."""

import subprocess
from collections.abc import Sequence
from typing import Protocol

from learnerkit.runs.processes import Process, Work


class Engine(Protocol):
    """What a sweep asks of the place where its trials run."""

    starts: str  # what the ledger of the sweep calls the start of a trial; '' for 'started' or 'resumed'

    def room(self, running: int) -> int:
        """How many more trials may be started beside those that are under way."""

    def start(self, works: Sequence[Work]) -> list[Process]:
        """Start them all."""

    def id_of(self, process: Process) -> dict[str, int | str]:
        """By what a process is told, for the ledger of the sweep."""

    def find(self, name: str) -> Process | None:
        """What an earlier call of the sweep started for a trial, where it is under way."""

    def waits(self, process: Process) -> bool:
        """Whether a process is in a queue."""

    def stop(self, processes: Sequence[Process]) -> None:
        """The sweep is ended by its user while these are under way."""


class LocalEngine:
    """Processes of this machine, which end with the sweep, politely.

    jobs: at a time.
    """

    starts = ""

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs

    def room(self, running: int) -> int:
        """How many more there are to be."""
        return max(0, self.jobs - running)

    def start(self, works: Sequence[Work]) -> list[Process]:
        """Start them all."""
        return [work.start() for work in works]

    def id_of(self, process: subprocess.Popen) -> dict[str, int | str]:
        """Its number."""
        return {"pid": process.pid}

    def find(self, name: str) -> None:
        """None: what an earlier sweep left is told by the lock of its run."""

    def waits(self, process: Process) -> bool:
        """Whether it is in a queue: never."""
        return False

    def stop(self, processes: Sequence[subprocess.Popen]) -> None:
        """Ask each to stop politely, as a Ctrl-C of the sweep does, and wait for its checkpoint."""
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
