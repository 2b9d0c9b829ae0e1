"""Our one subclass of fastai's Learner: the same events, order and weights, with less work per batch.

What differs from fastai's loop, all of it here:
- events go through a table event -> callbacks (`learner.events`), instead of asking every callback at every event;
- a batch that is on the model's device already is not walked through again;
- randomness is a function of (seed, epoch, step), seeded before each batch is cut (None leaves the generators alone);
- training may begin at any (epoch, batch): `restore_state` says where;
- what a callback swapped in is put back by its `restore()` after a normal end, a cancel and an exception alike.

Longer than most modules: it is the whole difference from fastai's Learner, in one place.
"""

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.learner import CancelEpochException
from fastai.torch_core import rank_distrib
from fastcore.foundation import L
from fastcore.imports import noop

from learnerkit.callbacks.guard import Guard
from learnerkit.callbacks.progress import Progress
from learnerkit.core.record import fit_arguments
from learnerkit.core.seed import kept_random_state, seed_of, seed_position
from learnerkit.learner.cast import CastBatch
from learnerkit.learner.guarded import GuardedLearner
from learnerkit.learner.recorder import LeanRecorder
from learnerkit.learner.schedule import LeanScheduler, one_cycle
from learnerkit.learner.state import check_learner_state, learner_state, load_learner_state


