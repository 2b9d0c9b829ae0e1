"""What each sample of a training batch weighs: its loss, and the norm of its share in the batch's gradient."""

import contextlib
from collections.abc import Iterator
from typing import Any

from fastai.layers import NoneReduce
from torch import Tensor

from learnerkit.callbacks.mix import Mixer
from learnerkit.learner.kit import KitLearner
from learnerkit.ops.sample_gradients import sample_shares


def weigh_samples(learn: KitLearner) -> tuple[Tensor, Tensor]:
    """The loss of each sample of the batch in `xb` and `yb`, as it is mixed, and the norm of its gradient, both [B].

    learn: within a training batch, whose forward pass is done once more: the random state must be the one of before it.
    Without class weights the losses have the batch's loss as their mean; see `ops.sample_gradients` for the norms.
    """
    return sample_shares(learn.model, lambda: _losses(learn))


def _losses(learn: KitLearner) -> Tensor:
    """The loss of each sample, through the same steps as a batch's."""
    with _autocast(learn):
        pred = learn.model(*learn.xb)
    kept = {name: getattr(learn, name) for name in ("pred", "loss_func", "loss_grad", "loss")}
    learn.pred = pred.float() if pred.is_floating_point() else pred
    try:
        with NoneReduce(learn.loss_func) as each:
            learn.loss_func = each
            learn.loss_grad = each(learn.pred, *learn.yb)
            for cb in learn.cbs:
                if isinstance(cb, Mixer):
                    cb.after_loss()
            return learn.loss_grad.flatten(1).sum(1) if learn.loss_grad.ndim > 1 else learn.loss_grad
    finally:
        for name, value in kept.items():
            setattr(learn, name, value)


@contextlib.contextmanager
def _autocast(learn: KitLearner) -> Iterator[Any]:
    """The precision of the forward pass, where a callback sets one."""
    cast = getattr(getattr(learn, "mixed_precision", None), "autocast", None)
    with cast if cast is not None else contextlib.nullcontext():
        yield
