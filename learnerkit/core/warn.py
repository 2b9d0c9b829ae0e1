"""Warnings for people: at the user's own line in a script, and as a line of text on the command line."""

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

PACKAGE = __name__.partition(".")[0]


def warn(text: str) -> None:
    """A UserWarning at the nearest caller outside the package, however many of its functions lie between."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


def escape_unprintable() -> None:
    """Let the process's output escape what its encoding lacks, such as a file name that is no UTF-8, and not fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has not
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def warnings_as_lines(say: Callable[[str], None]) -> Iterator[None]:
    """Within the block each warning is one line, said once, in place of a file and a line of code.

    say: where the line goes.
    """
    said: set[str] = set()

    def show(message: Warning | str, *_: Any) -> None:
        if str(message) not in said:
            said.add(str(message))
            say(f"warning: {message}")

    before, warnings.showwarning = warnings.showwarning, show
    try:
        yield
    finally:
        warnings.showwarning = before
