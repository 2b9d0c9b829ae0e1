"""The callback that keeps a run: its folder, ledger, weights and checkpoints. It only calls `core`'s engine."""

import contextlib
import logging
import traceback
from pathlib import Path
from typing import Any, Literal

from learnerkit.callbacks.able import able
from learnerkit.callbacks.accumulate import holds_gradients
from learnerkit.callbacks.ending import training_figures
from learnerkit.callbacks.identity import write_identity
from learnerkit.callbacks.keep import Retention, save_state, save_weights
from learnerkit.callbacks.kit import KitCallback, watch
from learnerkit.callbacks.ledger import append_batches, append_row, epoch_row, write_diagnosis
from learnerkit.callbacks.resume import (
    check_same,
    go_on_after_a_fit,
    longer,
    newest_state,
    nothing_to_train,
    write_resume,
)
from learnerkit.callbacks.several import AGAIN_S, FREE, described_ranks, other_number, tell_others
from learnerkit.callbacks.track import never_a_number
from learnerkit.core import fsops, ranks
from learnerkit.core.checkpoint import folder_name, point, set_aside
from learnerkit.core.disk import check_space
from learnerkit.core.errors import LearnerkitError, RunError, TrainingError
from learnerkit.core.files import PathLike, read_json, write_json
from learnerkit.core.monitor import is_better, mode_of
from learnerkit.core.ranges import Count, Flag, checked
from learnerkit.core.run_folder import RunFolder, cut_csv
from learnerkit.core.signals import PoliteStop

log = logging.getLogger(__name__)


