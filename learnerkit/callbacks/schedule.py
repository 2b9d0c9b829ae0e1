"""Learning-rate schedules by name: fastai's one-cycle, and those of torch.optim.lr_scheduler."""

import math
from typing import Any, Literal

import torch
from torch.optim import lr_scheduler

from learnerkit.callbacks.kit import Watcher
from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.monitor import mode_of
from learnerkit.core.ranges import checked
from learnerkit.core.schedules import SCHEDULES, schedule_faults
from learnerkit.core.warn import warn

EVERY_BATCH = ("cosine", "torch_one_cycle")


def make_scheduler(
    optimizer: torch.optim.Optimizer, kind: str, epochs: int, steps: int, mode: str = "min", **options: Any
) -> Any:
    """The torch scheduler of a kind over `epochs` epochs of `steps` batches, from the rates of an optimizer.

    options: of the torch class: step (step_size=epochs/3, gamma=.1), multistep (milestones at 1/2 and 3/4, gamma=.1),
        exponential (gamma=.95), cosine (T_max=epochs, eta_min=0), plateau (factor, patience, ...), torch_one_cycle
        (pct_start=.25, div_factor=25, final_div_factor=1e5/25). What counts time counts epochs; rates are absolute.
    """
    total = epochs * steps
    if kind == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, options.pop("T_max", epochs) * steps, **options)
    if kind == "torch_one_cycle":
        top = [group["lr"] for group in optimizer.param_groups]
        settings = {"pct_start": 0.25, "div_factor": 25.0, "final_div_factor": 4e3, **options}
        return lr_scheduler.OneCycleLR(optimizer, top, total_steps=total, cycle_momentum=False, **settings)
    if kind == "step":
        return lr_scheduler.StepLR(optimizer, **{"step_size": max(1, epochs // 3), "gamma": 0.1, **options})
    if kind == "multistep":
        return lr_scheduler.MultiStepLR(optimizer, **{"milestones": [epochs // 2, epochs * 3 // 4], **options})
    if kind == "exponential":
        return lr_scheduler.ExponentialLR(optimizer, **{"gamma": 0.95, **options})
    if kind == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, **options)
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


class Schedule(Watcher):
    """Let the rate given to `fit` follow a schedule of torch's, in place of fit_one_cycle's.

    The rate of every step is in `learn.recorder.lrs`. cosine and torch_one_cycle advance every batch; step, multistep,
    exponential and plateau every epoch. 'one_cycle' is fit_one_cycle's own curve, of rates and momentum.

    kind: 'one_cycle', 'cosine', 'step', 'multistep', 'exponential', 'plateau', 'constant' or 'torch_one_cycle'.
    monitor, mode: for plateau, the figure watched and whether 'min' or 'max' is better, which follows from its name.
    options: of torch's class, see `make_scheduler`; of fit_one_cycle for 'one_cycle'.

    Examples:
        >>> learn = image_learner(digits_dls(bs=64, limit=64), "tiny_cnn")
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit(3, 0.1, cbs=Schedule("step", step_size=1, gamma=0.5))
        >>> learn.recorder.lrs
        [0.1, 0.05, 0.025]
    """

    order, run_valid = 60, False

    @checked
    def __init__(
        self, kind: str, monitor: str = "valid_loss", mode: Literal["min", "max"] | None = None, **options: Any
    ) -> None:
        if kind not in SCHEDULES:
            raise RecipeError(f"schedule '{kind}': {nearest(kind, SCHEDULES)}")
        if faults := schedule_faults(kind, options):
            raise RecipeError("; ".join(faults))
        self.kind, self.monitor, self.options = kind, monitor, options
        self.mode = mode_of(monitor, mode) if kind == "plateau" else mode

    def before_fit(self) -> None:
        learn = self.learn
        self.run = learn.is_training_run
        if not self.run:
            return
        self.check_watched()
        steps = learn.batches_of(learn.dls.train)
        if steps > 1 and learn.n_epoch * steps <= self.options.get("T_max", 0):
            warn(f"Schedule('cosine', T_max={self.options['T_max']}): counts epochs, and the fit has {learn.n_epoch}")
        if self.kind == "one_cycle":
            self.curves = learn.one_cycle_curves(**self.options)
            return
        rates = [group["lr"] for group in learn.opt.hypers]
        self.mirror = torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates])
        self.scheduler = make_scheduler(self.mirror, self.kind, learn.n_epoch, steps, self.mode, **self.options)
        self.mirror.step()  # torch warns when a scheduler steps before its optimizer

    def check_watched(self) -> None:
        """As its parent, for a plateau; no other schedule watches a figure."""
        if self.kind == "plateau":
            super().check_watched()

    def before_batch(self) -> None:
        if self.kind == "one_cycle":
            self.learn.follow(self.curves)
        else:
            self.learn.opt.set_hyper("lr", self._rates())

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.mirror.param_groups]

    def after_batch(self) -> None:
        if self.kind not in EVERY_BATCH:
            return
        last = self.scheduler.last_epoch >= self.learn.n_epoch * self.learn.n_iter - 1
        if not (self.kind == "torch_one_cycle" and last):  # which torch counts no further
            self.scheduler.step()

    def after_epoch(self) -> None:
        if self.kind == "plateau":
            value = self.learn.monitored.get(self.monitor)
            self.scheduler.step(math.nan if value is None else float(value))
        elif self.kind not in (*EVERY_BATCH, "one_cycle"):
            self.scheduler.step()

    def laid_out(self) -> str | None:
        """The name of the schedule where its whole curve hangs on the number of epochs: see `learner.state`."""
        whole = self.kind in ("one_cycle", "torch_one_cycle") or (self.kind == "cosine" and "T_max" not in self.options)
        return self.kind if whole else None

    def state_dict(self) -> dict[str, Any]:
        """Position of torch's scheduler and the rates in force; nothing for 'one_cycle', which goes by the position."""
        if self.kind == "one_cycle":
            return {}
        state = {key: value for key, value in self.scheduler.state_dict().items() if not callable(value)}
        return {"scheduler": state, "rates": self._rates()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        if not state:
            return
        self.scheduler.load_state_dict(state["scheduler"])
        for group, rate in zip(self.mirror.param_groups, state["rates"], strict=True):
            group["lr"] = rate