class KitLearner(GuardedLearner):
    """A fastai Learner that is lean, seeded by position and resumable.

    seed: of order, augmentation and dropout; None leaves the process's generators alone, as fastai does.
    limit_batches: train and validate on so many batches an epoch, for quick trials.
    cbs: callbacks, beside our recorder, progress bar, cast and guard (one's own Guard takes the place of ours).
    All other arguments are fastai's. `spec` and `recipe` record how it was built.
    """

    recipe: dict | None = None
    best_by = ("accuracy", "max")  # the figure that chooses the best weights, and which way
    in_fit = fitting = False  # within `fit`; within its epochs
    fit_call: dict | None = None
    _one_cycle_call: dict | None = None
    epochs_before = epoch = 0  # epochs of earlier fits: a second fit does not draw what the first drew
    fit_error: BaseException | None = None

    def __init__(
        self, *args: Any, seed: int | None = None, limit_batches: int | None = None, cbs: Any = None, **kwargs: Any
    ) -> None:
        self._table: dict[str, list[tuple[Callback, Callable]]] = {}
        self.seed, self.limit_batches = seed, limit_batches
        self._pending_state: dict | None = None
        self._first_epoch = self._first_batch = 0
        own, given = [TrainEvalCallback, LeanRecorder, CastBatch, Progress], list(L(cbs))
        if not any(cb is Guard or isinstance(cb, Guard) for cb in given):
            own.append(Guard)
        super().__init__(*args, default_cbs=False, cbs=own + given, **kwargs)

    # batches

    def batches_of(self, dl: Any) -> int:
        """Batches of a loader that a pass takes: all or, inside fit, `limit_batches`."""
        limited = self.limit_batches is not None and self.in_fit and not hasattr(self, "lr_finder")
        return min(len(dl), self.limit_batches) if limited else len(dl)

    def _set_device(self, b: Any) -> Any:
        device = self._device
        if all(isinstance(part, torch.Tensor) and part.device == device for part in b):
            return b
        return super()._set_device(b)

    def _do_one_batch(self) -> None:
        self.pred = self.model(*self.xb)
        self("after_pred")
        if len(self.yb):
            self.loss_grad = self.loss_func(self.pred, *self.yb)
            self.loss = self.loss_grad.detach().clone()
        self("after_loss")
        if self.training and len(self.yb):
            self._do_grad_opt()

    def all_batches(self) -> None:
        """Train or evaluate on the batches of `self.dl`, in training from the batch that a restored state names."""
        self.n_iter = self.batches_of(self.dl)
        self._device = next(self.model.parameters()).device
        if not self.training:
            for i, batch in enumerate(islice(self.dl, self.n_iter)):
                self.one_batch(i, batch)
            return
        first, self._first_batch = self._first_batch, 0
        if first:
            self.pct_train, self.train_iter = self._restored_position
        for i, batch in self._positioned(first):
            self.one_batch(i, batch)

    def _positioned(self, first: int) -> Iterator[tuple[int, Any]]:
        """Batches from number `first` on, each cut with the generators seeded for its position."""
        rank, epoch = rank_distrib(), self.epochs_before + self.epoch
        if self.seed is not None:
            seed_position(self.seed, epoch)
            if hasattr(self.dl, "rng"):
                self.dl.rng = random.Random(seed_of(self.seed, epoch))
        batches = iter(self.dl)
        for i in range(self.n_iter):
            if self.seed is not None:
                seed_position(self.seed, epoch, i, rank)
            batch = next(batches)
            if i >= first:
                yield i, batch
        if self.n_iter == len(self.dl):
            next(batches, None)  # lets the loader finish its own loop

    # fitting

    def _do_fit(self) -> None:
        if self._pending_state is not None:
            load_learner_state(self, self._pending_state)
            self._pending_state = None
        first, self._first_epoch = self._first_epoch, 0
        self.fitting = True
        for epoch in range(first, self.n_epoch):
            self.epoch = epoch
            self._with_events(self._do_epoch, "epoch", CancelEpochException)

    def _with_events(self, f: Callable, event_type: str, ex: type, final: Callable = noop) -> None:
        if event_type != "fit":
            super()._with_events(f, event_type, ex, final)
            return
        self.fit_error = None
        try:
            super()._with_events(f, event_type, ex, final)
        except BaseException as error:
            self.fit_error = error
            raise
        finally:
            self.fitting = False
            self._restore_callbacks()
            if not hasattr(self, "lr_finder") and self.fit_error is None:
                self.epochs_before += min(self.epoch + 1, self.n_epoch)
            if self.fit_error is not None:
                self._end_cleanup()
                if self.opt is not None:
                    self.opt.zero_grad()

    def fit(
        self,
        n_epoch: int,
        lr: float | slice | None = None,
        wd: float | None = None,
        cbs: Any = None,
        reset_opt: bool = False,
        start_epoch: int = 0,
    ) -> None:
        """fastai's fit; the process's random state is given back at the end, and callbacks are restored.

        n_epoch: epochs in all, those before `start_epoch` or before a restored position included.
        lr, wd: rate and weight decay; the learner's own when None.
        """
        with contextlib.ExitStack() as stack:
            if self.seed is not None:
                stack.enter_context(kept_random_state())
            self.in_fit = True
            stack.callback(setattr, self, "in_fit", False)
            self.fit_call = self._one_cycle_call or fit_arguments(call="fit", n_epoch=n_epoch, lr=lr, wd=wd)
            self._one_cycle_call = None
            super().fit(n_epoch, lr, wd, cbs, reset_opt, start_epoch)

    def fit_one_cycle(
        self,
        n_epoch: int,
        lr_max: float | slice | None = None,
        div: float = 25.0,
        div_final: float = 1e5,
        pct_start: float = 0.25,
        wd: float | None = None,
        moms: tuple | None = None,
        cbs: Any = None,
        reset_opt: bool = False,
        start_epoch: int = 0,
    ) -> None:
        """fastai's one-cycle fit, with the lean scheduler.

        n_epoch: epochs; lr_max: greatest rate, or a slice over parameter groups.
        div, div_final: the rate starts at lr_max/div and ends at lr_max/div_final.
        pct_start: part of the steps in which the rate rises.
        moms: momentum at start, top and end; the learner's own when None.
        """
        if self.opt is None:
            self.create_opt()
        self.opt.set_hyper("lr", self.lr if lr_max is None else lr_max)
        top = np.array([group["lr"] for group in self.opt.hypers])
        schedules = {
            "lr": one_cycle(pct_start, top / div, top, top / div_final),
            "mom": one_cycle(pct_start, *(self.moms if moms is None else moms)),
        }
        schedules = {name: f for name, f in schedules.items() if name in self.opt.hypers[-1]}
        shape = {"div": div, "div_final": div_final, "pct_start": pct_start, "moms": moms}
        self._one_cycle_call = fit_arguments(call="fit_one_cycle", n_epoch=n_epoch, lr=lr_max, wd=wd, **shape)
        cbs = [LeanScheduler(schedules), *L(cbs)]
        self.fit(n_epoch, cbs=cbs, reset_opt=reset_opt, wd=wd, start_epoch=start_epoch)

    def _restore_callbacks(self) -> None:
        with contextlib.ExitStack() as stack:  # one that fails does not keep the others from it
            for cb in self.cbs:
                cb.run = True
                if callable(restore := getattr(type(cb), "restore", None)):
                    stack.callback(restore, cb)

    def __enter__(self) -> "KitLearner":
        """Begin a pass outside fit; within its epochs, as a callback may ask for, the fit's own state stays."""
        return self if self.fitting else super().__enter__()

    def __exit__(self, *error: Any) -> None:
        if self.fitting:
            return
        try:
            super().__exit__(*error)
        finally:
            self._restore_callbacks()

    # state

    @property
    def smooth_loss(self) -> torch.Tensor:
        """The smoothed training loss up to now (reading it waits for the device)."""
        self.recorder.flush()
        return torch.tensor(self.recorder.smooth_loss.value)

    @property
    def monitored(self) -> dict[str, Any]:
        """The last epoch's losses and metrics by name, as callbacks that decide by a monitor read them."""
        names = [name for name in self.recorder.metric_names[1:] if name != "time"]
        return dict(zip(names, self.recorder.values[-1] if self.recorder.values else [], strict=False))

    def eval_weights(self) -> dict[str, torch.Tensor]:
        """The state dict that validation uses: the averaged one where a callback such as EMA keeps it."""
        for cb in self.cbs:
            if callable(averaged := getattr(type(cb), "eval_weights", None)) and (weights := averaged(cb)):
                return weights
        return self.model.state_dict()

    def kit_state(self, whole_epoch: bool) -> dict[str, Any]:
        """Everything that a resume needs, after an epoch or after a batch: see `learner.state`."""
        return learner_state(self, whole_epoch)

    def restore_state(self, state: dict[str, Any], allow: Sequence[str] = ()) -> None:
        """Let the fit that has just begun go on from a `kit_state`; RunError, nothing done, when it does not fit."""
        check_learner_state(self, state, allow)
        self._pending_state = state

    def export(self, fname: Any = "export.pkl", *args: Any, **kwargs: Any) -> None:
        """fastai's export, with a warning: `load_learner` runs whatever such a pickle says.

        fname: file name under `learn.path`; args, kwargs: fastai's.
        """
        warnings.warn(
            "learn.export writes a pickle: loading it runs the code that it names, so take none from a stranger. "
            "export_model(learn, path) and load_model(path) share a model without code.",
            stacklevel=2,
        )
        super().export(fname, *args, **kwargs)

    @contextlib.contextmanager
    def no_bar(self) -> Iterator["KitLearner"]:
        """Without the progress bar."""
        bars = L(cb for cb in self.cbs if isinstance(cb, Progress))
        with self.removed_cbs(bars):
            yield self
