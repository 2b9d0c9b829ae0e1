"""A loss that says nothing of how predictions are read, such as torch's own, made one that fastai can predict with."""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor


class ClassLoss:
    """A loss of logits [B,K] and targets whose predictions are read as the class of the greatest output.

    func: the loss, called as it is. Predictions stay what the model says: as in fastai, a loss without an `activation`
    makes no probabilities of them. All else that is asked of this is asked of `func`.
    """

    def __init__(self, func: Callable) -> None:
        self.func = func
        self.reduction = getattr(func, "reduction", "mean")

    def __call__(self, pred: Tensor, *targets: Any) -> Tensor:
        if self.reduction != "none":
            return self.func(pred, *targets)
        if hasattr(self.func, "reduction"):
            with self._reduction("none"):
                return self.func(pred, *targets)
        with contextlib.suppress(TypeError):  # where it takes no such word
            return self.func(pred, *targets, reduction="none")
        samples = zip(pred.split(1), *(target.split(1) for target in targets), strict=True)
        return torch.stack([self.func(*sample).squeeze() for sample in samples])

    def decodes(self, pred: Tensor) -> Tensor:
        """Class indices [B] of outputs [B,K]."""
        return pred.argmax(dim=-1)

    def __getattr__(self, name: str) -> Any:
        if name in ("func", "activation"):
            raise AttributeError(name)
        return getattr(self.func, name)

    def __repr__(self) -> str:
        return repr(self.func)

    @contextlib.contextmanager
    def _reduction(self, value: str) -> Any:
        before, self.func.reduction = self.func.reduction, value
        try:
            yield
        finally:
            self.func.reduction = before


def readable(loss: Callable) -> Callable:
    """The loss itself where it says how predictions are decoded, else a `ClassLoss` of it."""
    inner = loss.func if isinstance(loss, partial) else loss
    return loss if hasattr(loss, "decodes") or hasattr(inner, "decodes") else ClassLoss(loss)
