"""Bad samples: listed all at once and refused before training, or set aside on request; never silently dropped."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.core.errors import DataError

SHOWN = 50  # faults that an error lists; the rest are counted
REMEDY = "train without them: skip_bad=True (--skip-bad)."


@dataclass(frozen=True)
class Fault:
    """One bad sample or file.

    file: which; reason: what was found and what would be right; place: the row or line in it, where there is one.
    samples: how many samples go with it.
    """

    file: str
    reason: str
    place: str = ""
    samples: int = 1

    def __str__(self) -> str:
        return f"{self.file}{': ' + self.place if self.place else ''}: {self.reason}"


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    path: the set; kind: its format; samples: how many it has, the bad ones included; faults: all of them.
    """

    path: Path
    kind: str
    samples: int
    faults: list[Fault] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether the set is good."""
        return not self.faults

    def __str__(self) -> str:
        head = f"{self.path}: {self.kind}, {self.samples:,} samples, {len(self.faults)} fault(s)"
        return "\n  ".join([head, *map(str, self.faults)])


def listed(faults: Sequence[Fault]) -> str:
    """The faults as lines of an error message, the first `SHOWN` of them."""
    more = [f"... and {len(faults) - SHOWN} more; learnerkit.all.verify(path) lists all"] if len(faults) > SHOWN else []
    return "\n  ".join([*map(str, faults[:SHOWN]), *more])


def settle(what: str, faults: Sequence[Fault], samples: int, skip_bad: bool, remedy: str = REMEDY) -> None:
    """DataError listing every fault, or nothing where they may be set aside.

    what: the set, as the message calls it; samples: all of its samples, the bad ones included.
    skip_bad: set bad samples aside; refused when they are more than half.
    remedy: how the user says so.
    """
    if not faults:
        return
    bad = sum(fault.samples for fault in faults)
    if skip_bad and bad * 2 <= samples:
        return
    many = f"more than half of the samples ({bad} of {samples}) are bad; " if skip_bad else ""
    said = "" if skip_bad else f"\nRepair or remove them, or {remedy}"
    raise DataError(f"{what}: {many}{len(faults)} fault(s) in {samples:,} samples:\n  {listed(faults)}{said}")
