"""Test-time augmentation by fixed views, in every validation pass: validate, get_preds and interpretation alike."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from fastai.callback.core import Callback

from learnerkit.callbacks.identity import known_set
from learnerkit.core.errors import DataError
from learnerkit.core.ranges import AtLeastOne, Flag, checked
from learnerkit.ops.views import View, make_views


def softmax(outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities of logits [...,K]."""
    return outputs.softmax(dim=-1)


def known_activation(loss_func: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """What makes probabilities of outputs by a loss: a softmax, also where the loss says none, or a sigmoid.

    DataError where its activation is neither: a mean over views is then of nothing that is known.
    """
    given = getattr(loss_func, "activation", None)
    found = torch.full((1, 4), 0.25) if given is None else given(torch.zeros(1, 4))
    for value, function in ((0.25, softmax), (0.5, torch.sigmoid)):
        if isinstance(found, torch.Tensor) and torch.allclose(found, torch.full((1, 4), value)):
            return function
    raise DataError("TTA: the loss's activation is neither a softmax nor a sigmoid; views cannot be averaged")


class TTA(Callback):
    """Predict each image as the mean of the probabilities over several views of it.

    `pred` becomes what gives that mean by the loss's activation, so that loss, activation and decoding stay right: its
    logarithm for a softmax, its logit for a sigmoid; another activation is refused. A model with
    `merge_views(views, inputs, pred)` merges them in its own way, as a detector does its boxes.

    n: number of views; 2, 8 and 16 are usual.
    views: callables [B,C,H,W] -> [B,C,H,W] instead of the first `n` of `ops.views.make_views`.
    mirror: use mirrored views; None does where the data set keeps its classes under a mirror.
    per_view: also count the accuracy of each view alone, in `view_accuracy` (view name -> part right).

    Examples:
        >>> learn = image_learner(digits_dls(limit=64), "tiny_cnn")
        >>> tta = TTA(5, per_view=True)
        >>> with learn.no_bar(), learn.no_logging():
        ...     loss, accuracy, f1 = learn.validate(cbs=tta)
        >>> list(tta.view_accuracy)
        ['plain +0+0', 'plain -1-1', 'plain +1+1', 'plain -1+1', 'plain +1-1']
    """

    order, run_train = 8, False

    @checked
    def __init__(
        self,
        n: AtLeastOne = 16,
        views: Sequence[Callable[[torch.Tensor], torch.Tensor]] | None = None,
        mirror: Flag | None = None,
        per_view: Flag = False,
    ) -> None:
        self.n, self.views, self.mirror, self.per_view = n, views, mirror, per_view
        self.view_accuracy: dict[str, float] = {}

    def before_validate(self) -> None:
        source, _ = known_set(self.learn.dls) or (None, None)
        keeps = getattr(source, "keeps", ("shift",))
        asked = self.mirror or any(isinstance(view, View) and view.mirror for view in self.views or ())
        if asked and source is not None and "mirror" not in keeps:
            raise DataError(
                f"TTA: a mirror turns an image of {source.name} into another class (it keeps its classes under: "
                f"{', '.join(keeps)}); use shifts alone (mirror=False)"
            )
        mirror = "mirror" in keeps if self.mirror is None else self.mirror
        merged = callable(getattr(self.learn.model, "merge_views", None))
        self.activation = softmax if merged else known_activation(self.learn.loss_func)
        self.active = list(self.views) if self.views else make_views(self.n, mirror)
        self.right = torch.zeros(len(self.active))
        self.seen = 0

    def after_pred(self) -> None:
        learn = self.learn
        if callable(merge := getattr(learn.model, "merge_views", None)):
            learn.pred = merge(self.active, learn.xb, learn.pred)
            return
        total, targets = 0.0, learn.yb[0] if len(learn.yb) else None
        for number, view in enumerate(self.active):
            same = isinstance(view, View) and view == View()
            inputs = [view(part) if part.ndim == 4 else part for part in learn.xb]
            probabilities = self.activation((learn.pred if same else learn.model(*inputs)).float())
            total = total + probabilities
            if self.per_view and targets is not None:
                self.right[number] += (probabilities.argmax(dim=-1) == targets).sum().cpu()
        self.seen += len(total)
        tiny = torch.finfo(torch.float32).tiny
        mean = (total / len(self.active)).clamp_min(tiny)
        learn.pred = mean.log() if self.activation is softmax else mean.logit(eps=1e-7)

    def after_validate(self) -> None:
        if self.per_view and self.seen:
            parts = (self.right / self.seen).tolist()
            self.view_accuracy = {str(view): part for view, part in zip(self.active, parts, strict=True)}
