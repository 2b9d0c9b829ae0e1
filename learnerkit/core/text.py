"""Figures as text, the same on the command line, on pages and in tables."""

import time
from collections.abc import Callable, Sequence
from typing import Any

MISSING = "n/a"
Form = str | Callable[[Any], str]


def formatted(value: Any, form: Form) -> str:
    """A figure in a form such as '{:.2%}', or by a function; 'n/a' where it is undefined."""
    if value is None or value != value:
        return MISSING
    return form(value) if callable(form) else form.format(value)


def p_text(p: float) -> str:
    """A p value."""
    return "< .0001" if p < 1e-4 else f"{p:.4f}"


def now() -> str:
    """The time as run folders have it, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def some(items: Sequence[Any], n: int = 3) -> str:
    """The first of many things, such as 'a, b, c and 12 more'."""
    rest = len(items) - n
    return ", ".join(map(str, items[:n])) + (f" and {rest:,} more" if rest > 0 else "")


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())
