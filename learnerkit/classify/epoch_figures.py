"""Precision, recall and F1 of each epoch's validation, beside the metrics that a validation prints."""

import torch
from sklearn.metrics import precision_recall_fscore_support

from learnerkit.callbacks.kit import KitCallback
from learnerkit.core.ranges import AtLeastOne, checked

PARTS = ("precision", "recall", "f1")
AVERAGES = ("macro", "weighted")


def class_figures(targets: torch.Tensor, predicted: torch.Tensor, n_out: int) -> dict[str, float]:
    """Precision, recall and F1 over the whole vocabulary, by scikit-learn: 'macro_recall', 'weighted_f1' and so on.

    targets, predicted: class numbers [N]. macro: the unweighted mean over the classes; weighted: by their numbers of
    samples, so that the weighted recall is the accuracy. A class never seen or never predicted counts as 0.
    """
    found = {}
    for average in AVERAGES:
        values = precision_recall_fscore_support(
            targets.numpy(), predicted.numpy(), labels=list(range(n_out)), average=average, zero_division=0
        )
        found |= {f"{average}_{part}": float(value) for part, value in zip(PARTS, values[:3], strict=True)}
    return found


class ClassFigures(KitCallback):
    """Record `class_figures` of every epoch's validation, under names that a monitor may have.

    n_out: number of classes.
    """

    decides = False  # about no weight
    order, run_train = 13, False

    @checked
    def __init__(self, n_out: AtLeastOne) -> None:
        self.n_out = n_out
        self.batches: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.values: dict[str, float] = {}
        self.counts: tuple[list[int], list[int]] | None = None  # samples a class: predicted, true

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run
        self.batches, self.values, self.counts = [], {}, None

    def before_validate(self) -> None:
        self.batches, self.values, self.counts = [], {}, None

    def after_loss(self) -> None:
        pred, targets = self.learn.pred, self.learn.yb
        if len(targets) != 1 or not isinstance(pred, torch.Tensor) or pred.ndim != 2 or targets[0].ndim != 1:
            return  # soft or several labels, or auxiliary outputs
        if not targets[0].is_floating_point():
            self.batches.append((targets[0].detach(), pred.detach().argmax(dim=-1)))

    def after_validate(self) -> None:
        if self.batches:
            columns = zip(*self.batches, strict=True)
            targets, predicted = (torch.cat(column).as_subclass(torch.Tensor).cpu() for column in columns)
            self.values = class_figures(targets, predicted, self.n_out)
            self.counts = tuple(part.bincount(minlength=self.n_out).tolist() for part in (predicted, targets))
        self.batches = []

    def epoch_figures(self) -> dict[str, float | None]:
        """The figures of the last validation by name; None before the first."""
        return {f"{average}_{part}": self.values.get(f"{average}_{part}") for average in AVERAGES for part in PARTS}
