"""The processes of a sweep: how a command is started, whether a run is held by one, and what one died of."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from learnerkit.core.errors import RunError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import shortened


@dataclass
class Started:
    """A trial under way: its process (None where an earlier sweep left it), when it began, and where its log does."""

    process: subprocess.Popen | None
    at: float
    log_begins: int


def start_command(words: list[str], log_path: Path, environment: dict[str, str]) -> subprocess.Popen:
    """Start a command of learnerkit whose output goes to a log."""
    with log_path.open("ab") as log_file:
        return subprocess.Popen(
            [sys.executable, "-m", "learnerkit.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            env={**os.environ, **environment},
            start_new_session=True,  # a Ctrl-C reaches the sweep alone, which then asks once
        )


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
    code = started.process.returncode
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (the system kills so when memory runs out)" if -code == signal.SIGKILL else ""
        return f"killed by {name}{hint}"
    data = log.read_bytes()[started.log_begins :]
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    lines = [line.strip("│ ") for line in lines if line and not line.startswith(("╭", "╰"))]
    said = [place for place, line in enumerate(lines) if line.startswith("error: ") or "Error" in line.split(":")[0]]
    reason = " ".join(lines[said[-1] :] if said else lines[-1:] or ["no output"])
    return shortened(reason.removeprefix("error: "), 300) + f" (exit {code})"
