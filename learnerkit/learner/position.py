"""Where a training stands, and the fit that is under way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Position:
    """A batch boundary of a training.

    epochs_before: epochs of earlier fits of the learner: a second fit does not draw what the first drew.
    epoch, batch: what comes next in this fit, both from 0.
    step: batches trained in this fit; done: part of the fit that is done, 0 to 1.
    """

    epochs_before: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    done: float = 0.0


@dataclass
class Fit:
    """One fit under way.

    call: its arguments, which a resume compares; state: a checked state that it is to go on from.
    running: whether it is within its epochs; error: what ended it, where something did.
    afterwards: what callbacks do with the learner once the fit is over.
    """

    call: dict[str, Any]
    state: dict[str, Any] | None = None
    running: bool = False
    error: BaseException | None = None
    afterwards: list[Callable] = field(default_factory=list)
