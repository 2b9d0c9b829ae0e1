"""Stopping politely: the first Ctrl-C or SIGTERM asks, the second leaves at once."""

import atexit
import contextlib
import logging
import multiprocessing.util  # which registers its end of workers at the exit before ours, so that ours comes first
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)
# What the runner of a batch job asks its training by. A cluster sends its own signals to every process of a job, some
# of them twice; nobody sends this one but the runner, and to one process alone. macOS has none such.
ASKS = getattr(signal, "SIGRTMIN", signal.SIGTERM)


@contextlib.contextmanager
def handled(handler: Callable[[int, FrameType | None], Any], *numbers: int) -> Iterator[None]:
    """Within, signals are given to a handler; outside the main thread, where they never arrive, nothing changes.

    handler: of number and frame; numbers: of the signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    try:
        for number in numbers:
            before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)


@contextlib.contextmanager
def exit_at_sigterm() -> Iterator[None]:
    """Within, SIGTERM ends the process by SystemExit(143), so that what is open is closed; a fit stops politely."""
    with handled(lambda number, frame: sys.exit(128 + number), signal.SIGTERM):
        yield


def end_workers_at_exit() -> None:
    """Where SIGTERM is blocked, as in a job of a cluster, end what loads the data by SIGKILL when this process exits.

    Workers inherit that they are deaf, and Python would send them SIGTERM after an error and wait for ever.
    """
    if hasattr(signal, "pthread_sigmask") and signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        atexit.register(_kill_workers)


def _kill_workers() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would call each one an error
    for worker in multiprocessing.active_children():
        if worker.daemon:
            worker.kill()


class PoliteStop:
    """Catches SIGINT, SIGTERM and `ASKS` between `catch` and `release`; `asked` is the first one's number, or None."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self.since = self.again_s = 0.0
        self._handlers: dict[int, Any] = {}

    def catch(self, again_s: float = 0) -> None:
        """Take the signals over; outside the main thread, where that is impossible, do nothing.

        again_s: seconds within which a second signal is the first one, passed on; of the first nothing is said then.
        """
        self.release()
        self.asked, self.again_s = None, again_s
        for number in (signal.SIGINT, signal.SIGTERM, ASKS):
            try:
                self._handlers[number] = signal.signal(number, self._on_signal)
            except ValueError:
                return

    def release(self) -> None:
        """Give the handlers back that were there before."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None and time.monotonic() - self.since < self.again_s:
            return
        if self.asked is not None:
            raise KeyboardInterrupt(number)
        self.asked, self.since = number, time.monotonic()
        if self.again_s:
            return
        log.warning("stopping after this step; once more to leave at once")