class RunKeeper(KitCallback):
    """Write the run folder as training goes; nothing that is there is ever truncated.

    root: the experiment's folder.
    name: the run's name under it; the date and a number without one.
    monitor: the figure that chooses the best weights; the learner's own `best_by`, such as accuracy, when None. At
        equal values the lower validation loss decides.
    mode: whether 'min' or 'max' of it is better; follows from the figure's name when None.
    checkpoint_every: epochs between complete, resumable checkpoints; 0 for the last epoch alone.
    keep_last, keep_every: how many of the newest checkpoints stay, and those of which epochs, besides the best one.
    keep_checkpoints: False removes them all once the run is done; the weights stay.
    resume: go on with the run `name` from its newest checkpoint.
    allow: what may differ at a resume ('epochs', 'versions', 'threads', 'recipe', ...); recorded in the run.
    extra: what run.json holds besides.
    """

    order, name, decides = 55, "run_log", False  # not 'run', fastai's switch; and it decides about no weight

    @checked
    def __init__(
        self,
        root: PathLike = "runs",
        name: str | None = None,
        monitor: str | None = None,
        mode: Literal["min", "max"] | None = None,
        checkpoint_every: Count = 10,
        keep_last: Count = 2,
        keep_every: Count = 0,
        keep_checkpoints: Flag = True,
        resume: Flag = False,
        allow: tuple[str, ...] = (),
        extra: dict[str, Any] | None = None,
    ) -> None:
        if resume and name is None:
            raise RunError("Run(resume=True): say which run with name=")
        self.root, self.run_name, self.monitor, self.mode = Path(root), name, monitor, mode
        if monitor is not None:
            mode_of(monitor, mode)
        self.retention = Retention(checkpoint_every, keep_last, keep_every)
        self.keep_checkpoints, self.resume, self.extra = keep_checkpoints, resume, extra or {}
        self.allow = (allow,) if isinstance(allow, str) else tuple(allow)
        self.folder: RunFolder | None = None
        self.best: float | None = None
        self.best_loss: float | None = None
        self.due = self.better = False  # of the epoch that has just ended, and has no checkpoint yet
        self.epochs_before = self.steps_before = 0  # of earlier fits into the same folder
        self.logged = 0  # batches of this fit that are written
        self.active, self.several, self.stop = False, False, PoliteStop()  # of several ranks the first alone is active
        self.trains = True  # False where a resume finds nothing left to train

    # fit

    def before_fit(self) -> None:
        learn = self.learn
        self.active = False
        if not learn.is_training_run:
            return
        self.monitor = self._chosen_by() if self.monitor is None else self.monitor
        self.mode = watch(learn, self.monitor, self.mode)
        for _, check in able(learn.cbs, "check_watched"):
            check()  # before there is a folder
        self.logged, self.due, self.trains = 0, False, True
        self.several = ranks.world() > 1
        self.stop.catch(again_s=AGAIN_S if self.several else 0)  # before the run says that it is running
        if ranks.is_first():
            self._open()
        if self.several:
            tell_others(self)

    def _open(self) -> None:
        learn = self.learn
        if self.folder is not None:
            self.epochs_before, self.steps_before = go_on_after_a_fit(learn, self.folder)
        elif self.resume:
            self._resume()
        else:
            self._begin()
        learn.run_folder = self.folder
        self.folder.set_status("running", epochs=learn.n_epoch)
        self.folder.log(f"fit of {learn.n_epoch} epochs begins")
        self.active = True

    def _chosen_by(self) -> str:
        names, best_by = self.learn.figure_names, self.learn.best_by
        return next((name for name in (best_by, f"valid_{best_by}") if name in names), "valid_loss")

    def _begin(self) -> None:
        peak = self.retention.forecast(self.learn)
        check_space(self.root, peak, "this run")
        self.folder = RunFolder.create(self.root, self.run_name)
        chosen_by = {"monitor": self.monitor, "mode": self.mode}
        more = {**chosen_by, **self.extra, "disk_forecast_bytes": peak, **described_ranks(self.learn)}
        write_identity(self.learn, self.folder, **more)

    def _resume(self) -> None:
        folder = RunFolder.open(self.root / self.run_name)
        folder.lock()
        try:
            self._restore(folder)
        except BaseException:
            folder.unlock()
            raise
        self.folder = folder

    def _restore(self, folder: RunFolder) -> None:
        differs = other_number(folder)
        check_same(self.learn, folder, (*self.allow, *(FREE if differs else ())))
        done = folder.is_done
        found = newest_state(folder, done)
        if found is None:
            folder.cut_history(0)
            cut_csv(folder.file("batch_metrics.csv"), 0)
            return
        state, checkpoint = found
        own, position = state.pop("run"), state["position"]
        self.best, self.best_loss = own["best"], own.get("best_loss")
        self.epochs_before, self.steps_before = own["epochs_before"], own["steps_before"]
        before, now = state["n_epoch"], self.learn.n_epoch
        if done and now == before:  # nothing is left to train, also where it was stopped early
            self.trains = False
            log.warning("%s", nothing_to_train(folder))
            position |= {"epoch": now, "batch": 0}
        self.learn.restore_state(state, self.allow)  # refuses before anything of the run is touched
        set_aside(folder.checkpoints, checkpoint)
        folder.cut_history(self.epochs_before + position["epoch"])
        kept = cut_csv(folder.file("batch_metrics.csv"), self.steps_before + position["step"])
        self.logged = max(0, kept - self.steps_before)
        if self.allow:
            write_json(folder.file("run.json"), {**read_json(folder.file("run.json")), "allowed": self.allow})
        if now != before:
            longer(self.learn, folder, before, self.extra)
        write_resume(folder, checkpoint.path.name, differs)

    # epochs and batches

    def after_epoch(self) -> None:
        learn = self.learn
        if not self.active or not learn.monitored:  # without figures: an epoch that was skipped or cancelled
            return
        value, loss = learn.monitored.get(self.monitor), learn.monitored.get("valid_loss")
        better = is_better(value, self.best, self.mode, losses=(loss, self.best_loss))
        epoch, step = self.epochs_before + learn.epoch + 1, self.steps_before + learn.train_iter
        self.due, self.better = learn.epoch + 1 == learn.n_epoch or self.retention.is_due(epoch), better
        row = epoch_row(learn, epoch, step, better, folder_name(epoch, step) if self.due else None)
        if better:
            self.best, self.best_loss = float(value), loss
            chosen_by = {"monitor": self.monitor, "mode": self.mode}
            save_weights(learn, self.folder, "best_model", **chosen_by, epoch=epoch, value=self.best)
        self.logged = append_batches(learn, self.folder, self.logged, self.steps_before, epoch)
        append_row(learn, self.folder, row)

    def at_boundary(self, whole_epoch: bool) -> None:
        """After an epoch or a batch, once every callback has acted: commit what is due, stop where that was asked."""
        if not self.learn.is_training_run or not (self.active or self.several):
            return
        asked = ranks.asked(self.stop.asked)  # whichever rank it was told to
        wanted = asked is not None or (whole_epoch and self.due)
        if wanted and (whole_epoch or not holds_gradients(self.learn.cbs)):
            if self.active:
                self._commit(whole_epoch)
            if asked is not None:
                self.stop.asked = asked
                raise KeyboardInterrupt(asked, str(self.folder.path) if self.active else "RUN")

    def after_cancel_fit(self) -> None:
        rows = self.folder.history() if self.active else []
        if rows and rows[-1]["epoch"] == self.epochs_before + self.learn.epoch + 1:  # stopped after a whole epoch
            self._commit(whole_epoch=True)

    def _commit(self, whole_epoch: bool) -> None:
        own = {"best": self.best, "best_loss": self.best_loss}
        own |= {"epochs_before": self.epochs_before, "steps_before": self.steps_before}
        path = save_state(self.learn, self.folder, self.retention, own, whole_epoch)
        if whole_epoch and self.due and self.better:
            epoch = self.epochs_before + self.learn.epoch + 1
            point(self.folder.checkpoints, "best", path, epoch=epoch, value=self.best)
        self.due = False

    # end

    def after_fit(self) -> None:
        if not self.active:
            return
        save_weights(self.learn, self.folder, "final_model")
        rows = self.folder.history()
        if rows and self.best is None:
            raise TrainingError(never_a_number(self.folder, rows, self.learn.monitored, self.monitor))
        self.active = False
        if not self.trains:  # what was measured of it stands
            self.folder.set_status("done", epochs=len(rows))
            return
        self.folder.write_results(training_figures(self.learn, rows, self.monitor, self.best), anew=True)
        self.folder.log("fit ends")
        self.folder.set_status("done", epochs=len(rows))
        if not self.keep_checkpoints and self.folder.checkpoints.exists():
            fsops.remove_tree(self.folder.checkpoints)

    def restore(self) -> None:
        """After the fit: signal handlers back, and the state of a run that did not end by itself marked."""
        self.stop.release()
        error = self.learn.fit_error
        if self.folder is not None and self.active and error is not None:
            self.active = False
            with contextlib.suppress(LearnerkitError, OSError):  # a full disk must not hide what happened
                if isinstance(error, KeyboardInterrupt):
                    self.folder.set_status("interrupted", signal=self.stop.asked)
                else:
                    self.folder.set_status("failed", error=f"{type(error).__name__}: {error}")
                write_diagnosis(self.learn, self.folder)
                self.folder.log("".join(traceback.format_exception(error)))
        if self.folder is not None and self.learn.current is not None:
            self.folder.unlock()
