"""Freezing, and rates that differ over a model: its parameter groups, made when they are first asked for.

A training that asks for none has one group: one fused step, and checkpoints that hold one.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from fastai.torch_core import trainable_params

from learnerkit.core.errors import ModelError
from learnerkit.core.ranges import AtLeastOne, Count, NotNegative, Positive, check_ranges, plain_number
from learnerkit.core.schedules import SCHEDULES
from learnerkit.learner.hypers import read_hyper, write_hyper
from learnerkit.learner.loop import LoopLearner
from learnerkit.models.groups import head_names, parameter_groups

OF_A_FIT = {
    **dict.fromkeys(("n_epoch", "epochs", "freeze_epochs", "start_epoch"), Count),
    **dict.fromkeys(("lr", "lr_max", "base_lr"), NotNegative | None),
    **{"wd": NotNegative | None, "lr_mult": Positive, "n_cycles": AtLeastOne, "cycle_len": AtLeastOne},
    **SCHEDULES["one_cycle"],
}


def values_of(rate: Any) -> list[Any]:
    """The rates in what a fit is given: one, a slice of them, or one a group."""
    if isinstance(rate, slice):
        return [end for end in (rate.start, rate.stop) if end is not None]
    numbers = plain_number(rate)
    return numbers if isinstance(numbers, list) else [numbers]


def with_groups(fit: Callable, rate: str) -> Callable:
    """A way to fit that refuses what is out of range, and makes the model's groups where its rate is a slice over them.

    fit: a method of a Learner; rate: the name of its argument.
    """
    signature = inspect.signature(fit)

    @wraps(fit)
    def call(self: Learner, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs).arguments
        for name, value in given.items():
            for each in values_of(value) if name == rate else [value]:
                check_ranges(fit.__name__, {name: each}, OF_A_FIT)
        asked = given.get(rate)
        if isinstance(self.lr if asked is None else asked, slice):
            self.make_groups()
        args, kwargs = [_number(arg) for arg in args], {name: _number(value) for name, value in kwargs.items()}
        fit(self, *args, **kwargs)

    return call


def _number(value: Any) -> Any:
    """A single number of numpy's or torch's as Python's; arrays of rates stay."""
    return value if getattr(value, "shape", None) else plain_number(value)


class GroupedLearner(LoopLearner):
    """A LoopLearner whose `freeze` and slices of rates act on the groups of its model, see `models.groups`."""

    fit = with_groups(LoopLearner.fit, "lr")
    fit_one_cycle = with_groups(LoopLearner.fit_one_cycle, "lr_max")
    fit_flat_cos = with_groups(LoopLearner.fit_flat_cos, "lr")
    fit_sgdr = with_groups(LoopLearner.fit_sgdr, "lr_max")

    @property
    def head_names(self) -> set[str]:
        """Names of the model's parameters that depend on the classes."""
        return head_names(self.model)

    def freeze_to(self, n: int) -> None:
        """fastai's: the groups before `n` are not trained, -1 for all but the last; norm layers go on where `train_bn`.

        ModelError where the model has one group.
        """
        if n:
            self.make_groups()
        super().freeze_to(n)

    def make_groups(self) -> None:
        """Give the optimizer the groups of the model where it has one group, its rates and its state kept.

        ModelError where there are no two.
        """
        if self.opt is None:
            self.create_opt()
        if len(self.opt.param_lists) > 1:
            return
        if self.splitter is not trainable_params or len(parameter_groups(self.model)) < 2:
            whose = "its model has" if self.splitter is trainable_params else "splitter= makes"
            raise ModelError(
                f"{whose} one group of parameters: there is nothing to freeze, and a slice of rates has no second "
                "place. Give splitter=, a function from the model to two or more lists of its parameters"
            )
        before, self.splitter = self.opt, parameter_groups
        self.create_opt()
        for name in {"lr", "mom", "wd"} & set(before.hypers[-1]):
            write_hyper(self.opt, name, [read_hyper(before, name)] * len(self.opt.param_lists))
        if isinstance(before, OptimWrapper):
            self.opt.opt.state.update(before.opt.state)
        else:
            self.opt.state.update(before.state)
