"""Macro F1 over the whole vocabulary, on whole parts of the data, by scikit-learn."""

from typing import Any

import numpy as np
import torch
from fastai.learner import Metric
from sklearn.metrics import f1_score


class MacroF1(Metric):
    """Unweighted mean over all classes of the F1 score.

    A class without images that is predicted counts as 0; one without both has no F1, and is left out.

    n_out: number of classes.
    """

    name = "macro_f1"

    def __init__(self, n_out: int) -> None:
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
        labels = list(range(self.n_out))
        return float(f1_score(targets, predictions, labels=labels, average="macro", zero_division=np.nan))
