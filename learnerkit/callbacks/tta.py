"""Test-time augmentation by fixed views, in every validation pass: validate, get_preds and interpretation alike."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.torch_core import to_device
from torch import Tensor

from learnerkit.callbacks.identity import known_set
from learnerkit.core.errors import DataError, RecipeError
from learnerkit.core.ranges import AtLeastOne, Flag, Until, checked
from learnerkit.ops.unsure import unsure, until_of
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
    until: a confidence in 0..1: what the plain pass is as sure of keeps its prediction, views are taken of the others
        alone. 'auto' fits it on the valid part: the least by which its accuracy is within .05 points of that with all
        views, see `ops.unsure`; in a training anew each epoch. None takes all views of all. `threshold` has what was
        fitted, and after a pass `forwards` how many images the model was shown in it.

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
        until: Until | None = None,
    ) -> None:
        if per_view and until is not None:
            raise RecipeError(f"TTA(per_view=True, until={until}): views are counted on all images; leave one out")
        self.n, self.views, self.mirror, self.per_view, self.until = n, views, mirror, per_view, until
        self.threshold: float | None = None if until == "auto" else until
        self.view_accuracy: dict[str, float] = {}
        self.forwards = 0

    def before_epoch(self) -> None:
        if self.until == "auto" and getattr(self.learn, "is_training_run", True):
            self.threshold = None  # the weights change

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
        if merged and self.until is not None:
            raise RecipeError("TTA: until= is for classes; a model that merges views in its own way takes all of them")
        if self.until is not None and self.activation is not softmax:
            raise RecipeError(f"TTA(until={self.until}): is for one class a sample; the loss's activation is a sigmoid")
        self.right = torch.zeros(len(self.active))
        self.seen = self.forwards = 0

    def after_pred(self) -> None:
        learn = self.learn
        if callable(merge := getattr(learn.model, "merge_views", None)):
            learn.pred = merge(self.active, learn.xb, learn.pred)
            return
        if self.until is None:
            mean = self._mean(learn.xb, learn.pred, learn.yb[0] if len(learn.yb) else None)
        else:
            if self.threshold is None:
                self.threshold = self._fitted()
            mean = self.activation(learn.pred.float())
            rows = unsure(mean, self.threshold).nonzero().squeeze(1)
            if len(rows):
                mean[rows] = self._mean([part[rows] for part in learn.xb], learn.pred[rows])
        self.forwards += len(mean)
        self.seen += len(mean)
        mean = mean.clamp_min(torch.finfo(torch.float32).tiny)
        learn.pred = mean.log() if self.activation is softmax else mean.logit(eps=1e-7)

    def _mean(self, xb: Sequence[Tensor], pred: Tensor, targets: Tensor | None = None) -> Tensor:
        """The mean of the views' probabilities [B,K].

        xb: inputs of a batch; pred: what the model made of them as they are; targets: to count each view alone by.
        """
        total = torch.zeros((), device=pred.device)
        for number, view in enumerate(self.active):
            same = isinstance(view, View) and view == View()
            inputs = [view(part) if part.ndim == 4 else part for part in xb]
            probabilities = self.activation((pred if same else self.learn.model(*inputs)).float())
            self.forwards += 0 if same else len(probabilities)
            total = total + probabilities
            if self.per_view and targets is not None:
                self.right[number] += (probabilities.argmax(dim=-1) == targets).sum().cpu()
        return total / len(self.active)

    def _fitted(self) -> float:
        """The confidence from which on the plain pass is as good as all views, on the valid part."""
        learn, n_inp = self.learn, getattr(self.learn.dls, "n_inp", 1)
        valid = learn.dls.valid
        valid = valid.new() if valid is learn.dl and hasattr(valid, "new") else valid  # it is under way
        seen, forwards = [], self.forwards
        for batch in islice(valid, getattr(learn, "limit_batches", None)):
            *xb, targets = to_device(tuple(batch[: n_inp + 1]), next(learn.model.parameters()).device)
            pred = learn.model(*xb)
            seen.append([part.cpu() for part in (self.activation(pred.float()), self._mean(xb, pred), targets)])
        self.forwards = forwards
        if not seen or (seen[0][2] < 0).any():
            raise DataError(
                "TTA(until='auto'): is fitted on the valid part, and these data have none with labels; give the "
                "confidence itself, such as until=.9"
            )
        return until_of(*(torch.cat(column) for column in zip(*seen, strict=True)))

    def after_validate(self) -> None:
        if self.per_view and self.seen:
            parts = (self.right / self.seen).tolist()
            self.view_accuracy = {str(view): part for view, part in zip(self.active, parts, strict=True)}
