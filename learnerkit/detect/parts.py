"""The step between fastai's loop and a detector: targets into the model, its loss parts out of it."""

import contextlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learnerkit._fastai import Callback
from learnerkit.core.seed import kept_random_state, seed_position

VALID_DRAW = 7  # sets the draws of a validation apart from those of the training
Parts = dict[str, Tensor]


class SumOfParts:
    """The loss of a detector: the sum of the parts that its forward pass has made beside the detections."""

    reduction = "mean"

    def __call__(self, pred: tuple[Tensor, Parts], targets: Tensor) -> Tensor:
        _, parts = pred
        total = sum(parts.values())
        return total.expand(len(targets)) if self.reduction == "none" else total

    def __repr__(self) -> str:
        return "the sum of the detector's loss parts"

    def activation(self, pred: Tensor) -> Tensor:
        """Detections are what they are."""
        return pred

    def decodes(self, pred: Tensor) -> Tensor:
        """Detections are what they are."""
        return pred


class LossParts(Callback):
    """Give the model the targets, the loss its parts, and the loop the detections; keep each batch's parts for the run.

    Regions that the losses of a validation pass sample are a function of the batch's number, so that epochs compare.
    """

    order = -8  # after the guard has looked at the input

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rows: list[list[float]] = []  # of each training batch of this fit; [] where it was passed over
        self.pending: list[Tensor | None] = []  # the same, still on the device
        self.valid: list[tuple[int, Tensor]] = []  # images of a validation batch, its parts
        self.parts: Tensor | None = None  # of this batch
        self.kept = contextlib.ExitStack()

    def before_fit(self) -> None:
        self.rows, self.pending = [], []

    def before_train(self) -> None:
        # rows of this epoch's batches before the one that a resume goes on from count as well
        start = self.learn.start
        done = start.batch if self.learn.epoch == start.epoch else 0
        self.begun = len(self.rows) + len(self.pending) - done

    def before_validate(self) -> None:
        self.valid = []
        self.kept.enter_context(kept_random_state())

    def before_batch(self) -> None:
        learn = self.learn
        if not learn.training:
            seed_position(VALID_DRAW, learn.iter)
        if len(learn.yb):
            learn.xb = (*learn.xb, *learn.yb)

    def after_pred(self) -> None:
        learn = self.learn
        learn.xb = learn.xb[:2]
        if isinstance(learn.pred, tuple):
            detections, parts = learn.pred
            self.names = list(parts)
            self.parts = torch.stack([part.detach() for part in parts.values()])
            if not learn.training:
                self.valid.append((len(detections), self.parts))

    def after_loss(self) -> None:
        self._leave_detections()

    def after_batch(self) -> None:
        self._leave_detections()  # where the batch was cancelled before its loss
        if self.learn.training:
            self.pending.append(self.parts)
        self.parts = None  # the guard may pass over the next batch before anything here sees it

    def _leave_detections(self) -> None:
        if self.parts is not None and isinstance(self.learn.pred, tuple):
            self.learn.pred = self.learn.pred[0]

    def after_validate(self) -> None:
        self.kept.close()

    def restore(self) -> None:
        """Give the random state back after a validation that was cut short."""
        self.kept.close()

    # what a run records

    def batch_columns(self) -> dict[str, list[float]]:
        """The loss parts of every training batch of this fit; nan where a batch was passed over."""
        self.rows += [[] if parts is None else parts.float().cpu().tolist() for parts in self.pending]
        self.pending = []
        nan = float("nan")
        return {name: [row[place] if row else nan for row in self.rows] for place, name in enumerate(self.names)}

    def epoch_columns(self) -> dict[str, float]:
        """The mean loss parts of this epoch, over the training batches and over the validation's images.

        Those of the training sum to train_loss, those of the validation to valid_loss.
        """
        self.batch_columns()
        trained = [row for row in self.rows[self.begun :] if row]
        measured = [parts.float().cpu().tolist() for _, parts in self.valid]
        return {
            **_means("train", self.names, trained),
            **_means("valid", self.names, measured, [n for n, _ in self.valid]),
        }

    def state_dict(self) -> dict[str, Any]:
        """The parts recorded so far."""
        self.batch_columns()
        return {"names": self.names, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.names, self.rows, self.pending = list(state["names"]), [list(row) for row in state["rows"]], []


def _means(part: str, names: list[str], rows: list[list[float]], weights: list[int] | None = None) -> dict[str, float]:
    """The mean of each loss part over rows, as columns of the ledger; none without rows."""
    if not rows:
        return {}
    means = np.average(rows, axis=0, weights=weights).tolist()
    return {f"{part}_{name}": value for name, value in zip(names, means, strict=True)}


def weigh_frames(learn: Any) -> tuple[Tensor, Tensor]:
    """The loss of each frame of the batch in `xb` and `yb` by itself, and the norm of its gradient, both [B].

    learn: within a training batch; the draw of regions is made for each frame from the random state that there is, so
    that the losses of frames by themselves have not quite the batch's loss as their mean.
    """
    frames, sizes = learn.xb[:2]
    own = [parameter for parameter in learn.model.parameters() if parameter.requires_grad]
    losses, norms = [], []
    for number in range(len(frames)):
        one = slice(number, number + 1)
        with kept_random_state():
            _, parts = learn.model(frames[one], sizes[one], learn.yb[0][one])
        loss = sum(parts.values())
        gradients = torch.autograd.grad(loss, own, allow_unused=True)
        squares = [gradient.double().square().sum() for gradient in gradients if gradient is not None]
        losses.append(loss.detach().float().cpu())
        norms.append(sum(squares).sqrt().float().cpu())
    return torch.stack(losses), torch.stack(norms)
