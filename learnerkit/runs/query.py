"""Questions to many runs: which field a word means, which runs fit a condition, in which order they stand. No torch."""

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from learnerkit.core.errors import MEANT, RecipeError, nearest
from learnerkit.core.labels import worded
from learnerkit.core.text import both
from learnerkit.runs.index import FACTS, Row

FORM = re.compile(r"\s*([^\s=!<>~]+)\s*(!=|<=|>=|==|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
PART = re.compile(r"(?:train|valid|test|all)_(.+)")
OF_A_SCRIPT = ("fit.", "learner.", "dls.")  # where a script says a setting; the fit has the last word
WORDS = {"true": "yes", "false": "no", "null": "none"}


@dataclass(frozen=True)
class Fields:
    """The fields of some runs, and what a word means among them.

    rows: the runs.
    """

    rows: Sequence[Row]

    @cached_property
    def keys(self) -> dict[str, str]:
        """Every figure and setting that a run has, with what it is, 'figure' or 'setting'."""
        found: dict[str, str] = {}
        for row in self.rows:
            found.update(dict.fromkeys(row.figures, "figure"))
            found.update({key: "setting" for key in row.settings if key not in found})
        return found

    @cached_property
    def _short(self) -> dict[str, list[str]]:
        """The keys that a shorter word may mean: the end of a setting's, a figure without its part."""
        found: dict[str, list[str]] = {}
        for key, kind in self.keys.items():
            parts = key.split(".")
            ends = [".".join(parts[place:]) for place in range(1, len(parts))]
            part = PART.fullmatch(key) if kind == "figure" else None
            for end in [*ends, *([part[1]] if part else [])]:
                found.setdefault(end, []).append(key)
        return found

    def meant(self, word: str, where: str) -> "Field":
        """The field that a word means: a fact, a figure or setting by its key, or by a short name where it is clear.

        where: how a message calls the place, such as '--sort'. RecipeError names the nearest where no run has one of
        this name, and all that it may mean where a run has several.
        """
        if word in FACTS or word in self.keys:
            return Field(word, (word,))
        keys = self._short.get(word, [])
        if not keys:
            if (other := MEANT.get(word)) and (other in self.keys or other in self._short):
                return self.meant(other, where)
            known = {*FACTS, *self.keys, *self._short}
            raise RecipeError(f"{where}: no run has a figure or setting '{word}'; {nearest(word, known)}")
        for row in self.rows:
            several = [key for key in keys if key in row.figures or key in row.settings]
            if len(several) > 1 and not all(key.startswith(OF_A_SCRIPT) for key in several):
                raise RecipeError(f"{where}: '{word}' may be {both(several, 8)}; say which")
        return Field(word, tuple(sorted(keys, key=lambda key: key.startswith(OF_A_SCRIPT[1:]))))


@dataclass(frozen=True)
class Field:
    """A field of a run.

    name: as it was asked for; keys: that it may stand under, of which the first that a run has counts.
    """

    name: str
    keys: tuple[str, ...]

    def of(self, row: Row) -> Any:
        """Its value; None where the run has none, and for a setting that is none."""
        for key in self.keys:
            value = getattr(row, key) if key in FACTS else row.figures.get(key, row.settings.get(key))
            if value is not None:
                return str(value) if key == "path" else value
        return None

    def is_in(self, row: Row) -> bool:
        """Whether a run has it; a setting that is none is had."""
        return self.of(row) is not None or any(key in row.settings for key in self.keys)


@dataclass(frozen=True)
class Condition:
    """What a run has to fit.

    text: as it was given; field, sign, value: its parts.
    """

    text: str
    field: Field
    sign: str
    value: str

    @classmethod
    def read(cls, text: str, fields: Fields, where: str = "--where") -> "Condition":
        """A condition from its text, 'FIELD OP VALUE'; RecipeError where it is none, or names no field."""
        found = FORM.fullmatch(text)
        if not found or not found[3]:
            raise RecipeError(
                f"{where} '{text}': say FIELD OP VALUE with one of = != < <= > >= ~ (contains), such as "
                "'test_accuracy > .9' or 'arch ~ resnet'"
            )
        sign = found[2].replace("==", "=")
        condition = cls(text, fields.meant(found[1], f"{where} '{text}'"), sign, found[3])
        if sign in ORDERS and number_of(condition.value) is None:
            values = [value for row in fields.rows if (value := condition.field.of(row)) is not None]
            if any(isinstance(value, (int, float)) for value in values):
                raise RecipeError(f"{where} '{text}': {found[1]} is a number, and '{found[3]}' is none")
        return condition

    def fits(self, row: Row) -> bool:
        """Whether a run that has the field fits; numbers are compared as numbers, all else as text."""
        value, number = self.field.of(row), number_of(self.value)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if self.sign == "~":
            return self.value.lower() in shown(value).lower()
        if self.sign in ("=", "!="):
            wanted = WORDS.get(self.value.lower(), self.value)
            same = value == number if is_number and number is not None else wanted in (shown(value), worded(value))
            return same == (self.sign == "=")
        if value is None or is_number != (number is not None):
            return False
        return ORDERS[self.sign](value if is_number else str(value), number if is_number else self.value)


def number_of(text: str) -> float | None:
    """A text as a finite number; None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def shown(value: Any) -> str:
    """A value as a condition compares it: yes, no, none, a number or list in full."""
    if isinstance(value, (bool, type(None))):
        return worded(value)
    return ",".join(map(shown, value)) if isinstance(value, (tuple, list)) else str(value)


def chosen(rows: Sequence[Row], conditions: Sequence[Condition], text: str = "") -> tuple[list[Row], dict[str, int]]:
    """The runs that fit every condition, and how many do not have its field, by the field's name.

    text: that name, title, state or task have to contain, whatever the case of its letters.
    """
    words, kept = text.lower().split(), list(rows)
    kept = [row for row in kept if all(word in _said(row) for word in words)]
    without: dict[str, int] = {}
    for condition in conditions:
        if lacking := sum(not condition.field.is_in(row) for row in kept):
            without[condition.field.name] = lacking
        kept = [row for row in kept if condition.field.is_in(row) and condition.fits(row)]
    return kept, without


def _said(row: Row) -> str:
    return f"{row.name} {row.title} {row.state} {row.task}".lower()


def ordered(rows: Sequence[Row], field: Field, falling: bool = False) -> tuple[list[Row], int]:
    """The runs by a field, numbers before texts, those without a value last; and how many these are."""
    known = [row for row in rows if field.of(row) is not None]
    kinds: dict[bool, list[Row]] = {True: [], False: []}
    for row in known:
        kinds[isinstance(field.of(row), (int, float))].append(row)
    key: Callable[[Row], Any] = field.of
    numbers = sorted(kinds[True], key=key, reverse=falling)
    texts = sorted(kinds[False], key=lambda row: shown(field.of(row)), reverse=falling)
    return [*numbers, *texts, *(row for row in rows if field.of(row) is None)], len(rows) - len(known)
