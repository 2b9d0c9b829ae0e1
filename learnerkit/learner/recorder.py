"""fastai's Recorder without arithmetic per batch: losses are kept on the device and smoothed when somebody looks."""

import math
import time
from typing import Any

import torch
from fastcore.foundation import L

from learnerkit._fastai import OpenRecorder
from learnerkit.core.errors import TrainingError
from learnerkit.learner.hypers import read_hyper

FLUSH_EVERY = 64  # batches; a loss that is not finite is noticed at the latest after so many on an accelerator


class SmoothLoss:
    """Exponentially weighted mean of the batch losses with fastai's debiasing, computed from a list at once.

    beta: weight of the past.
    """

    name = "loss"

    def __init__(self, beta: float = 0.98) -> None:
        self.beta = beta
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.count, self.val = 0, 0.0

    def extend(self, losses: list[float], skip: bool = False) -> list[float]:
        """Take in the losses of some batches; returns the smoothed value after each.

        skip: pass over those that are not finite.
        """
        smoothed = []
        for loss in losses:
            if skip and not math.isfinite(loss):
                smoothed.append(self.value)
                continue
            self.count += 1
            self.val = loss + self.beta * (self.val - loss)
            smoothed.append(self.val / (1 - self.beta**self.count))
        return smoothed

    @property
    def value(self) -> float:
        """The smoothed loss; nan before the first."""
        return self.val / (1 - self.beta**self.count) if self.count else float("nan")


class LeanRecorder(OpenRecorder):
    """Losses, rates and metrics under fastai's names; `losses` smooths what is pending when it is read."""

    name = "recorder"

    def __init__(self, *args: Any, beta: float = 0.98, **kwargs: Any) -> None:
        super().__init__(*args, beta=beta, **kwargs)
        self.smooth_loss = SmoothLoss(beta)
        self._raw, self._smoothed, self._pending = [], [], []
        self.lrs, self.iters, self.values = [], [], []
        self.places: list[tuple[int, float]] = []  # of each training batch: its number, seconds since the fit began
        self._fitted: dict[str, Any] | None = None  # what the last fit has recorded, while a single pass is under way

    def before_fit(self) -> None:
        kept = self.learn.current is None and "lrs" in vars(self)  # an exported learner has left its curves behind
        self._fitted = self.state_dict() if kept else None
        super().before_fit()
        self._raw, self._smoothed, self._pending, self.places = [], [], [], []
        self.began: float | None = None
        self.samples_per_s: float | None = None  # of the last epoch's training, while it trained

    @property
    def losses(self) -> list[float]:
        """The smoothed loss after each training batch."""
        self.flush()
        return self._smoothed

    @losses.setter
    def losses(self, _: list) -> None:
        """fastai's before_fit clears the list; ours is cleared there too."""

    @property
    def batch_losses(self) -> list[float]:
        """The plain loss of each training batch."""
        self.flush()
        return self._raw

    def flush(self) -> None:
        """Fetch pending losses from the device and smooth them; TrainingError names the first that is not finite."""
        if not self._pending:
            return
        values = torch.stack(self._pending).float().cpu().tolist()
        self._pending = []
        first = len(self._raw)
        guard = getattr(self.learn, "guard", None)
        passes = guard is not None and guard.run and guard.policy != "stop"
        self._raw += values
        self._smoothed += self.smooth_loss.extend(values, skip=passes)
        wrong = next((i for i, value in enumerate(values) if not math.isfinite(value)), None)
        if wrong is None or passes or not self.learn.is_training_run:
            return
        if guard is not None and guard.run:
            guard.read()  # names the batch
        raise not_finite(values[wrong], self.learn.start.epochs_before + self.epoch + 1, first + wrong + 1)

    def after_batch(self) -> None:
        learn = self.learn
        if not len(learn.yb):
            return
        if not learn.training:
            for metric in self.metrics_of_valid:
                metric.accumulate(learn)
            return
        loss = learn.loss.detach()
        self._pending.append(loss.mean() if loss.ndim else loss)
        self.lrs.append(read_hyper(learn.opt, "lr"))
        self.places.append((learn.iter + 1, time.monotonic() - self.began))
        if self.train_metrics and not getattr(getattr(learn, "guard", None), "tripped", False):
            for metric in self.metrics_of_train[1:]:
                metric.accumulate(learn)
        if len(self._pending) >= FLUSH_EVERY:
            self.flush()

    def after_train(self) -> None:
        self.flush()
        begun, first = self.entered
        samples = (len(self.places) - first) * (getattr(self.dls.train, "bs", None) or 0)
        self.samples_per_s = round(samples / (time.monotonic() - begun), 1) or None
        self.log_train()
        if len(self.log) > 1:  # the true mean of the epoch, where fastai has the smoothed loss of its last batch
            self.log[1] = self.mean_loss()

    def mean_loss(self) -> float:
        """The mean loss of this epoch's training batches, those that the guard passed over left out."""
        losses = [loss for loss in self._raw[self.first :] if math.isfinite(loss)]
        return sum(losses) / len(losses) if losses else math.nan

    def before_epoch(self) -> None:
        super().before_epoch()
        self.started = time.time()

    def after_epoch(self) -> None:
        super().after_epoch()
        self.learn.agree()

    def before_train(self) -> None:
        super().before_train()
        start = self.learn.start  # where a resume goes on within an epoch, its first batches are there already
        done = start.batch if self.learn.epoch == start.epoch else 0
        self.first = len(self._raw) + len(self._pending) - done
        self.entered = time.monotonic(), len(self.places)
        if self.began is None:  # what was trained before a resume counts as well
            self.began = time.monotonic() - (self.places[-1][1] if self.places else 0)

    def restore(self) -> None:
        """Put back what the last fit has recorded: fastai's own forgets it when something is validated or predicted."""
        if self._fitted is not None:
            self.load_state_dict(self._fitted)
            self._fitted = None

    def state_dict(self) -> dict[str, Any]:
        """Everything recorded so far."""
        self.flush()
        return {
            "raw": self._raw,
            "places": self.places,
            "smoothed": self._smoothed,
            "lrs": self.lrs,
            "iters": self.iters,
            "values": [list(row) for row in self.values],
            "count": self.smooth_loss.count,
            "val": self.smooth_loss.val,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._raw, self._smoothed, self._pending = list(state["raw"]), list(state["smoothed"]), []
        self.places = [tuple(place) for place in state["places"]]
        self.lrs, self.iters = list(state["lrs"]), list(state["iters"])
        self.values = [L(row) for row in state["values"]]
        self.smooth_loss.count, self.smooth_loss.val = state["count"], state["val"]


def not_finite(loss: float, epoch: int, step: int) -> TrainingError:
    """The error of a loss that is nan or infinite."""
    return TrainingError(
        f"the loss became {loss} in epoch {epoch} at training step {step}. Usual causes: a learning rate that is too "
        "high (try a tenth of --lr, or learn.lr_find()), bad values in the data (learnerkit doctor DATA), fp16 without "
        "scaling. The last checkpoint and the best weights in the run folder are from before it."
    )
