"""fastai, as far as learnerkit reaches into it: the first import, and every private name that we depend on.

The import silences the deprecation notes of fastai's own imports; the modules of a task's room, whose package imports
nothing, take fastai's names from here. fastai's private names stand here alone, under public names of ours; a test
holds that each is still there, and that no other module names one.
"""

import warnings
from collections.abc import Callable
from itertools import repeat
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all  # noqa: F401
    from fastai.callback.channelslast import ChannelsLast
    from fastai.callback.core import Callback, _inner_loop
    from fastai.callback.mixup import MixHandler
    from fastai.callback.training import GradientClip
    from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
    from fastai.data.core import DataLoaders, Datasets, TfmdDL
    from fastai.data.load import DataLoader
    from fastai.data.transforms import Category, CategoryMap
    from fastai.interpret import ClassificationInterpretation
    from fastai.learner import CancelEpochException, Learner, Metric, Recorder, _maybe_item
    from fastai.losses import CrossEntropyLossFlat
    from fastai.metrics import accuracy
    from fastai.optimizer import _BaseOptimizer as BaseOptimizer
    from fastai.torch_core import TensorBase, TensorCategory, to_device
    from fastai.vision.core import TensorImage, TensorImageBW
    from fastcore.basics import detuplify
    from fastcore.foundation import L
    from fastcore.imports import noop
    from fastcore.xtras import PrettyString

__all__ = [
    "INNER_EVENTS",
    "BaseOptimizer",
    "Callback",
    "Category",
    "CategoryBlock",
    "CategoryMap",
    "ChannelsLast",
    "ClassificationInterpretation",
    "CrossEntropyLossFlat",
    "DataBlock",
    "DataLoader",
    "DataLoaders",
    "GradientClip",
    "L",
    "Learner",
    "Metric",
    "MixHandler",
    "OpenDL",
    "OpenLearner",
    "OpenRecorder",
    "PrettyString",
    "TensorBase",
    "TensorCategory",
    "TensorImage",
    "TensorImageBW",
    "TfmdDL",
    "TransformBlock",
    "accuracy",
    "detuplify",
    "loaders_of",
    "order_of_pass",
    "to_device",
]

INNER_EVENTS = frozenset(_inner_loop)


class OpenLearner(Learner):
    """fastai's Learner with the private steps of its loop under public names, to be overridden or called."""

    def _do_fit(self) -> None:
        self.run_epochs()

    def run_epochs(self) -> None:
        """All epochs of a fit."""
        super()._do_fit()

    def run_epoch(self) -> None:
        """The epoch `self.epoch` with its events."""
        self._with_events(self._do_epoch, "epoch", CancelEpochException)

    def _do_one_batch(self) -> None:
        self.run_batch()

    def run_batch(self) -> None:
        """The batch in `xb` and `yb`: prediction, loss and, in training, the step."""
        super()._do_one_batch()

    def run_step(self) -> None:
        """Backward pass and optimizer step with their events."""
        self._do_grad_opt()

    def _backward(self) -> None:
        self.run_backward()

    def run_backward(self) -> None:
        """The gradients of `loss_grad`, added to those that are there."""
        super()._backward()

    def _set_device(self, b: Any) -> Any:
        return self.on_device(b)

    def on_device(self, b: Any) -> Any:
        """A batch on the model's device."""
        return super()._set_device(b)

    def _with_events(self, f: Callable, event_type: str, ex: type, final: Callable = noop) -> None:
        if event_type == "fit":
            self.run_fit(lambda: super(OpenLearner, self)._with_events(f, event_type, ex, final))
        else:
            super()._with_events(f, event_type, ex, final)

    def run_fit(self, whole_fit: Callable[[], None]) -> None:
        """A whole fit with its events, those of a cancel included."""
        whole_fit()

    def release_batch(self) -> None:
        """Let go of the last batch, as fastai does at the end of a fit."""
        self._end_cleanup()


class OpenRecorder(Recorder):
    """fastai's Recorder, its lists of metrics under public names."""

    @property
    def metrics_of_train(self) -> L:
        """The smoothed loss and, where asked for, the metrics of training batches."""
        return self._train_mets

    @property
    def metrics_of_valid(self) -> L:
        """The loss and the metrics of validation batches."""
        return self._valid_mets

    def log_train(self) -> None:
        """Enter the training figures into the row of this epoch."""
        self.log += self._train_mets.map(_maybe_item)


class OpenDL(TfmdDL):
    """A fastai TfmdDL that learns how many inputs a batch has, and of which types, from `sample_batch`."""

    def _one_pass(self) -> None:
        batch = self.sample_batch()
        self._n_inp = 1 if len(batch) == 1 else len(batch) - 1
        self._types = {tuple: [type(part) for part in batch]}

    def sample_batch(self) -> tuple:
        """A batch of one sample, as the model would see it."""
        raise NotImplementedError

    def shown_batch(self, unique: bool, n: int) -> tuple:
        """The batch of which `show_batch` draws `n`; if `unique` one sample again and again, each with its own draw."""
        if not unique:
            return self.one_batch()
        before, self.get_idxs = self.get_idxs, lambda: repeat(0)
        try:
            return self.one_batch()
        finally:
            self.get_idxs = before

    def decoded_batch(self, b: tuple, max_n: int) -> tuple:
        """What `show_batch` gives with `show=False`: decoded inputs, targets, and the samples of both."""
        return self._pre_show_batch(b, max_n=max_n)


def loaders_of(datasets: Datasets, kind: type[DataLoaders], **kwargs: Any) -> DataLoaders:
    """The DataLoaders of a fastai Datasets, of one's own class; kwargs: of `Datasets.dataloaders`."""
    datasets._dbunch_type = kind
    return datasets.dataloaders(**kwargs)


def order_of_pass(dl: DataLoader) -> list[int]:
    """The positions that the pass over a loader under way takes, in order; empty before the first pass."""
    return list(getattr(dl, "pass_order", None) or getattr(dl, "_DataLoader__idxs", []))
