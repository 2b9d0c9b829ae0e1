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
from learnerkit.learner.hypers import read_hyper, write_hyper
from learnerkit.learner.loop import LoopLearner
from learnerkit.models.groups import parameter_groups


def with_groups(fit: Callable, rate: str) -> Callable:
    """A way to fit that makes the model's groups where its rate is a slice over them.

    fit: a method of a Learner; rate: the name of its argument.
    """
    signature = inspect.signature(fit)

    @wraps(fit)
    def call(self: Learner, *args: Any, **kwargs: Any) -> None:
        asked = signature.bind(self, *args, **kwargs).arguments.get(rate)
        if isinstance(self.lr if asked is None else asked, slice):
            self.make_groups()
        fit(self, *args, **kwargs)

    return call


class GroupedLearner(LoopLearner):
    """A LoopLearner whose `freeze` and slices of rates act on the groups of its model, see `models.groups`."""

    fit = with_groups(LoopLearner.fit, "lr")
    fit_one_cycle = with_groups(LoopLearner.fit_one_cycle, "lr_max")
    fit_flat_cos = with_groups(LoopLearner.fit_flat_cos, "lr")
    fit_sgdr = with_groups(LoopLearner.fit_sgdr, "lr_max")

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
