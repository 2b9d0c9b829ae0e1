"""A loss that fastai cannot predict with, such as torch's own or a plain function, made one that it can."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class ClassLoss:
    """A loss of logits [B,K] and targets that has a `reduction`, and `decodes` predictions.

    func: the loss, called as it is; one that says nothing of how predictions are read has the class of the greatest
    output. Predictions stay what the model says: as in fastai, a loss without an `activation` makes no probabilities of
    them. All else that is asked of this is asked of `func`.
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
        own = getattr(self.func, "decodes", None)
        return own(pred) if own else pred.argmax(dim=-1)

    def __getattr__(self, name: str) -> Any:
        if name == "func":  # asked for before there is one, as when unpickled
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
    """The loss itself where it decodes and says how it is reduced, else a `ClassLoss` of it."""
    return loss if hasattr(loss, "decodes") and hasattr(loss, "reduction") else ClassLoss(loss)
