"""The step between fastai's loop and a detector: targets into the model, its loss parts out of it."""

import contextlib
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback

from learnerkit.core.seed import kept_random_state, seed_position

VALID_DRAW = 7  # sets the draws of a validation apart from those of the training


class SumOfParts:
    """The loss of a detector: the sum of the parts that its forward pass has made.

    parts: of the last batch, by name.
    """

    reduction = "mean"

    def __init__(self) -> None:
        self.parts: dict[str, torch.Tensor] = {}

    def __call__(self, pred: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        total = sum(self.parts.values())
        return total.expand(len(targets)) if self.reduction == "none" else total

    def activation(self, pred: torch.Tensor) -> torch.Tensor:
        """Detections are what they are."""
        return pred

    def decodes(self, pred: torch.Tensor) -> torch.Tensor:
        """Detections are what they are."""
        return pred


class DetectionParts(Callback):
    """Give the model the targets, and the loop the detections and the loss; keep each batch's loss parts for the run.

    Regions that the losses of a validation pass sample are a function of the batch's number, so that epochs compare.
    """

    order, name = -8, "detection_parts"  # after the guard has looked at the input

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rows: list[list[float]] = []
        self.pending: list[torch.Tensor | None] = []
        self.valid: list[tuple[int, torch.Tensor]] = []  # images of a batch, its parts
        self.begun = 0
        self.kept = contextlib.ExitStack()

    def before_fit(self) -> None:
        self.rows, self.pending = [], []

    def before_train(self) -> None:
        # rows of this epoch's batches before the one that a resume goes on from count as well
        self.begun = len(self.rows) + len(self.pending) - getattr(self.learn, "_first_batch", 0)

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
        if isinstance(learn.pred, dict):
            parts, learn.pred = learn.pred, learn.xb[0].new_zeros((len(learn.xb[0]), 0, 6))
        elif isinstance(learn.pred, tuple):
            learn.pred, parts = learn.pred
        else:
            return
        learn.loss_func.parts = parts
        self.names = list(parts)
        if not learn.training:
            self.valid.append((len(learn.pred), torch.stack([part.detach() for part in parts.values()])))

    def after_batch(self) -> None:
        parts, self.learn.loss_func.parts = self.learn.loss_func.parts, {}
        if self.learn.training:
            self.pending.append(torch.stack([part.detach() for part in parts.values()]) if parts else None)

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
        """The mean loss parts of this epoch: over the training batches, and over the validation's images."""
        self.batch_columns()
        trained = [row for row in self.rows[self.begun :] if row]
        measured = [parts.float().cpu().tolist() for _, parts in self.valid]
        columns = {}
        for part, rows, weights in (("train", trained, None), ("valid", measured, [n for n, _ in self.valid])):
            if rows:
                means = np.average(rows, axis=0, weights=weights).tolist()
                columns |= {f"{part}_{name}": value for name, value in zip(self.names, means, strict=True)}
        return columns

    def state_dict(self) -> dict[str, Any]:
        """The parts recorded so far."""
        self.batch_columns()
        return {"names": self.names, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.names, self.rows, self.pending = list(state["names"]), [list(row) for row in state["rows"]], []
