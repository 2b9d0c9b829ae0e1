"""An exponential moving average of the weights, used for validation and for what is saved as best and final."""

from typing import Any

import torch
from fastai.callback.core import Callback
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class EMA(Callback):
    """Average weights and batch-norm statistics after each optimizer step; every validation pass uses the average.

    decay: weight of the past, such as .999. In the first steps it is lower, (1+n)/(10+n), so that the start is
        forgotten.
    The average belongs to this callback, not to the model: `learn.save` stores the trained weights, `Run` the averaged
    ones as best and final. After loading other weights, remove the callback or add a fresh one.
    """

    order = -20

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"EMA(decay={decay}): between 0 and 1")
        self.decay = decay
        self.averaged: AveragedModel | None = None
        self.plain: torch.nn.Module | None = None

    def before_fit(self) -> None:
        self.active = self.learn.is_training_run
        if self.averaged is None and self.active:
            self._make()

    def _make(self) -> None:
        self.averaged = AveragedModel(self.learn.model, multi_avg_fn=self._average, use_buffers=True)
        self.averaged.update_parameters(self.learn.model)

    def _average(self, averaged: list, current: list, n: torch.Tensor | int) -> None:
        n = int(n)
        get_ema_multi_avg_fn(min(self.decay, (1 + n) / (10 + n)))(averaged, current, n)

    def after_step(self) -> None:
        if self.active:
            self.averaged.update_parameters(self.learn.model)

    def before_validate(self) -> None:
        if self.averaged is not None and self.plain is None:
            self.plain, self.learn.model = self.learn.model, self.averaged.module

    def after_validate(self) -> None:
        self.restore()

    def restore(self) -> None:
        """Put the trained weights back in place of the average."""
        if self.plain is not None:
            self.learn.model, self.plain = self.plain, None

    def eval_weights(self) -> dict[str, torch.Tensor]:
        """The averaged state dict."""
        return self.averaged.module.state_dict() if self.averaged is not None else {}

    def state_dict(self) -> dict[str, Any]:
        """The average and its count of updates."""
        return {"averaged": self.averaged.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.averaged.load_state_dict(state["averaged"])
