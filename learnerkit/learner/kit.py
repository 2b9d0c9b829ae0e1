"""Our one Learner: fastai's, with the loop of `learner.loop` and what callbacks and runs ask of it."""

import contextlib
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from fastai.callback.core import TrainEvalCallback
from fastai.callback.mixup import MixHandler
from fastcore.foundation import L
from torch import nn

from learnerkit.callbacks.able import able
from learnerkit.callbacks.diagnose import Diagnose
from learnerkit.callbacks.identity import known_set
from learnerkit.callbacks.progress import Progress
from learnerkit.core import ranks
from learnerkit.core.errors import DataError, RecipeError
from learnerkit.core.warn import warn
from learnerkit.learner.cast import CastBatch
from learnerkit.learner.mixed import MixedLearner
from learnerkit.learner.recorder import LeanRecorder
from learnerkit.learner.state import check_state, learner_state, load_opt


class KitLearner(MixedLearner):
    """A fastai Learner that is lean, seeded by position and resumable, see `learner.loop` and `learner.grouped`.

    cbs: callbacks, beside our recorder, progress bar, cast and guard (one's own Guard takes the place of ours).
    diagnose: whether signs of a bad training are told, see `callbacks.diagnose`.
    All other arguments are fastai's. `recipe` records how it was built, `task` for what, `best_by` the figure that
    chooses the best weights.
    """

    recipe: dict | None = None
    task: str | None = None
    best_by: str = "valid_loss"

    def __init__(self, *args: Any, cbs: Any = None, diagnose: bool = True, **kwargs: Any) -> None:
        own = [TrainEvalCallback, LeanRecorder, CastBatch, Progress, *([Diagnose] if diagnose else [])]
        super().__init__(*args, cbs=[*own, *L(cbs)], **kwargs)

    @property
    def smooth_loss(self) -> torch.Tensor:
        """The smoothed training loss up to now (reading it waits for the device)."""
        self.recorder.flush()
        return torch.tensor(self.recorder.smooth_loss.value)

    @property
    def figure_names(self) -> list[str]:
        """The names of the losses, metrics and callbacks' figures that the fit under way records an epoch."""
        return list(dict.fromkeys([*self._metric_names, *self._further_figures()]))

    @property
    def _metric_names(self) -> list[str]:
        return [name for name in self.recorder.metric_names[1:] if name != "time"]

    def agree(self) -> None:
        """Of several ranks take over the figures that the first one has measured in the epoch that ends."""
        if self.together is not None:
            self.together.figures = ranks.first(self._measured())

    def _further_figures(self) -> dict[str, Any]:
        """What callbacks measure of an epoch, by name."""
        return {name: value for _, figures in able(self.cbs, "epoch_figures") for name, value in figures().items()}

    @property
    def monitored(self) -> dict[str, Any]:
        """The last epoch's figures by name, as callbacks that decide by a monitor read them; {} before the first.

        Of several ranks all read those of the first.
        """
        return self._measured() if self.together is None else self.together.figures

    def _measured(self) -> dict[str, Any]:
        if not self.recorder.values:
            return {}
        metrics = dict(zip(self._metric_names, self.recorder.values[-1], strict=False))
        further = {name: value for name, value in self._further_figures().items() if value is not None}
        return metrics | {name: value for name, value in further.items() if name not in metrics}

    def all_batches(self) -> None:
        """The batches of `self.dl`, as `learner.loop` takes them; DataError where they are blank ones."""
        self._check_data(self.dl)
        super().all_batches()

    def show_results(self, ds_idx: int = 1, dl: Any = None, **kwargs: Any) -> None:
        """fastai's show_results; DataError for a learner without its data. ds_idx, dl, kwargs: fastai's."""
        self._check_data(self.dls[ds_idx] if dl is None else dl)
        super().show_results(ds_idx, dl, **kwargs)

    def _check_data(self, dl: Any) -> None:
        source, _ = known_set(self.dls) or (None, None)
        shown = getattr(dl, "dataset", None)
        if getattr(source, "is_blank", False) and any(shown is own.dataset for own in self.dls.loaders):
            raise DataError(
                "this learner was loaded without its data, so there is nothing to fit or to measure on; load them, "
                "load_run(run), or give samples: learn.predict(item)"
            )

    def eval_model(self) -> nn.Module:
        """The model that validation uses: the averaged one where a callback such as EMA keeps it."""
        averaged = (model() for _, model in able(self.cbs, "eval_model"))
        return next((model for model in averaged if model is not None), self.model)

    def save(self, file: Any, **kwargs: Any) -> Any:
        """Save the weights as fastai does: those that a validation uses, averaged where a callback such as EMA does so.

        Of several ranks the first one saves.

        file: name or path; kwargs: fastai's.
        """
        trained = self.model
        if not ranks.is_first():
            return None
        try:
            if not hasattr(self, "lr_finder"):  # which saves and loads to undo its steps
                self.model = self.eval_model()
            return super().save(file, **kwargs)
        finally:
            self.model = trained

    def kit_state(self, whole_epoch: bool) -> dict[str, Any]:
        """Everything that a resume needs, after an epoch or after a batch: see `learner.state`."""
        return learner_state(self, whole_epoch)

    def restore_state(self, state: dict[str, Any], allow: Sequence[str] = ()) -> None:
        """Let the fit that has just begun go on from a `kit_state`; RunError, nothing done, when it does not fit."""
        check_state(self, state, allow)
        self.current.state = state

    def load_opt(self, state: dict[str, Any]) -> None:
        """Put the optimizer's part of a `kit_state` back."""
        load_opt(self.opt, state)

    def add_cb(self, cb: Any) -> "KitLearner":
        """Add a callback, as fastai does; RecipeError for fastai's own mixing where there are several inputs."""
        kind = cb if isinstance(cb, type) else type(cb)
        if issubclass(kind, MixHandler) and getattr(self.dls, "n_inp", 1) > 1:
            raise RecipeError(
                f"fastai's {kind.__name__} mixes one input, and this task has {self.dls.n_inp}; "
                "CutMix(p=...) and MixUp(p=...) of learnerkit mix all of them alike"
            )
        return super().add_cb(cb)

    def predict(self, item: Any, rm_type_tfms: Any = None, with_input: bool = False) -> tuple:
        """fastai's predict: the decoded prediction, its number and the probabilities. DataError for what is no sample.

        item: a row number of the set, or one sample in any form that its blocks take: a file, a picture, an array or
            tensor; where there are several inputs, a file of all of them, or a tuple or dict with each.
            `nbs/predict.md` has the forms and the ranges of their values. rm_type_tfms, with_input: fastai's.
        """
        self.check_row(item)
        several = getattr(self.dls, "n_inp", 1)
        if several > 1 and getattr(item, "ndim", several) == 3:
            raise DataError(
                f"predict: one array of shape {tuple(item.shape)}, and this task has {several} inputs; give them in a "
                "tuple, or the file that holds them"
            )
        return super().predict(item, rm_type_tfms, with_input)

    def check_row(self, item: Any) -> None:
        """DataError for what counts as the number of a row, and is none that the set has."""
        if isinstance(item, (bool, np.bool_)):
            raise DataError(f"predict: {item} is no sample; give a row number from 0, or the sample itself")
        if not isinstance(item, Integral):
            return
        source, _ = known_set(self.dls) or (None, None)
        if getattr(source, "is_blank", False):
            raise DataError(f"row {item}: this learner was loaded without its data; give the sample itself")
        if item < 0:
            raise DataError(f"row {item}: rows are counted from 0; give one from 0 on, or the sample itself")
        if source is not None and item >= len(source):
            raise DataError(f"row {item}: {source.name} has {len(source)} samples")

    def export(self, fname: Any = "export.pkl", *args: Any, **kwargs: Any) -> None:
        """fastai's export, with a warning: `load_learner` runs whatever such a pickle says.

        Of several ranks the first one exports.

        fname: file name under `learn.path`; args, kwargs: fastai's.
        """
        if not ranks.is_first():
            return
        warn(
            "learn.export writes a pickle: loading it runs the code that it names, so take none from a stranger. "
            "export_model(learn, path) and load_model(path) share a model without code."
        )
        super().export(fname, *args, **kwargs)

    @contextlib.contextmanager
    def no_bar(self) -> Iterator["KitLearner"]:
        """Without the progress bar."""
        bars = L(cb for cb in self.cbs if isinstance(cb, Progress))
        with self.removed_cbs(bars):
            yield self
