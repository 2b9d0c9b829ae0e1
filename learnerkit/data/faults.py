"""Bad samples: listed all at once and refused before training, or set aside on request; never silently dropped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from learnerkit.core.errors import DataError

MOST_LISTED = 50  # lines that an error lists; the rest are counted
MOST_ALIKE = 5  # faults of one reason that have a line each
BAD = ("refuse", "skip")  # what `bad=` may be where nothing can be cut to fit
REMEDY = "train without them: bad='skip' (--bad skip) leaves them out and lists them in quarantine.csv."


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


class Quarantined(Protocol):
    """A set that remembers what was set aside of it."""

    quarantine: Sequence[Fault]


Q = TypeVar("Q", bound=Quarantined)


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    path: the set; kind: its format; samples: how many it has, the bad ones included; faults: all of them.
    near_copies: across its parts, a line each; they are no faults, but what is measured on them flatters.
    """

    path: Path
    kind: str
    samples: int
    faults: list[Fault] = field(default_factory=list)
    near_copies: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether the set is good."""
        return not self.faults

    def __str__(self) -> str:
        head = f"{self.path}: {self.kind}, {self.samples:,} samples, {len(self.faults)} fault(s)"
        near = f"{len(self.near_copies)} near copies across its parts" if self.near_copies else ""
        return "\n  ".join([head, *map(str, self.faults), *filter(None, [near]), *self.near_copies])


def fault_lines(faults: Sequence[Fault]) -> str:
    """The faults as lines of an error message, the first `MOST_LISTED` lines."""
    lines = _by_reason(faults)
    rest = len(lines) - MOST_LISTED
    more = [f"... and {rest} more; learnerkit.all.verify(path) lists all"] if rest > 0 else []
    return "\n  ".join([*lines[:MOST_LISTED], *more])


def _by_reason(faults: Sequence[Fault]) -> list[str]:
    """A line a fault; many of one reason are one line with their number and the first of them."""
    alike: dict[str, list[Fault]] = {}
    for fault in faults:
        own = re.escape(Path(fault.file).stem)  # its label's name says it again
        alike.setdefault(re.sub(rf"(?<=/){own}(?=\.)", "*", fault.reason), []).append(fault)
    lines = []
    for reason, those in alike.items():
        if len(those) > MOST_ALIKE:
            examples = ", ".join(f"{one.file}{': ' + one.place if one.place else ''}" for one in those[:3])
            lines.append(f"{examples} and {len(those) - 3} more: {reason}")
        else:
            lines += map(str, those)
    return lines


def check_bad(bad: str, known: Sequence[str] = BAD) -> str:
    """`bad` when it is one of `known`; DataError where it is not, or means what this set has nothing of."""
    if bad not in known:
        clip = ": 'clip' cuts boxes to their image, and this set has no boxes" if bad == "clip" else ""
        raise DataError(f"bad='{bad}'{clip}; one of {', '.join(known)}")
    return bad


def refuse_faults(what: str, faults: Sequence[Fault], samples: int, bad: str = "refuse", remedy: str = REMEDY) -> None:
    """DataError listing every fault, or nothing where they may be set aside.

    what: the set, as the message calls it; samples: all of its samples, the bad ones included.
    bad: 'refuse', or anything else to set bad samples aside; that is refused too when they are more than half.
    remedy: how the user says so.
    """
    if not faults:
        return
    lost = sum(fault.samples for fault in faults)
    if bad != "refuse" and lost * 2 <= samples:
        return
    many = f"more than half of the samples ({lost} of {samples}) are bad; " if bad != "refuse" else ""
    advice = "" if bad != "refuse" else f"\nRepair or remove them, or {remedy}"
    raise DataError(f"{what}: {many}{len(faults)} fault(s) in {samples:,} samples:\n  {fault_lines(faults)}{advice}")


def accepted(
    source: Q | None, faults: list[Fault], samples: int, what: str, bad: str = "refuse", remedy: str = REMEDY
) -> Q:
    """What a scan found good, the rest in its quarantine; DataError where that may not be set aside.

    source: None when nothing is good; the others as in `refuse_faults`.
    """
    refuse_faults(what, faults, samples, bad if source is not None else "refuse", remedy)
    if source is None:
        raise DataError(f"{what}: none of its {samples:,} samples can be used")
    source.quarantine = faults
    return source


def told(
    faults: Sequence[Fault], samples: int, what: str, bad: str = "refuse", known: Sequence[str] = BAD
) -> list[tuple[bool, str]]:
    """Lines of (good, text) for `doctor`: each fault, and whether more are bad than may be set aside.

    The arguments are those of `refuse_faults`; known: what `bad` may be, see `check_bad`.
    """
    check_bad(bad, known)
    lines = [(bad != "refuse", line) for line in _by_reason(faults)]
    if bad != "refuse":
        try:
            refuse_faults(what, faults, samples, bad)
        except DataError as error:
            lines.append((False, str(error).splitlines()[0].removesuffix(":")))
    return lines
