"""What an examination says: lines that are good, warnings or faults, and the worst of them."""

from collections.abc import Iterable

Line = tuple[bool | None, str]  # whether it is good, None for a warning, and the text
LEVELS = {True: "ok", None: "warn", False: "fault"}


def level_of(lines: Iterable[Line]) -> str:
    """The worst of some lines: 'ok', 'warn' or 'fault'."""
    found = [good for good, _ in lines]
    return LEVELS[False if False in found else None if None in found else True]


def told_lines(lines: Iterable[Line]) -> list[dict[str, str]]:
    """Lines for JSON: 'level', one of `LEVELS`, and 'text'."""
    return [{"level": LEVELS[good], "text": text} for good, text in lines]


def line_text(line: Line) -> str:
    """A line as a command prints it: its level in letters that meet the eye, and the text."""
    good, text = line
    return f"  {'FAULT' if good is False else LEVELS[good]:<5} {text}"
