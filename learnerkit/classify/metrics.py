"""The figures of a classifier, on whole parts of the data, by scikit-learn; macro F1 is over the whole vocabulary."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score

from learnerkit._fastai import Metric
from learnerkit.classify.calibration import nll
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.core.text import one_line

MEASURES = ("accuracy", "macro_f1", "log_loss")


def macro_f1(targets: np.ndarray, predicted: np.ndarray, n_out: int) -> float:
    """Unweighted mean of the F1 score over the whole vocabulary; a class never seen and never predicted counts as 0.

    As scikit-learn's with `labels` of all classes and its default for a division by zero.
    """
    return float(f1_score(targets, predicted, labels=list(range(n_out)), average="macro", zero_division=0))


def activation_of(loss_func: Callable) -> Callable:
    """What makes probabilities of a classifier's outputs: the loss's own activation, else softmax.

    A plain loss of torch's, such as nn.CrossEntropyLoss or nn.NLLLoss, says none; fastai would leave its logits.
    """
    return getattr(loss_func, "activation", partial(torch.softmax, dim=-1))


def figures_of(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Accuracy, macro F1 over the whole vocabulary, and mean cross entropy; see `MEASURES`."""
    n_out, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(targets, predicted)),
        "macro_f1": macro_f1(targets, predicted, n_out),
        "log_loss": nll(probabilities, targets),
    }


def confusion(targets: np.ndarray, predicted: np.ndarray, n_out: int) -> np.ndarray:
    """Counts [K,K] over the whole vocabulary: rows the true classes, columns the predicted ones."""
    return confusion_matrix(targets, predicted, labels=list(range(n_out)))


def report_text(targets: np.ndarray, predicted: np.ndarray, vocab: Sequence[str]) -> str:
    """scikit-learn's classification report over the whole vocabulary; a division by zero gives 0, its default."""
    names, labels = [one_line(str(name)) for name in vocab], list(range(len(vocab)))
    return classification_report(targets, predicted, labels=labels, target_names=names, digits=4, zero_division=0)


class MacroF1(Metric):
    """`macro_f1` of a validation pass.

    n_out: number of classes.

    Examples:
        >>> learn = image_learner(digits_dls(limit=64), "tiny_cnn", metrics=[MacroF1(10)])
        >>> with learn.no_bar(), learn.no_logging():
        ...     loss, f1 = learn.validate()
        >>> 0 <= f1 <= 1
        True
    """

    name = "macro_f1"

    @checked
    def __init__(self, n_out: AtLeastOne) -> None:
        self.n_out = n_out
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.predictions, self.targets = [], []

    def accumulate(self, learn: Any) -> None:
        """Take in one batch; nothing waits for the device."""
        self.predictions.append(learn.pred.detach().argmax(dim=-1))
        self.targets.append(learn.y.detach())

    @property
    def value(self) -> float | None:
        """The score of all batches so far."""
        if not self.targets:
            return None
        predictions, targets = torch.cat(self.predictions).cpu(), torch.cat(self.targets).cpu()
        return macro_f1(targets, predictions, self.n_out)
