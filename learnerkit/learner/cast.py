"""Batches as plain tensors: subclasses cost time at every operation."""

from typing import Any

import torch
from fastai.callback.core import Callback


class CastBatch(Callback):
    """Tensor subclasses of a batch to plain tensors, as fastai's CastToTensor does."""

    order, name = 9, "cast_to_tensor"

    def before_batch(self) -> None:
        learn = self.learn
        learn.xb, learn.yb = _plain(learn.xb), _plain(learn.yb)


def _plain(part: Any) -> Any:
    if isinstance(part, torch.Tensor):
        return part if type(part) is torch.Tensor else part.as_subclass(torch.Tensor)
    return tuple(_plain(item) for item in part) if isinstance(part, tuple) else part
