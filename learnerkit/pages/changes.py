"""What changed between two runs in what they predict: one record for every task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from learnerkit.core.power import ALPHA
from learnerkit.core.statistics import holm
from learnerkit.core.text import formatted, p_text, some
from learnerkit.pages.blocks import Gallery
from learnerkit.pages.page import Table

Loaders = Callable[[], Any]  # the DataLoaders of a run, read anew; None where they cannot be


class OfBoth:
    """A figure of A, `first`, and of B, `second`."""

    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """B less A."""
        return None if self.first is None or self.second is None else self.second - self.first


@dataclass(frozen=True)
class Measured(OfBoth):
    """A figure of both runs on the samples that both were measured on.

    part, name: such as 'test' and 'accuracy'; n: samples; first, second: of A and of B, None where there is none.
    low, high: 95 % interval of B less A; p: of the test that the two differ; None where there is none.
    test: how the p was found; lower: whether less is better.
    """

    part: str
    name: str
    n: int
    first: float | None
    second: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    test: str = ""
    lower: bool = False

    @property
    def title(self) -> str:
        """Its part and name in words; what ends in _tta was measured with views."""
        name = self.name.removesuffix("_tta").replace("_", " ")
        return f"{self.part} {name}{' with views' if self.name.endswith('_tta') else ''}"

    @property
    def told(self) -> bool:
        """Whether the interval leaves out 0 and the test, where there is one, says the same."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return False
        return self.p is None or self.p < ALPHA


@dataclass(frozen=True)
class ClassChange(OfBoth):
    """The figure of one class in both runs; fields as in `Measured`, holm is p corrected for all classes."""

    name: str
    n: int
    first: float | None
    second: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    holm: float | None = None


@dataclass
class Changes:
    """What two runs of one task predict otherwise on the samples that both were measured on.

    shared: by part how many samples A has, B has, and both have with one truth.
    figures: of each part; classes: of `part`, by `of`, such as 'recall', the greatest difference first.
    counts: what was counted of the samples, in words; flips: a row a change, for flips.csv, the surest first.
    galleries: some of them with pictures; notes: what could not be compared or shown, and why.
    """

    part: str = ""
    shared: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    figures: list[Measured] = field(default_factory=list)
    classes: list[ClassChange] = field(default_factory=list)
    of: str = "recall"
    counts: dict[str, int] = field(default_factory=dict)
    flips: list[dict[str, Any]] = field(default_factory=list)
    galleries: list[Gallery] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def none_of(value: float | None) -> float | None:
    """A figure, None where it is nan."""
    return None if value is None or value != value else float(value)


def corrected(classes: Sequence[ClassChange]) -> list[ClassChange]:
    """The classes with Holm's p over all that have a test, the greatest difference first."""
    tested = [one for one in classes if one.p is not None]
    by_name = dict(zip((one.name for one in tested), holm([one.p for one in tested]), strict=True))
    held = [ClassChange(**{**vars(one), "holm": by_name.get(one.name)}) for one in classes]
    return sorted(held, key=lambda one: (one.difference is None, -abs(one.difference or 0), one.name))


def shared_text(changes: Changes) -> list[str]:
    """A line a part whose samples are not the same in both runs."""
    return [
        f"{part}: {both:,} samples are compared, those that both runs were measured on ({a:,} of A, {b:,} of B)"
        for part, (a, b, both) in changes.shared.items()
        if not a == b == both
    ]


def class_text(changes: Changes) -> str:
    """How many classes differ, by how many of so many tests chance alone would say so, and which remain."""
    tested = [one for one in changes.classes if one.p is not None]
    if not tested:
        return ""
    alone = [one for one in tested if one.p < ALPHA]
    kept = [f"{one.name} {one.difference:+.3f}" for one in tested if one.holm is not None and one.holm < ALPHA]
    chance = f"{ALPHA * len(tested):.2g} of {len(tested)} would by chance alone"
    text = f"the {changes.of} of {len(alone)} of {len(tested)} classes differs at p < .05 ({chance})"
    return f"{text}; corrected for their number (Holm): {some(kept, 5) if kept else 'none'}"


def figure_text(one: Measured) -> str:
    """A figure of both runs in a line, with what is known of the difference."""
    form = "{:.4f}"
    text = f"{one.title}: A {formatted(one.first, form)}, B {formatted(one.second, form)}"
    if one.difference is None:
        return text
    text += f", B - A {one.difference:+.4f}"
    if one.low is not None and one.high is not None:
        text += f" ({one.low:+.4f} to {one.high:+.4f})"
    return text + (f", {one.test} p {p_text(one.p)}" if one.p is not None else "")


def figure_table(changes: Changes) -> Table:
    """The figures of both runs with the difference, its interval and its test."""
    rows = [
        (
            one.title,
            *(formatted(value, "{:.4f}") for value in (one.first, one.second)),
            _signed(one.difference, 4),
            _interval(one),
            p_text(one.p) if one.p is not None else "",
            one.test,
            f"{one.n:,}" if one.n else "",
        )
        for one in changes.figures
    ]
    note = (
        "On the samples that both runs were measured on, without test-time views; what has no number of samples is of "
        "results.json, each run on its own. The interval of B - A is the 95 % "
        "percentile bootstrap over the samples, drawn alike for both; it says what other samples would change, and not "
        "what another seed would."
    )
    return Table("Figures", ("figure", "A", "B", "B - A", "95 % interval", "p", "test", "samples"), rows, note)


def class_table(changes: Changes) -> Table:
    """Each class with the difference, its interval, its p and that corrected for the number of classes."""
    rows = [
        (
            one.name,
            f"{one.n:,}",
            *(formatted(value, "{:.3f}") for value in (one.first, one.second)),
            _signed(one.difference, 3),
            _interval(one, 3),
            p_text(one.p) if one.p is not None else "",
            p_text(one.holm) if one.holm is not None else "",
        )
        for one in changes.classes
    ]
    what = "objects" if changes.of == "AP" else "samples"
    heads = ("class", what, f"{changes.of} of A", f"{changes.of} of B", "B - A", "95 % interval", "p", "Holm p")
    title = f"{changes.of} of each class ({changes.part})"
    said = class_text(changes)
    note = f"{said[0].upper()}{said[1:]}. An interval is of its class alone, not corrected." if said else ""
    return Table(title[:1].upper() + title[1:], heads, rows, note, long=len(rows) > 20)


def _interval(one: Measured | ClassChange, digits: int = 4) -> str:
    if one.low is None or one.high is None:
        return ""
    return f"{_signed(one.low, digits)} to {_signed(one.high, digits)}"


def _signed(value: float | None, digits: int) -> str:
    """A difference with its sign; 0 has none."""
    text = formatted(value, f"{{:+.{digits}f}}")
    return text[1:] if text[1:].strip("0.") == "" else text
