"""Figures as text, the same on the command line, on pages and in tables."""

import re
import time
from collections.abc import Callable, Sequence
from textwrap import shorten
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


def short_count(value: float) -> str:
    """A great number in three digits, such as '4.09 G'."""
    for letter, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


def shortened(text: str, longest: int) -> str:
    """A text in one line of so many letters at most; what is longer ends with '...' after a whole word."""
    return shorten(text, longest, placeholder=" ...") if len(text) > longest else text


def valid_text(text: str) -> str:
    """Text that is valid UTF-8: a byte that is none stands as \\xE9, half of a UTF-16 pair as \\uD83D."""
    return re.sub("[\ud800-\udfff]", _escaped_surrogate, text)


def one_line(text: str) -> str:
    """`valid_text` whose line breaks, tabs and other control characters are seen, as \\n, \\t, \\x07."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", _escaped_control, valid_text(text))


def _escaped_surrogate(found: re.Match) -> str:
    code = ord(found.group())
    return f"\\x{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04X}"


def _escaped_control(found: re.Match) -> str:
    return found.group().encode("unicode_escape").decode()


def now() -> str:
    """The time as run folders have it, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def some(items: Sequence[Any], n: int = 3) -> str:
    """The first of many things, such as 'a, b, c and 12 more'."""
    rest = len(items) - n
    return ", ".join(map(str, items[:n])) + (f" and {rest:,} more" if rest > 0 else "")


def both(items: Sequence[Any], n: int = 4) -> str:
    """A few things, such as 'a and b'; the first of many as `some` has them."""
    return " and ".join(map(str, items)) if len(items) <= n else some(items, n)


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())
