"""Gradient accumulation, counted in batches or in samples."""

from fastai.callback.core import Callback, CancelBatchException
from fastai.torch_core import find_bs

from learnerkit.core.errors import RecipeError


class Accumulate(Callback):
    """Step the optimizer once for several batches, with the mean gradient over their samples.

    n: batches or samples for one step; the last, smaller group of an epoch steps as well,
        unless the guard passes over the epoch's last batch.
    unit: 'batches' or 'samples'.
    """

    order, run_valid = 6, False

    def __init__(self, n: int, unit: str = "batches") -> None:
        if unit not in ("batches", "samples") or n < 1:
            raise RecipeError(f"Accumulate({n}, unit='{unit}'): n is 1 or more, unit 'batches' or 'samples'")
        self.n, self.unit = n, unit
        self.count = self.samples = 0

    def before_train(self) -> None:
        if self.count:  # of an epoch that was cancelled within a group
            self.learn.opt.zero_grad()
        self.count = self.samples = 0

    def after_loss(self) -> None:
        size = find_bs(self.learn.yb)
        self.samples += size
        self.count += 1 if self.unit == "batches" else size
        self.learn.loss_grad = self.learn.loss_grad * size

    def before_step(self) -> None:
        learn = self.learn
        if self.count < self.n and learn.iter + 1 < learn.n_iter:
            raise CancelBatchException
        for group in learn.opt.param_lists:
            for parameter in group:
                if parameter.grad is not None:
                    parameter.grad.div_(self.samples)
        self.count = self.samples = 0

    def after_cancel_step(self) -> None:
        self.count = self.samples = 0

    def restore(self) -> None:
        """Drop gradients of a group that a cancel or exception cut short."""
        if self.count and self.learn.opt is not None:
            self.learn.opt.zero_grad()
            self.count = self.samples = 0
