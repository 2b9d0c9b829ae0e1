"""The processes of a sweep: how a trial is started or gone on with, whether a run is held, and what one died of."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from learnerkit.core.errors import RunError
from learnerkit.core.fsops import remove_tree
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import shortened

BEFORE_RUN = {"lock.json", "status.json", "training.log"}  # what a run has before its run.json


class Process(Protocol):
    """What is started for a trial, by whichever engine; as `subprocess.Popen` has it."""

    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, None as long as it goes on."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended."""


@dataclass
class Started:
    """A trial under way: its process (None where an earlier sweep left it), when it began, and where its log does."""

    process: Process | None
    at: float
    log_begins: int


@dataclass(frozen=True)
class Work:
    """A command of learnerkit that an engine starts.

    log: file that its output is appended to. environment: beside that of this process.
    path: of the run that it trains; recipe: the file that it is begun with. Whether it begins or goes on is settled
        when it is started, which on a cluster may be hours after it was ordered, and again.
    words: of the command, where it is no training.
    """

    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    path: Path = Path()
    recipe: Path = Path()
    words: tuple[str, ...] = ()

    @property
    def resumes(self) -> bool:
        """Whether the run has begun already."""
        return (self.path / "run.json").exists()

    def command(self) -> list[str]:
        """The words of the command as things stand; what never became a run is moved out of its way."""
        if self.words:
            return list(self.words)
        if self.resumes:
            return ["train", "--resume", str(self.path), "--allow", "threads"]
        remove_unbegun(self.path)
        return ["train", str(self.recipe), "--out", str(self.path.parent), "--name", self.path.name]

    def start(self) -> subprocess.Popen:
        """Start it as a process of this machine."""
        with self.log.open("ab") as log_file:
            return subprocess.Popen(
                [sys.executable, "-m", "learnerkit.cli", *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                env={**os.environ, **self.environment},
                start_new_session=True,  # a Ctrl-C reaches the sweep alone, which then asks once
            )


def remove_unbegun(path: Path) -> None:
    """Remove the folder of a run that was killed before it had a run.json; RunError where it holds anything else."""
    if not path.exists() or is_held(path):  # it is just beginning, in a process that an earlier sweep left
        return
    left = [entry.name for entry in path.iterdir() if not entry.name.endswith(".tmp")]
    if other := sorted(set(left) - BEFORE_RUN):
        raise RunError(f"{path}: is not a run, and holds {other[0]}; choose another --out")
    remove_tree(path)


def interrupt(number: int, frame: FrameType | None) -> None:
    """What a polite stop of the sweep does, whichever signal asks for it."""
    raise KeyboardInterrupt(number)


def is_held(path: Path) -> bool:
    """Whether another process owns a run."""
    if not (path / "lock.json").exists():
        return False
    run = RunFolder(path)
    try:
        run.lock()
    except RunError:
        return True
    run.unlock()
    return False


def reason_of(started: Started, log: Path) -> str:
    """What a process of a sweep died of: a signal, or the last error in its log."""
    code, why = started.process.returncode, getattr(started.process, "why", "")
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (the system kills so when memory runs out)" if -code == signal.SIGKILL else ""
        return f"killed by {name}{hint}"
    data = log.read_bytes()[started.log_begins :] if log.exists() else b""
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    lines = [line.strip("│ ") for line in lines if line and not line.startswith(("╭", "╰"))]
    said = [place for place, line in enumerate(lines) if line.startswith("error: ") or "Error" in line.split(":")[0]]
    reason = " ".join(lines[said[-1] :] if said else lines[-1:] or ["no output"])
    reason = "; ".join(filter(None, (shortened(reason.removeprefix("error: "), 300), why)))
    return f"{reason} (exit {code})"
