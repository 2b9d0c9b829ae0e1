"""The callback that keeps a run: its folder, ledger, weights and checkpoints. It only calls `core`'s engine.

Longer than most modules: each event of a run's life is a few lines here, and they are read together.
"""

import contextlib
import time
import traceback
from pathlib import Path
from typing import Any

from fastai.callback.core import Callback

from learnerkit.callbacks.forecast import peak_bytes
from learnerkit.callbacks.identity import data_facts, identity
from learnerkit.callbacks.resume import check_same, newest_state
from learnerkit.callbacks.schedule import read_monitor
from learnerkit.callbacks.track import check_mode, is_better
from learnerkit.core import fsops
from learnerkit.core.checkpoint import commit, point, set_aside
from learnerkit.core.disk import check_space
from learnerkit.core.environment import environment
from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.files import atomic_write, read_json, to_json, write_json
from learnerkit.core.run_folder import RunFolder, csv_text, cut_csv
from learnerkit.core.signals import PoliteStop
from learnerkit.core.tensors import state_bytes, weights_bytes


class Run(Callback):
    """Write the run folder as training goes; nothing that is there is ever truncated.

    root: the experiment's folder.
    name: the run's name under it; the date and a number without one.
    monitor, mode: the figure that chooses the best weights, and whether 'min' or 'max' is better; the learner's own
        (accuracy, or mAP of a detector) when None.
    checkpoint_every: epochs between complete, resumable checkpoints; 0 for the last epoch alone.
    keep_last, keep_every: how many of the newest checkpoints stay, and those of which epochs, besides the best one.
    keep_checkpoints: False removes them all once the run is done; the weights stay.
    resume: go on with the run `name` from its newest checkpoint.
    allow: keys that may differ at a resume ('versions', 'threads', 'recipe', ...); recorded in the run.
    """

    order, name = 80, "run_log"  # not 'run', which is fastai's switch of every callback

    def __init__(
        self,
        root: str | Path = "runs",
        name: str | None = None,
        monitor: str | None = None,
        mode: str = "max",
        checkpoint_every: int = 10,
        keep_last: int = 2,
        keep_every: int = 0,
        keep_checkpoints: bool = True,
        resume: bool = False,
        allow: tuple[str, ...] = (),
    ) -> None:
        if resume and name is None:
            raise RunError("Run(resume=True): say which run with name=")
        self.root, self.run_name, self.monitor, self.mode = Path(root), name, monitor, check_mode(mode)
        self.checkpoint_every, self.keep_last, self.keep_every = checkpoint_every, keep_last, keep_every
        self.keep_checkpoints, self.resume, self.allow = keep_checkpoints, resume, allow
        self.folder: RunFolder | None = None
        self.best: float | None = None
        self.epochs_before = self.steps_before = 0  # of earlier fits into the same folder
        self.active, self.stop = False, PoliteStop()
        self.extra: dict[str, Any] = {}

    # fit

    def before_fit(self) -> None:
        learn = self.learn
        self.active = False
        if not learn.in_fit or hasattr(learn, "lr_finder"):
            return
        if self.monitor is None:
            self.monitor, self.mode = learn.best_by
        self.logged = 0
        if self.folder is None:
            self._open()
        else:
            self.folder.lock()
            rows = self.folder.history()
            self.folder.cut_history(len(rows))  # a torn last line would spoil the next
            self.epochs_before, self.steps_before = len(rows), rows[-1]["step"] if rows else 0
        learn.run_folder = self.folder
        self.folder.set_status("running", epochs=learn.n_epoch)
        self.folder.log(f"fit of {learn.n_epoch} epochs begins")
        self.active = True
        self.stop.catch()

    def _open(self) -> None:
        learn = self.learn
        if self.resume:
            folder = RunFolder.open(self.root / self.run_name)
            folder.lock()
            try:
                self._go_on(folder)
            except BaseException:
                folder.unlock()
                raise
            self.folder = folder
            return
        peak = self._forecast()
        check_space(self.root, peak, "this run")
        self.folder = RunFolder.create(self.root, self.run_name)
        described = {
            **identity(self.learn),
            **data_facts(self.learn),
            **environment(learn.dls.device),
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        described |= {"monitor": self.monitor, "mode": self.mode, "n_epoch": learn.n_epoch, "fit": learn.fit_call}
        described |= self.extra
        described["disk_forecast_bytes"] = peak
        write_json(self.folder.file("run.json"), described)
        if quarantine := getattr(getattr(learn.dls, "source", None), "quarantine", None):
            rows = [{"file": fault.file, "place": fault.place, "reason": fault.reason} for fault in quarantine]
            atomic_write(self.folder.file("quarantine.csv"), csv_text(rows))
            self.folder.log(f"{len(rows)} bad samples or files set aside: quarantine.csv")
        if described["classes"]:
            write_json(self.folder.file("class_names.json"), described["classes"])
        if spec := getattr(learn.model, "spec", None):
            write_json(self.folder.file("model.json"), spec)

    def _forecast(self) -> int:
        """Peak bytes of the states that this run keeps."""
        learn = self.learn
        due = [epoch for epoch in range(1, learn.n_epoch + 1) if self._due(epoch) or epoch == learn.n_epoch]
        stay = sum(self._permanent(epoch) for epoch in due)
        return peak_bytes(learn, min(self.keep_last + 1 + stay, len(due)))

    def _due(self, epoch: int) -> bool:
        return bool(self.checkpoint_every) and epoch % self.checkpoint_every == 0

    def _permanent(self, epoch: int) -> bool:
        return bool(self.keep_every) and epoch % self.keep_every == 0

    def _go_on(self, folder: RunFolder) -> None:
        check_same(self.learn, folder, self.allow)
        done = folder.status().get("state") == "done"
        found = newest_state(folder, done)
        if found is None:
            folder.cut_history(0)
            cut_csv(folder.file("batch_metrics.csv"), 0)
            return
        state, checkpoint = found
        own = state.pop("run")
        self.best, self.epochs_before, self.steps_before = own["best"], own["epochs_before"], own["steps_before"]
        if done:  # nothing is left to train, also where it was stopped early
            state |= {"epoch": self.learn.n_epoch, "batch": 0}
        self.learn.restore_state(state, self.allow)  # refuses before anything of the run is touched
        set_aside(folder.checkpoints, checkpoint)
        folder.cut_history(self.epochs_before + state["epoch"])
        kept = cut_csv(folder.file("batch_metrics.csv"), self.steps_before + state["train_iter"])
        self.logged = max(0, kept - self.steps_before)
        if self.allow:
            write_json(folder.file("run.json"), {**read_json(folder.file("run.json")), "allowed": self.allow})
        folder.log(f"resumed from {checkpoint.path.name}")

    # epochs and batches

    def after_batch(self) -> None:
        if self.active and self.stop.asked is not None and self.learn.training:
            learn = self.learn
            accumulating = any(getattr(cb, "count", 0) for cb in learn.cbs if cb.name == "accumulate")
            if not accumulating:
                self._commit(whole_epoch=False)
                raise KeyboardInterrupt(self.stop.asked)

    def after_epoch(self) -> None:
        if not self.active:
            return
        learn = self.learn
        figures = learn.monitored
        if not figures:  # an epoch that was skipped or cancelled
            return
        value = read_monitor(figures, self.monitor)
        better = is_better(value, self.best, self.mode)
        epoch = self.epochs_before + learn.epoch + 1
        row = {
            "epoch": epoch,
            **figures,
            **self._asked("epoch_columns"),
            "lr": float(learn.recorder.lrs[-1]) if learn.recorder.lrs else None,
        }
        row |= {"step": self.steps_before + learn.train_iter, "seconds": round(time.time() - learn.recorder.started, 3)}
        last, guard = learn.epoch + 1 == learn.n_epoch, getattr(learn, "guard", None)
        due = last or self._due(epoch)
        if guard is not None and guard.policy != "stop":
            row["skipped"] = guard.skipped
        row |= {"is_best": better, "checkpoint": bool(due), "timestamp": time.strftime("%Y-%m-%d %H:%M:%S")}
        if better:
            self.best = float(value)
            self._save_weights("best_model", epoch=epoch, value=self.best)
        self._write_batches()
        self.folder.append_epoch(row)
        self.folder.log(" ".join(f"{key}={_short(item)}" for key, item in row.items() if key != "timestamp"))
        if due:
            path = self._commit(whole_epoch=True)
            if better:
                point(self.folder.checkpoints, "best", path, epoch=epoch, value=self.best)
        if self.stop.asked is not None:
            if not due:
                self._commit(whole_epoch=True)
            raise KeyboardInterrupt(self.stop.asked)

    def after_cancel_fit(self) -> None:
        rows = self.folder.history() if self.active else []
        epoch = self.epochs_before + self.learn.epoch + 1
        if rows and rows[-1]["epoch"] == epoch and not rows[-1]["checkpoint"]:  # stopped after a whole epoch
            self._commit(whole_epoch=True)

    def _write_batches(self) -> None:
        losses, rates = self.learn.recorder.batch_losses, self.learn.recorder.lrs
        further = self._asked("batch_columns")
        path = self.folder.file("batch_metrics.csv")
        lines = [] if path.exists() and path.stat().st_size else [",".join(["step,epoch,loss,lr", *further]) + "\n"]
        epoch = self.epochs_before + self.learn.epoch + 1
        for step in range(self.logged, len(losses)):
            values = [losses[step], float(rates[step]), *(column[step] for column in further.values())]
            lines.append(
                f"{self.steps_before + step + 1},{epoch}," + ",".join(f"{value:.6g}" for value in values) + "\n"
            )
        self.logged = len(losses)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def _asked(self, what: str) -> dict[str, Any]:
        """Columns that other callbacks have for the run: 'batch_columns' or 'epoch_columns'."""
        found: dict[str, Any] = {}
        for cb in self.learn.cbs:
            if callable(columns := getattr(type(cb), what, None)):
                found |= columns(cb)
        return found

    def _save_weights(self, name: str, **detail: Any) -> None:
        atomic_write(self.folder.file(f"{name}.safetensors"), weights_bytes(self.learn.eval_weights()))
        if detail:
            write_json(self.folder.file(f"{name}.json"), {"monitor": self.monitor, "mode": self.mode, **detail})

    def _commit(self, whole_epoch: bool) -> Path:
        state = self.learn.kit_state(whole_epoch)
        weights = state.pop("model")
        state["run"] = {"best": self.best, "epochs_before": self.epochs_before, "steps_before": self.steps_before}
        position = {"epoch": self.epochs_before + state["epoch"], "step": self.steps_before + state["train_iter"]}
        files = {
            "model.safetensors": weights_bytes(weights),
            "state.pt": state_bytes(state),
            "state.json": to_json({**position, "batch": state["batch"], "n_epoch": state["n_epoch"]}).encode(),
        }
        permanent = whole_epoch and self._permanent(position["epoch"])
        place = self.folder.checkpoints, position["epoch"], position["step"]
        return commit(*place, files, self.keep_last, permanent).path

    # end

    def after_fit(self) -> None:
        if not self.active:
            return
        self.active = False
        self._save_weights("final_model")
        rows = self.folder.history()
        names = {key: key if key.startswith(("train_", "valid_")) else f"valid_{key}" for key in self.learn.monitored}
        kept = {shown: rows[-1].get(key) for key, shown in names.items()} if rows else {}
        seconds = round(sum(row["seconds"] for row in rows), 1)
        parameters = sum(p.numel() for p in self.learn.model.parameters())
        best = {f"best_valid_{self.monitor.removeprefix('valid_')}": self.best}
        write_json(
            self.folder.file("results.json"),
            {**kept, **best, "epochs": len(rows), "parameters": parameters, "seconds": seconds},
        )
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
                self.folder.log("".join(traceback.format_exception(error)))
        if self.folder is not None and self.learn.in_fit:
            self.folder.unlock()


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
