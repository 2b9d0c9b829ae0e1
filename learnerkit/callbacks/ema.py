"""An exponential moving average of the weights, used for validation and for what is saved as best and final."""

from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from learnerkit.callbacks.kit import KitCallback
from learnerkit.core.ranges import Inner, checked

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class EMA(KitCallback):
    """Average weights and batch-norm statistics after each optimizer step; every validation pass uses the average.

    decay: weight of the past, such as .999. In the first steps it is lower, (1+n)/(10+n), so that the start is
        forgotten.
    What is saved, by `learn.save`, by fastai's SaveModelCallback and by `Run`, are the averaged weights: those that
    were measured. Where other weights are loaded after a fit, the average of the former ones is forgotten. One that is
    given to a single fit, `fit(cbs=EMA())`, leaves its average as the model's weights.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=EMA(0.99))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(2, 0.05)
        >>> learn.eval_model() is learn.model
        False
    """

    order = -20

    @checked
    def __init__(self, decay: Inner = 0.999) -> None:
        self.decay = decay
        self.averaged: AveragedModel | None = None
        self.plain: torch.nn.Module | None = None
        self.averages: list[int] | None = None  # what tells the weights that it is the average of from others

    def before_fit(self) -> None:
        self.active = self.learn.is_training_run
        self._forget_others()
        if self.averaged is None and self.active:
            self._make()

    def _forget_others(self) -> None:
        if self.averages is not None and self.averages != digests(self.learn.model):
            self.averaged = self.averages = None

    def after_fit(self) -> None:
        if self.active:
            self.averages = digests(self.learn.model)

    def _make(self) -> None:
        self.averaged = AveragedModel(self.learn.model, multi_avg_fn=self._average, use_buffers=True)
        self.averaged.update_parameters(self.learn.model)

    def _average(self, averaged: list, current: list, n: torch.Tensor | int) -> None:
        n = int(self.averaged.n_averaged)  # torch's `n` is on the device, and reading it would wait
        get_ema_multi_avg_fn(min(self.decay, (1 + n) / (10 + n)))(averaged, current, n)

    def after_step(self) -> None:
        if self.active:
            self.averaged.update_parameters(self.learn.model)

    def after_whole_fit(self, learn: Any) -> None:
        """Leave the average in the model where this callback was there for one fit, and is gone now."""
        if self not in learn.cbs and self.averaged is not None:
            learn.model.load_state_dict(self.averaged.module.state_dict())

    def before_validate(self) -> None:
        if self.averaged is not None and self.plain is None:
            self.plain, self.learn.model = self.learn.model, self.averaged.module

    def after_validate(self) -> None:
        self.restore()

    def restore(self) -> None:
        """Put the trained weights back in place of the average."""
        if self.plain is not None:
            self.learn.model, self.plain = self.plain, None
        if self.learn.fit_error is not None and self.averaged is not None:
            self.averages = digests(self.learn.model)

    def eval_model(self) -> torch.nn.Module | None:
        """The model with the averaged weights; None where there is no average of those that are there."""
        if not self.learn.is_training_run:
            self._forget_others()
        return None if self.averaged is None else self.averaged.module

    def state_dict(self) -> dict[str, Any]:
        """The average and its count of updates; nothing where there is none."""
        return {} if self.averaged is None else {"averaged": self.averaged.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        if state:
            self.averaged.load_state_dict(state["averaged"])


def digests(model: torch.nn.Module) -> list[int]:
    """What tells the weights of a model from others, whatever their layout, device and the number of threads.

    A sum of integers a tensor, its bits times their places: exact, in any order.
    """
    return [_digest(value.detach()) for value in model.state_dict().values()]


def _digest(tensor: torch.Tensor) -> int:
    flat = tensor.contiguous().reshape(-1)
    if flat.dtype == torch.bool:
        flat = flat.to(torch.uint8)
    bits = flat.view(BITS[flat.element_size()]).to(torch.int64)
    return int((bits * torch.arange(1, len(bits) + 1, device=bits.device)).sum())
