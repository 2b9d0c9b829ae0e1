"""Callbacks that decide by a monitored figure: stop early, keep the best weights. The direction is always stated."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastai.callback.core import Callback, CancelFitException

from learnerkit.callbacks.schedule import read_monitor
from learnerkit.core.errors import RecipeError
from learnerkit.core.files import atomic_write, made_folder, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import weights_bytes


def is_better(value: float | None, best: float | None, mode: str, min_delta: float = 0.0) -> bool:
    """Whether `value` beats `best` by more than `min_delta`; what is not a finite number never does.

    mode: 'min' or 'max'.
    """
    if value is None or not math.isfinite(value):
        return False
    if best is None:
        return True
    return value < best - min_delta if mode == "min" else value > best + min_delta


def check_mode(mode: str) -> str:
    """`mode` when it is 'min' or 'max'."""
    if mode not in ("min", "max"):
        raise RecipeError(
            f"mode '{mode}': say 'min' (a loss) or 'max' (an accuracy); it is never guessed from the name"
        )
    return mode


def never_a_number(folder: RunFolder, rows: list[dict], figures: Iterable[str], monitor: str) -> str:
    """Words for a run whose monitored figure was no finite number in any epoch, so that no weights could be chosen.

    rows: of its ledger; figures: the names of what is recorded.
    """
    numbers = [name for name in figures if any(is_better(row.get(name), None, "max") for row in rows)]
    return (
        f"{folder.path}: monitor '{monitor}' was no number in any of the {len(rows)} epochs, so that no epoch can be "
        f"the best. Figures that were: {', '.join(numbers) or 'none'}; name one of them with monitor= (--monitor). "
        "The weights of the last epoch are in final_model.safetensors."
    )


class EarlyStop(Callback):
    """End the fit when a figure has not improved for some epochs.

    monitor: name of a recorded figure, such as 'valid_loss'; mode: 'min' or 'max'.
    patience: epochs without improvement that are tolerated.
    min_delta: what counts as an improvement.
    warmup_epochs: epochs at the start that never count against it.
    """

    order = 85  # after Run, which has to see the epoch that ends the fit

    def __init__(
        self, monitor: str, mode: str, patience: int = 5, min_delta: float = 0.0, warmup_epochs: int = 0
    ) -> None:
        self.monitor, self.mode = monitor, check_mode(mode)
        self.patience, self.min_delta, self.warmup_epochs = patience, min_delta, warmup_epochs
        self.best, self.waited, self.stopped = None, 0, False

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run
        self.best, self.waited, self.stopped = None, 0, False

    def after_epoch(self) -> None:
        value = read_monitor(self.learn.monitored, self.monitor)
        if is_better(value, self.best, self.mode, self.min_delta):
            self.best, self.waited = value, 0
        elif self.learn.epoch >= self.warmup_epochs:
            self.waited += 1
        if self.waited > self.patience:
            self.stopped = True
            raise CancelFitException

    def state_dict(self) -> dict[str, Any]:
        """Best value and epochs waited."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.best, self.waited = state["best"], state["waited"]


class SaveTopK(Callback):
    """Keep the weights of the k best epochs, as safetensors with a list of them.

    monitor: name of a recorded figure; mode: 'min' or 'max'.
    k: how many are kept.
    every: look every so many epochs.
    folder: where to; the run folder's topk/, or `learn.path/learn.model_dir`/topk without a Run.
    """

    order = 61

    def __init__(self, monitor: str, mode: str, k: int = 3, every: int = 1, folder: str | Path | None = None) -> None:
        self.monitor, self.mode, self.k, self.every, self.folder = monitor, check_mode(mode), k, every, folder
        self.kept: list[dict[str, Any]] = []

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run

    def target(self) -> Path:
        """The folder of the kept weights, made when missing."""
        run = getattr(self.learn, "run_folder", None)
        base = run.path if run is not None else Path(self.learn.path) / self.learn.model_dir
        return made_folder(Path(self.folder) if self.folder else base / "topk")

    def after_epoch(self) -> None:
        learn = self.learn
        value = read_monitor(learn.monitored, self.monitor)
        if (learn.epoch + 1) % self.every or not is_better(value, None, self.mode):
            return
        if len(self.kept) == self.k and not is_better(value, self.kept[-1]["value"], self.mode):
            return
        folder, epoch = self.target(), learn.start.epochs_before + learn.epoch + 1
        file = f"epoch_{epoch:03d}.safetensors"
        atomic_write(folder / file, weights_bytes(learn.eval_weights()))
        self.kept.append({"epoch": epoch, "value": value, "file": file})
        self.kept.sort(key=lambda entry: entry["value"], reverse=self.mode == "max")
        dropped, self.kept = self.kept[self.k :], self.kept[: self.k]
        write_json(folder / "topk.json", {"monitor": self.monitor, "mode": self.mode, "kept": self.kept})
        for entry in dropped:
            (folder / entry["file"]).unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        """The list of kept epochs."""
        return {"kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.kept = [dict(entry) for entry in state["kept"]]
