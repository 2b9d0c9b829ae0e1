"""What `learnerkit check` found, line by line, and what the steps of a check share."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from fastai.learner import CancelTrainException, CancelValidException
from matplotlib.figure import Figure

from learnerkit._fastai import Callback
from learnerkit.core.levels import LEVELS, level_of
from learnerkit.data.loaders import KitLoaders
from learnerkit.learner.kit import KitLearner
from learnerkit.recipe import Recipe
from learnerkit.task import Task


@dataclass(frozen=True)
class Line:
    """One check: its name, whether it is good (None for a warning), the evidence, and what to try."""

    check: str
    good: bool | None
    text: str
    remedy: str = ""


@dataclass
class Checked:
    """What was found of a recipe on its data.

    lines: of the checks; forecast: `seconds` and `bytes` of the whole training, and `sample` of a sample's step, where
    they are known.
    picture: of samples as they are stored and as they are trained on, where there is one.
    """

    recipe: Recipe
    task: Task
    lines: list[Line] = field(default_factory=list)
    forecast: dict[str, float] = field(default_factory=dict)
    picture: Figure | None = None

    @property
    def level(self) -> str:
        """The worst of the lines: ok, warn or fault."""
        return level_of((line.good, line.text) for line in self.lines)

    def exit_code(self, strict: bool = False) -> int:
        """0 clean, 2 with a fault; 1 with warnings alone where they count. strict: whether they do."""
        return {"ok": 0, "warn": int(strict), "fault": 2}[self.level]

    def content(self) -> dict[str, Any]:
        """For JSON; the keys stand in nbs/json.md."""
        told = [
            {"check": one.check, "level": LEVELS[one.good], "text": one.text, "try": one.remedy or None}
            for one in self.lines
        ]
        return {
            "task": self.task.name,
            "title": self.recipe.title,
            "level": self.level,
            "checks": told,
            "seconds": self.forecast.get("seconds"),
            "bytes": self.forecast.get("bytes"),
        }


def line_text(line: Line) -> str:
    """A line as the command prints it."""
    level = "FAULT" if line.good is False else LEVELS[line.good]
    return f"  {level:<5} {line.check}: {line.text}" + (f". Try: {line.remedy}" if line.remedy else "")


def acting(order: int = 90, **events: Callable[[Any], None]) -> Callback:
    """A callback of one check alone, by its events; each is given it. It is no part of any recorded training."""
    callback = Callback(**events)
    callback.order = order
    return callback


def busy() -> float:
    """Seconds that this process has computed, by one thread: on a machine that others use as well time goes slower."""
    return time.process_time() / torch.get_num_threads()


class Clock:
    """Ends the training part of an epoch when its time is over, and the validation after some batches.

    seconds: for the training; valid: batches; least: steps that are made all the same. valid_times: of the batches.
    """

    def __init__(self, seconds: float, valid: int = 2, least: int = 2) -> None:
        self.seconds, self.valid, self.least = seconds, valid, least
        self.until, self.valid_times = 0.0, []

    def callback(self) -> Callback:
        """The callback that does so."""
        return acting(before_train=self._begin, before_validate=self._begin_valid, after_batch=self._end)

    def _begin(self, _: Callback) -> None:
        self.until = busy() + self.seconds

    def _begin_valid(self, _: Callback) -> None:
        self.valid_times = [time.monotonic()]

    def _end(self, cb: Callback) -> None:
        learn = cb.learn
        if learn.training:
            if busy() > self.until and learn.iter + 1 >= self.least:
                raise CancelTrainException
            return
        self.valid_times.append(time.monotonic())
        if learn.iter + 1 >= self.valid:
            raise CancelValidException


def smaller(dls: KitLoaders, bs: int) -> KitLoaders:
    """The same DataLoaders with batches of so many samples at most."""
    small = copy.copy(dls)
    small.loaders = [dl.new(bs=min(bs, dl.bs)) for dl in dls.loaders]
    return small


class Repeated:
    """A loader that gives one batch n times."""

    def __init__(self, batch: tuple, n: int) -> None:
        self.batch, self.n, self.bs, self.dataset = batch, n, len(batch[0]), None

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[tuple]:
        for _ in range(self.n):
            yield tuple(part.clone() if isinstance(part, torch.Tensor) else part for part in self.batch)


@contextmanager
def silently(learn: KitLearner) -> Iterator[None]:
    """Without a bar and without printed figures."""
    with learn.no_bar(), learn.no_logging():
        yield
