"""Where the courses of two runs part, from what they recorded of each batch; what a record contradicts in itself."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnerkit.core.digits import alike

ROUNDING = 1e-4  # of a loss: more than other threads or another machine make of one step by float32 alone
DIGITS = 1e-4  # of a mean of losses that were written in six digits


@dataclass(frozen=True)
class Step:
    """A step at which two runs have other losses: its number and epoch, and the losses of both."""

    step: int
    epoch: int
    first: float
    second: float

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first

    @property
    def share(self) -> float:
        """The size of the difference as a share of the greater loss; 1 where one is not finite."""
        most = max(abs(self.first), abs(self.second))
        return abs(self.difference) / most if math.isfinite(self.difference) and most else 1.0


@dataclass(frozen=True)
class Course:
    """Two courses side by side.

    steps: batches that each run recorded; shared: steps that both have.
    parted: the first step of other losses; beyond: the first at which they differ by more than rounding; None for none.
    rates: the first step of another learning rate; None for none.
    """

    steps: tuple[int, int]
    shared: int
    parted: Step | None = None
    beyond: Step | None = None
    rates: int | None = None


Batches = Mapping[int, tuple[int, float, float]]


def read_batches(file: Path) -> dict[int, tuple[int, float, float]]:
    """Epoch, loss and rate by step, of batch_metrics.csv; {} where there is none. A torn line is left out."""
    if not file.is_file():
        return {}
    found = {}
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                found[int(row["step"])] = int(row["epoch"]), float(row["loss"]), float(row["lr"])
            except (KeyError, TypeError, ValueError):
                continue
    return found


def course_of(first: Batches, second: Batches) -> Course:
    """Where two courses part; first, second: of `read_batches`."""
    shared = sorted(first.keys() & second.keys())
    losses, lrs = (alike(*([run[step][place] for step in shared] for run in (first, second))) for place in (1, 2))
    pairs = (Step(step, first[step][0], *pair) for step, pair in zip(shared, zip(*losses, strict=True), strict=True))
    other = [pair for pair in pairs if not _equal(pair.first, pair.second)]
    beyond = next((pair for pair in other if pair.share > ROUNDING), None)
    rates = next((step for step, *pair in zip(shared, *lrs, strict=True) if not _equal(*pair)), None)
    return Course((len(first), len(second)), len(shared), other[0] if other else None, beyond, rates)


def _equal(first: float, second: float) -> bool:
    return first == second or (first != first and second != second)


def contradictions(ledger: Sequence[Mapping[str, Any]], batches: Batches) -> list[str]:
    """What a run's ledger and its batches say of one another that cannot both be true; nothing where one is missing.

    ledger: of history.jsonl. Batches of an epoch that is not in the ledger yet are those of a run that goes on.
    """
    numbers = [row.get("epoch") for row in ledger]
    if numbers != list(range(1, len(numbers) + 1)):
        return [f"history.jsonl has the epochs {_few(numbers)}, not 1 to {len(numbers)} in turn"]
    if not ledger or not batches:
        return []
    steps = sorted(batches)
    if steps != list(range(1, len(steps) + 1)):
        missing = next(step for step in range(1, steps[-1] + 1) if step not in batches)
        return [f"batch_metrics.csv has no step {missing}, of {steps[-1]}"]
    by_epoch: dict[int, list[int]] = {}
    for step in steps:
        by_epoch.setdefault(batches[step][0], []).append(step)
    found = []
    for row in ledger:
        own = by_epoch.get(row["epoch"])
        if own is None:
            found.append(f"epoch {row['epoch']} stands in history.jsonl and has no batch in batch_metrics.csv")
        elif row.get("step") not in (None, own[-1]):
            found.append(
                f"epoch {row['epoch']} ends at step {row['step']} in history.jsonl, at {own[-1]} by its batches"
            )
        elif not _is_mean(row.get("train_loss"), [batches[step][1] for step in own]):
            said, mean = row["train_loss"], sum(batches[step][1] for step in own) / len(own)
            found.append(f"epoch {row['epoch']} has train_loss {said:.6g} in history.jsonl, {mean:.6g} by its batches")
    return found


def _is_mean(said: Any, losses: list[float]) -> bool:
    """Whether a figure is the mean of the losses, the last of them weighing as much as the others or less."""
    if not isinstance(said, (int, float)) or not all(map(math.isfinite, [said, *losses])):
        return True
    means = [sum(some) / len(some) for some in (losses, losses[:-1] or losses)]
    slack = DIGITS * max(map(abs, (said, *means)))
    return min(means) - slack <= said <= max(means) + slack


def _few(numbers: list[Any]) -> str:
    texts = list(map(str, numbers))
    return ", ".join(texts) if len(texts) < 8 else f"{', '.join(texts[:4])} ... {texts[-1]}"
