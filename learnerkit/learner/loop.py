"""The training loop: fastai's events, order and weights, with less work per batch.

What differs from fastai's loop, all of it here:
- events go through a table event -> callbacks (`learner.events`), instead of asking every callback at every event;
- a batch that is on the model's device already is not walked through again;
- randomness is a function of (seed, epoch, step), seeded before each batch is cut (None leaves the generators alone);
- training may begin at any (epoch, batch): `restore_state` says where;
- at such a boundary, once all callbacks have acted, those with an `at_boundary(whole_epoch)` are called: what they save
  there is the state of every callback as of that moment, whatever its order; `after_whole_fit(learn)` is called when
  a fit is over that ended by itself;
- what a callback swapped in is put back by its `restore()` after a normal end, a cancel and an exception alike.
"""

import contextlib
from collections.abc import Callable
from typing import Any

from fastcore.foundation import L

from learnerkit.callbacks.able import able
from learnerkit.core import ranks
from learnerkit.core.calls import fit_arguments
from learnerkit.core.seed import kept_random_state
from learnerkit.learner.memory import out_of_memory
from learnerkit.learner.passes import PassLearner
from learnerkit.learner.position import Fit, Position
from learnerkit.learner.schedule import LeanScheduler, check_one_rate, follow, one_cycle_curves
from learnerkit.learner.state import lay_out_state, load_state
from learnerkit.learner.together import Together, check_shares, loss_of_a_rank


class LoopLearner(PassLearner):
    """A fastai Learner that is lean, seeded by position and resumable; seed, limit_batches: see `learner.passes`."""

    def run_epochs(self) -> None:
        """All epochs of a fit, from where it is to go on."""
        fit = self.current
        if fit.state is not None:
            load_state(self, fit.state)
            fit.state = None
        lay_out_state(self.opt)
        self.together = Together(self) if ranks.world() > 1 and self.is_training_run else None
        fit.running = True
        for epoch in range(self.start.epoch, self.n_epoch):
            self.epoch = epoch
            self.run_epoch()
            for _, act in able(self.cbs, "at_boundary"):
                act(whole_epoch=True)

    def run_fit(self, whole_fit: Callable[[], None]) -> None:
        """A whole fit with its events; then callbacks are restored and, after an error, batch and gradients let go."""
        fit = self.current
        try:
            if self.is_training_run:
                check_one_rate(self.cbs)
            whole_fit()
        except BaseException as error:
            fit.error = error
            said = out_of_memory(self, error)
            said = loss_of_a_rank(self, said or error) or said
            if said is not None:
                fit.error = said
                raise said from error
            raise
        finally:
            fit.running = False
            if self.together is not None:
                self.together.end()
                self.together = None
            self.restore_callbacks()
            if fit.error is not None:
                self.release_batch()
                if self.opt is not None:
                    self.opt.zero_grad()
            elif self.is_training_run:
                self.start.epochs_before += min(self.epoch + 1, self.n_epoch)
                fit.afterwards = [act for _, act in able(self.cbs, "after_whole_fit")]

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
        call = fit_arguments(call="fit", n_epoch=n_epoch, lr=lr, wd=wd)
        self._fit(call, n_epoch, lr, wd, cbs, reset_opt, start_epoch)

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
        schedules = self.one_cycle_curves(div, div_final, pct_start, moms)
        shape = {"div": div, "div_final": div_final, "pct_start": pct_start, "moms": moms}
        call = fit_arguments(call="fit_one_cycle", n_epoch=n_epoch, lr=lr_max, wd=wd, **shape)
        self._fit(call, n_epoch, None, wd, [LeanScheduler(schedules), *L(cbs)], reset_opt, start_epoch)

    def one_cycle_curves(
        self, div: float = 25.0, div_final: float = 1e5, pct_start: float = 0.25, moms: tuple | None = None
    ) -> dict[str, Callable[[float], Any]]:
        """The curves of `fit_one_cycle` from the optimizer's rates, by the names of hyper-parameters."""
        return one_cycle_curves(self.opt, div, div_final, pct_start, self.moms if moms is None else moms)

    def follow(self, curves: dict[str, Callable[[float], Any]]) -> None:
        """Set hyper-parameters to what curves say of the part of training that is done."""
        follow(self, curves)

    def _fit(self, call: dict[str, Any], *args: Any) -> None:
        self.start = Position(self.start.epochs_before)
        if ranks.world() > 1:
            check_shares(self, args[3])
        with contextlib.ExitStack() as stack:
            if self.seed is not None:
                stack.enter_context(kept_random_state())
            stack.callback(setattr, self, "current", None)
            self.current = fit = Fit(call)
            super().fit(*args)
        for act in fit.afterwards:
            act(self)

    def restore_callbacks(self) -> None:
        """Let every callback put back what it swapped in; one that fails does not keep the others from it."""
        with contextlib.ExitStack() as stack:
            for cb in self.cbs:
                cb.run = True
            for _, restore in able(self.cbs, "restore"):
                stack.callback(restore)

    def __enter__(self) -> "LoopLearner":
        """Begin a pass outside fit; within its epochs, as a callback may ask for, the fit's own state stays."""
        if self.current is not None and self.current.running:
            return self
        try:
            return super().__enter__()
        except BaseException:  # nobody leaves what was never entered
            self.restore_callbacks()
            raise

    def __exit__(self, *error: Any) -> None:
        if self.current is not None and self.current.running:
            return
        try:
            super().__exit__(*error)
        finally:
            self.restore_callbacks()
