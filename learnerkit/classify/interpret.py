"""fastai's ClassificationInterpretation with the predictions kept: the model runs once, everything else reads them."""

from typing import Any

import numpy as np
import torch

from learnerkit._fastai import ClassificationInterpretation, DataLoader, Learner, detuplify
from learnerkit.classify.metrics import activation_of, confusion, report_text
from learnerkit.core.errors import DataError
from learnerkit.pages.letters import as_written, drawable


class ImageInterpretation(ClassificationInterpretation):
    """What a classifier got right and wrong, from one pass over the data; made by `from_learner`.

    learn, dl, act: the learner, the loader that was predicted, the activation of the predictions.
    preds: probabilities [N,K]; targs: class indices [N]; decoded: predicted classes [N]; losses: [N].
    """

    preds: torch.Tensor
    targs: torch.Tensor

    @classmethod
    def from_learner(
        cls, learn: Learner, ds_idx: int = 1, dl: DataLoader | None = None, act: Any = None, cbs: Any = None
    ) -> "ImageInterpretation":
        """Predict once and keep everything.

        ds_idx: which of `learn.dls`: 0 train, 1 valid, 2 test; or `dl`, any loader with targets.
        act: activation of the predictions; the loss function's when None, softmax where it has none.
        cbs: callbacks of the pass, such as TTA(16).
        """
        if dl is None:
            dl = learn.dls[ds_idx].new(shuffle=False, drop_last=False)
        act = act or activation_of(learn.loss_func)
        preds, targs, losses = learn.get_preds(dl=dl, with_loss=True, act=act, cbs=cbs)
        if preds.ndim != 2:
            raise DataError(
                f"ImageInterpretation: predictions of shape {list(preds.shape)} are no classes of images; what a "
                "detector found is looked at by DetectionInterpretation.from_learner(learn)"
            )
        interpretation = cls(learn, dl, losses, act)
        interpretation.preds, interpretation.targs = preds, targs
        return interpretation

    @property
    def decoded(self) -> torch.Tensor:
        """Predicted class indices [N]."""
        return self.preds.argmax(dim=-1)

    def plot_top_losses(self, k: int | list, largest: bool = True, **kwargs: Any) -> Any:
        """Draw the samples with the greatest losses, or the least; pairs of maps side by side.

        k: how many, or which places of that order; kwargs: fastai's.
        """
        if self.dl.n_inp == 1:
            with as_written(self.vocab):
                return super().plot_top_losses(k, largest, **kwargs)
        places = isinstance(k, (list, tuple, range))
        _, idxs = self.top_losses(None if places else k, largest)[:2]
        idxs = idxs[list(k)] if places else idxs
        items = [self.dl.items[int(i)] for i in idxs]
        loader = self.learn.dls.test_dl(items, with_labels=True, bs=len(items))
        return loader.show_results(loader.one_batch(), self.decoded[idxs], max_n=len(items))

    def plot_confusion_matrix(self, **kwargs: Any) -> None:
        """Draw `confusion_matrix`; kwargs: fastai's."""
        names, self.vocab = self.vocab, [drawable(str(name), 24) for name in self.vocab]
        try:
            with as_written(self.vocab):
                super().plot_confusion_matrix(**kwargs)
        finally:
            self.vocab = names

    def __getitem__(self, idxs: Any) -> tuple:
        """Inputs, probabilities, targets, decoded predictions and losses at `idxs`; the model is not run again."""
        idxs = [idxs] if isinstance(idxs, int) else [int(i) for i in idxs]
        items = [self.dl.items[i] for i in idxs]
        loader = self.learn.dls.test_dl(items, with_labels=True, bs=max(1, len(items)))
        inputs = loader.one_batch()[: loader.n_inp]
        return detuplify(inputs), self.preds[idxs], self.targs[idxs], self.decoded[idxs], self.losses[idxs]

    def confusion_matrix(self) -> np.ndarray:
        """Counts [K,K]: rows the true classes, columns the predicted ones."""
        return confusion(self.targs.numpy(), self.decoded.numpy(), len(self.vocab))

    def print_classification_report(self) -> None:
        """scikit-learn's report over the whole vocabulary; what divides by zero is 0."""
        print(report_text(self.targs.numpy(), self.decoded.numpy(), self.vocab))
