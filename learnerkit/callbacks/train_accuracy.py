"""How right a classifier is on what it trains on, counted from the training passes themselves."""

from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.callback.mixup import MixHandler

from learnerkit.callbacks.kit import KitCallback
from learnerkit.callbacks.mix import Mixer


class TrainAccuracy(KitCallback):
    """Count the right predictions of the training passes, on the device; the ledger has their share as train_accuracy.

    They are made with augmentation and dropout, by weights that change: the figure is below that of a pass afterwards.
    Where CutMix or MixUp mixes batches, the label with the larger share counts, and it is train_accuracy_mixed.
    """

    order, run_valid = 12, False

    def __init__(self) -> None:
        self.seen = 0
        self.right: torch.Tensor | None = None

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run
        self.mixers: list[Callback] = [cb for cb in self.learn.cbs if isinstance(cb, (Mixer, MixHandler))]

    def before_train(self) -> None:
        if self.learn.epoch != self.learn.start.epoch or not self.learn.start.batch:
            self.seen, self.right = 0, None

    def after_loss(self) -> None:
        learn = self.learn
        targets = learn.yb[0] if len(learn.yb) == 1 else None
        if not isinstance(targets, torch.Tensor) or targets.ndim != 1 or targets.is_floating_point():
            return  # soft labels, or several
        if not isinstance(learn.pred, torch.Tensor) or learn.pred.ndim != 2:
            return  # with auxiliary outputs, or of no classes
        for mixer in self.mixers:
            targets = larger_share(mixer, targets)
        right = (learn.pred.detach().argmax(dim=-1) == targets).sum()
        seen = len(targets)
        if learn.together is not None:
            right, seen = learn.together.counted(right, seen)
        self.right = right if self.right is None else self.right + right
        self.seen += int(seen)

    def epoch_columns(self) -> dict[str, float]:
        """The share of this epoch's training samples that was right; none where their labels are no class numbers."""
        if self.learn.recorder.train_metrics:
            return {}  # fastai's own measures of the training have these names
        name = "train_accuracy_mixed" if self.mixers else "train_accuracy"
        return {} if self.right is None else {name: int(self.right) / self.seen}

    def state_dict(self) -> dict[str, Any]:
        """The counts of this epoch so far."""
        return {"seen": self.seen, "right": None if self.right is None else int(self.right)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.seen, right = state["seen"], state["right"]
        self.right = None if right is None else torch.tensor(right, device=next(self.learn.model.parameters()).device)


def larger_share(mixer: Callback, targets: torch.Tensor) -> torch.Tensor:
    """The targets of the images that have the larger share in a batch that may be mixed, by ours or by fastai's."""
    if isinstance(mixer, Mixer):
        return mixer.other_targets[0] if mixer.lam < 0.5 else targets
    share = torch.as_tensor(mixer.lam, device=targets.device).reshape(-1)
    return torch.where(share >= 0.5, targets, mixer.yb1[0])
