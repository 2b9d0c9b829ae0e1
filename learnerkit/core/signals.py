"""Stopping politely: the first Ctrl-C or SIGTERM asks, the second leaves at once."""

import logging
import signal
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)


class PoliteStop:
    """Catches SIGINT and SIGTERM between `catch` and `release`; `asked` is the number of the first signal, or None."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self._handlers: dict[int, Any] = {}

    def catch(self) -> None:
        """Take over both signals; outside the main thread, where that is impossible, do nothing."""
        self.release()
        self.asked = None
        for number in (signal.SIGINT, signal.SIGTERM):
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
        if self.asked is not None:
            raise KeyboardInterrupt(number)
        self.asked = number
        log.warning("stopping after this step; once more to leave at once")
