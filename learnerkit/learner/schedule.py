"""fastai's ParamScheduler, writing floats straight into the parameter groups."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler, SchedCos
from fastai.callback.tracker import ReduceLROnPlateau
from fastai.learner import Learner

from learnerkit._fastai import BaseOptimizer
from learnerkit.callbacks.schedule import Schedule
from learnerkit.core.errors import RecipeError
from learnerkit.learner.hypers import read_hyper, write_hyper


def one_cycle(pct: float, start: float, top: float, end: float) -> Callable[[float], float]:
    """fastai's one-cycle curve, the same bit for bit without a tensor a step; where the three values are one, that.

    pct: part of the steps in which the value goes from `start` to `top`.
    """
    if np.ndim(top) == 0 and start == top == end:
        return lambda done: top
    halves = SchedCos(start, top), SchedCos(top, end)
    limits = [np.float32(limit) for limit in torch.tensor([0.0, pct, 1 - pct]).cumsum(0).tolist()]

    def curve(done: float) -> float:
        if int(done) == 1:
            return halves[1](1.0)
        place = np.float32(done)  # fastai's parts of the whole are float32
        half = int(place >= limits[1])
        return halves[half](float((place - limits[half]) / (limits[half + 1] - limits[half])))

    return curve


def one_cycle_curves(
    opt: BaseOptimizer, div: float, div_final: float, pct_start: float, moms: tuple[float, float, float]
) -> dict[str, Callable[[float], Any]]:
    """fit_one_cycle's curves of rate and momentum, by the names of the hyper-parameters that the optimizer has.

    opt: with the greatest rates as its own; the others: of fit_one_cycle.
    """
    rates = [group["lr"] for group in opt.hypers]
    top = float(rates[0]) if len(rates) == 1 else np.array(rates)
    curves = {"lr": one_cycle(pct_start, top / div, top, top / div_final), "mom": one_cycle(pct_start, *moms)}
    return {name: curve for name, curve in curves.items() if name in opt.hypers[-1]}


def follow(learn: Learner, curves: dict[str, Callable[[float], Any]]) -> None:
    """Set hyper-parameters to what their curves say of the part of training that is done."""
    n_groups = len(learn.opt.param_lists)
    for name, curve in curves.items():
        value = curve(learn.pct_train)
        values = value.tolist() if isinstance(value, np.ndarray) else [value]
        write_hyper(learn.opt, name, values * n_groups if len(values) == 1 else values)


def check_one_rate(cbs: Iterable[Callback]) -> None:
    """RecipeError where more than one callback would set the learning rate: one of them would do nothing."""
    setters = [type(cb).__name__ for cb in cbs if isinstance(cb, (Schedule, ReduceLROnPlateau)) or _schedules_rate(cb)]
    if len(setters) > 1:
        named = " and ".join("fit_one_cycle's own" if name == "LeanScheduler" else name for name in setters)
        raise RecipeError(
            f"the learning rate would be set by {named}, and one would undo the other. fit_one_cycle, fit_flat_cos and "
            "fit_sgdr bring a schedule; learn.fit(n_epoch, lr, cbs=Schedule('cosine')) follows another"
        )


def _schedules_rate(cb: Callback) -> bool:
    return isinstance(cb, ParamScheduler) and "lr" in (cb.scheds if isinstance(cb.scheds, dict) else ())


class LeanScheduler(ParamScheduler):
    """Schedule hyper-parameters by functions of the part of training done, as fastai's parent does.

    scheds: name of a hyper-parameter to a function of 0..1.
    """

    def before_batch(self) -> None:
        follow(self.learn, self.scheds)

    def after_batch(self) -> None:
        opt = self.learn.opt
        for name, values in self.hps.items():
            values.append(read_hyper(opt, name))

    def state_dict(self) -> dict[str, Any]:
        """The values used so far."""
        return {"hps": self.hps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.hps = {name: list(values) for name, values in state["hps"].items()}
