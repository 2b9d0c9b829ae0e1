"""Signs of a bad training that a classifier alone can show: of its classes, its labels and its loss."""

import copy
import math
from typing import Any

import torch

from learnerkit.callbacks.diagnose import is_sampled
from learnerkit.callbacks.identity import class_names
from learnerkit.callbacks.kit import KitCallback
from learnerkit.classify.epoch_figures import ClassFigures
from learnerkit.core import signs
from learnerkit.core.seed import kept_random_state

NO_FEELING = 1e-3  # by which a loss of logits changes when 1 is added to all of them


class ClassSigns(KitCallback):
    """Gather, on a few batches of each epoch, what a classifier's signs rest on; see `callbacks.diagnose`."""

    decides = False  # about no weight
    order = 52

    def __init__(self) -> None:
        self.targets: list[torch.Tensor] = []  # least and greatest class number of the batches looked at
        self.samples = 0
        self.outputs: torch.Tensor | None = None  # of the first: least, distance of the sums from 1, change, chance

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run

    def before_epoch(self) -> None:
        self.targets, self.samples, self.outputs = [], 0, None

    def after_loss(self) -> None:
        learn = self.learn
        if not learn.training or not is_sampled(learn.iter, learn) or not _has_classes(learn):
            return
        codes, pred = learn.yb[0].detach(), learn.pred.detach().float()
        self.targets.append(torch.stack([codes.min(), codes.max()]))
        self.samples += len(codes)
        if self.outputs is None:
            self.outputs = _asked(learn, pred)

    def chance(self) -> float | None:
        """The loss of equal logits, ln K of a cross entropy; None of a loss that takes no logits."""
        if self.outputs is None:
            return None
        _, _, moved, chance = self.outputs.tolist()
        return chance if moved < NO_FEELING and math.isfinite(chance) else None

    def signs(self) -> list[signs.Sign]:
        """The signs of the epoch that has just ended."""
        learn, names = self.learn, class_names(self.learn.dls)
        losses, found = [loss for loss in learn.recorder.batch_losses if math.isfinite(loss)], []
        latest = losses[-max(signs.LATEST, learn.n_iter // 2) :]
        if (chance := self.chance()) is not None and latest:
            mean = sum(latest) / len(latest)
            found.append(signs.loss_at_chance(mean, chance, len(names), len(losses)))
        if self.outputs is not None:
            found.append(signs.loss_of_probabilities(*self.outputs.tolist()[:3]))
        if self.targets:
            low, high = torch.stack(self.targets).cpu().T
            args = int(low.min()), int(high.max()), self.samples, len(self.targets)
            found.append(signs.one_class_trained(*args, names))
        figures = next((cb for cb in learn.cbs if isinstance(cb, ClassFigures)), None)
        if figures is not None and figures.counts is not None:
            predicted, truth = figures.counts
            found.append(signs.one_class_predicted(predicted, truth, names, len(losses)))
            trained = learn.train_accuracy.epoch_columns() if hasattr(learn, "train_accuracy") else {}
            if (accuracy := trained.get("train_accuracy")) is not None and found[-1] is None:
                found.append(signs.apart(accuracy, figures.values["weighted_recall"], sum(truth), len(names)))
        return [sign for sign in found if sign is not None]


def _has_classes(learn: Any) -> bool:
    """Whether there is a figure a class and sample, and the number of a class."""
    targets = learn.yb[0] if len(learn.yb) == 1 else None
    hard = isinstance(targets, torch.Tensor) and targets.ndim == 1 and not targets.is_floating_point()
    return hard and len(targets) > 0 and isinstance(learn.pred, torch.Tensor) and learn.pred.ndim == 2


def _asked(learn: Any, pred: torch.Tensor) -> torch.Tensor:
    """What `outputs` holds; nan where the loss does not take them so."""
    nan = torch.full((), math.nan, device=pred.device)
    off = (pred.sum(dim=1) - 1).abs().max()
    try:
        asked = copy.deepcopy(learn.loss_func)  # one's own may keep something of each call
        with torch.no_grad(), kept_random_state():
            plain, moved, equal = (asked(x, *learn.yb).float().mean() for x in (pred, pred + 1, 0 * pred))
    except Exception:  # a loss of one's own may ask for anything
        return torch.stack([pred.min(), off, nan, nan])
    return torch.stack([pred.min(), off, (moved - plain).abs() / (1 + plain.abs()), equal])
