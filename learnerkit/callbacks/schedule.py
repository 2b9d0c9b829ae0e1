"""Learning-rate schedules by name, computed by torch.optim.lr_scheduler."""

from typing import Any

import torch
from fastai.callback.core import Callback
from torch.optim import lr_scheduler

from learnerkit.core.errors import RecipeError, nearest

EVERY_BATCH = ("cosine", "one_cycle")
KINDS = ("cosine", "step", "multistep", "exponential", "plateau", "one_cycle", "constant")


def make_scheduler(
    optimizer: torch.optim.Optimizer, kind: str, epochs: int, steps: int, mode: str, **options: Any
) -> Any:
    """The torch scheduler of a kind over `epochs` epochs of `steps` batches, for an optimizer whose rate is 1.

    options: of the torch class: step (step_size=epochs/3, gamma=.1), multistep (milestones at 1/2 and 3/4, gamma=.1),
        exponential (gamma=.95), cosine (eta_min=0, as a part of the first rate), plateau (factor, patience, ...),
        one_cycle (pct_start=.25, div_factor=25, final_div_factor=1e5/25).
    """
    total = epochs * steps
    if kind == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, **{"T_max": total, **options})
    if kind == "one_cycle":
        settings = {"pct_start": 0.25, "div_factor": 25.0, "final_div_factor": 4e3, **options}
        return lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=total, cycle_momentum=False, **settings)
    if kind == "step":
        return lr_scheduler.StepLR(optimizer, **{"step_size": max(1, epochs // 3), "gamma": 0.1, **options})
    if kind == "multistep":
        return lr_scheduler.MultiStepLR(optimizer, **{"milestones": [epochs // 2, epochs * 3 // 4], **options})
    if kind == "exponential":
        return lr_scheduler.ExponentialLR(optimizer, **{"gamma": 0.95, **options})
    if kind == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, **options)
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


def check_schedule(kind: str, options: dict[str, Any]) -> list[str]:
    """One fault line when torch's scheduler of the kind does not take the options."""
    try:
        make_scheduler(torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0), kind, 3, 3, "min", **options)
    except (TypeError, ValueError, AttributeError) as error:
        return [f"schedule_args of '{kind}': {error}"]
    return []


class Schedule(Callback):
    """Multiply the rate given to `fit` by a schedule, in place of fit_one_cycle's.

    cosine and one_cycle advance every batch; step, multistep, exponential and plateau every epoch.
    The rate of every step is in `learn.recorder.lrs`.

    kind: 'cosine', 'step', 'multistep', 'exponential', 'plateau', 'one_cycle' or 'constant'.
    monitor, mode: for plateau, the figure watched and whether 'min' or 'max' is better.
    options: of torch's class, see `make_scheduler`.
    """

    order, run_valid = 60, False

    def __init__(self, kind: str, monitor: str = "valid_loss", mode: str = "min", **options: Any) -> None:
        if kind not in KINDS:
            raise RecipeError(f"schedule '{kind}': {nearest(kind, KINDS)}")
        self.kind, self.monitor, self.mode, self.options = kind, monitor, mode, options

    def before_fit(self) -> None:
        learn = self.learn
        if not learn.is_training_run:
            self.run = False
            return
        self.base = [group["lr"] for group in learn.opt.hypers]
        self.mirror = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        steps = learn.batches_of(learn.dls.train)
        self.scheduler = make_scheduler(self.mirror, self.kind, learn.n_epoch, steps, self.mode, **self.options)
        self.mirror.step()  # torch warns when a scheduler steps before its optimizer

    def before_batch(self) -> None:
        factor = self.mirror.param_groups[0]["lr"]
        self.learn.opt.set_hyper("lr", [rate * factor for rate in self.base])

    def after_batch(self) -> None:
        if self.kind in EVERY_BATCH and self.scheduler.last_epoch < self.learn.n_epoch * self.learn.n_iter - 1:
            self.scheduler.step()

    def after_epoch(self) -> None:
        if self.kind == "plateau":
            self.scheduler.step(float(read_monitor(self.learn.monitored, self.monitor)))
        elif self.kind not in EVERY_BATCH:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Position of torch's scheduler and the factor in force."""
        state = {key: value for key, value in self.scheduler.state_dict().items() if not callable(value)}
        return {"scheduler": state, "factor": self.mirror.param_groups[0]["lr"], "base": self.base}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.scheduler.load_state_dict(state["scheduler"])
        self.mirror.param_groups[0]["lr"] = state["factor"]
        self.base = list(state["base"])


def read_monitor(figures: dict[str, Any], monitor: str) -> Any:
    """The figure named `monitor` of an epoch; RecipeError names those there are."""
    if monitor not in figures:
        raise RecipeError(f"monitor '{monitor}': is not recorded; {nearest(monitor, figures)}")
    return figures[monitor]
