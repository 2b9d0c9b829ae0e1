"""Gradient accumulation, counted in batches or in samples."""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from fastai.callback.core import Callback, CancelBatchException
from fastai.callback.training import GradientAccumulation
from fastai.torch_core import find_bs
from torch import nn

from learnerkit.core.ranges import AtLeastOne, checked

BY_CLASS = (nn.CrossEntropyLoss, nn.NLLLoss)


def holds_gradients(cbs: Iterable[Callback]) -> bool:
    """Whether gradients of batches without a step are held by a callback: ours, or fastai's GradientAccumulation."""
    return any(vars(cb).get("count") for cb in cbs if isinstance(cb, (Accumulate, GradientAccumulation)))


def class_weights(loss_func: Any) -> torch.Tensor | None:
    """The class weights of nn.CrossEntropyLoss, nn.NLLLoss or fastai's loss around one; None without.

    A `weight` of other losses may be anything.
    """
    func = getattr(loss_func, "func", loss_func)
    return func.weight if isinstance(func, BY_CLASS) else None


def share_of(loss_func: Any, targets: torch.Tensor) -> int | torch.Tensor | None:
    """By what a loss has divided in its mean over a batch, up to a factor; None where it is a sum.

    targets: of the batch; those that the loss ignores count for nothing, and class weights for what they are.
    """
    func = getattr(loss_func, "func", loss_func)
    if getattr(func, "reduction", "mean") == "sum":
        return None
    if not isinstance(func, BY_CLASS) or not isinstance(targets, torch.Tensor) or targets.is_floating_point():
        return find_bs(targets)
    flat = targets.reshape(-1)
    kept = flat != func.ignore_index
    return kept.sum() if func.weight is None else (func.weight[flat.clamp_min(0)] * kept).sum()


class Accumulate(Callback):
    """Step the optimizer once for several batches, with the gradient of the loss over all their samples at once.

    A loss with class weights is a mean by these weights, also over the batches.

    n: batches or samples for one step; the last, smaller group of an epoch steps as well,
        unless the guard passes over the epoch's last batch.
    unit: 'batches' or 'samples'.

    Examples:
        >>> dls = digits_dls(bs=16, limit=64)
        >>> learn = image_learner(dls, "tiny_cnn", opt="adam", cbs=Accumulate(32, "samples"))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> len(dls.train), int(next(iter(learn.opt.opt.state.values()))["step"])
        (4, 2)
    """

    order, run_valid = 6, False

    @checked
    def __init__(self, n: AtLeastOne, unit: Literal["batches", "samples"] = "batches") -> None:
        self.n, self.unit = n, unit
        self.count = self.samples = 0

    def before_train(self) -> None:
        if self.count:  # of an epoch that was cancelled within a group
            self.learn.opt.zero_grad()
        self.count = self.samples = 0

    def after_loss(self) -> None:
        learn, size = self.learn, find_bs(self.learn.yb)
        share = share_of(learn.loss_func, learn.yb[0])
        if getattr(learn, "together", None) is not None:  # of the batches of all ranks
            size, share = learn.together.size, learn.together.share
        self.count += 1 if self.unit == "batches" else size
        if share is None:
            self.samples = 1
            return
        self.samples = self.samples + share
        learn.loss_grad = learn.loss_grad * share

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
