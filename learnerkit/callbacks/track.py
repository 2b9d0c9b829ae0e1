"""Callbacks that decide by a monitored figure: stop early, keep the best weights, with their optimizer where asked."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from fastai.callback.core import CancelFitException

from learnerkit.callbacks.kit import Watcher
from learnerkit.core import ranks
from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike, atomic_write, made_folder, write_json
from learnerkit.core.monitor import is_better, mode_of
from learnerkit.core.ranges import AtLeastOne, Count, Flag, NotNegative, checked
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import load_state, load_weights, state_bytes, weights_bytes


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


class EarlyStop(Watcher):
    """End the fit when a figure has not improved for some epochs.

    monitor: name of a recorded figure, such as 'accuracy'.
    mode: 'min' or 'max'; follows from the figure's name when None.
    patience: epochs without improvement that are tolerated.
    min_delta: what counts as an improvement.
    warmup_epochs: epochs at the start that never count against it.

    Examples:
        >>> stop = EarlyStop("accuracy", patience=1, min_delta=1.0)  # no epoch is that much better
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=stop)
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(9, 0.05)
        >>> learn.epoch + 1
        3
    """

    order = 85

    @checked
    def __init__(
        self,
        monitor: str = "valid_loss",
        mode: Literal["min", "max"] | None = None,
        patience: Count = 5,
        min_delta: NotNegative = 0.0,
        warmup_epochs: Count = 0,
    ) -> None:
        self.monitor, self.mode = monitor, mode_of(monitor, mode)
        self.patience, self.min_delta, self.warmup_epochs = patience, min_delta, warmup_epochs
        self.best, self.waited, self.stopped = None, 0, False

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run
        self.best, self.waited, self.stopped = None, 0, False
        if self.run:
            self.check_watched()

    def after_epoch(self) -> None:
        value = self.learn.monitored.get(self.monitor)
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


class SaveTopK(Watcher):
    """Keep the weights of the k best epochs, as safetensors with a list of them; `load` goes back to one.

    monitor: name of a recorded figure; at equal values the lower validation loss decides.
    mode: 'min' or 'max'; follows from the figure's name when None.
    k: how many are kept.
    every: look every so many epochs.
    folder: where to; the run folder's topk/, or `learn.path/learn.model_dir`/topk without a Run; below it, by their
        figures, where there are several.
    optimizer: keep the state of the optimizer beside the weights, so that training can go on from them.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", path=".", cbs=SaveTopK("accuracy", k=2))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(3, 0.05)
        >>> len(learn.save_top_k.kept)
        2
        >>> learn.save_top_k.load(0) in (1, 2, 3)  # the epoch whose weights it has again
        True
    """

    order = 61

    @checked
    def __init__(
        self,
        monitor: str = "valid_loss",
        mode: Literal["min", "max"] | None = None,
        k: AtLeastOne = 3,
        every: AtLeastOne = 1,
        folder: PathLike | None = None,
        optimizer: Flag = False,
    ) -> None:
        self.monitor, self.mode, self.k, self.every, self.folder = monitor, mode_of(monitor, mode), k, every, folder
        self.optimizer = optimizer
        self.kept: list[dict[str, Any]] = []

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run
        if self.run:
            self.check_watched()

    def target(self) -> Path:
        """The folder of the kept weights, made when missing."""
        run = getattr(self.learn, "run_folder", None)
        base = run.path if run is not None else Path(self.learn.path) / self.learn.model_dir
        others = sum(isinstance(cb, SaveTopK) for cb in self.learn.cbs) > 1
        return made_folder(Path(self.folder) if self.folder else base / "topk" / (self.monitor if others else ""))

    def after_epoch(self) -> None:
        learn = self.learn
        value, loss = learn.monitored.get(self.monitor), learn.monitored.get("valid_loss")
        if (learn.epoch + 1) % self.every or not is_better(value, None, self.mode):
            return
        place = sum(
            not is_better(value, entry["value"], self.mode, losses=(loss, entry["valid_loss"])) for entry in self.kept
        )
        if place == self.k:
            return
        epoch = learn.start.epochs_before + learn.epoch + 1
        file = f"epoch_{epoch:03d}.safetensors"
        self.kept.insert(place, {"epoch": epoch, "value": value, "valid_loss": loss, "file": file})
        dropped, self.kept = self.kept[self.k :], self.kept[: self.k]
        if ranks.is_first():
            self._write(file, dropped)

    def _write(self, file: str, dropped: list[dict[str, Any]]) -> None:
        folder, learn = self.target(), self.learn
        atomic_write(folder / file, weights_bytes(learn.eval_model().state_dict()))
        if self.optimizer:
            atomic_write(_beside(folder / file), state_bytes(learn.kit_state(whole_epoch=True)["opt"]))
        write_json(folder / "topk.json", {"monitor": self.monitor, "mode": self.mode, "kept": self.kept})
        for entry in dropped:
            (folder / entry["file"]).unlink(missing_ok=True)
            _beside(folder / entry["file"]).unlink(missing_ok=True)

    def load(self, place: Count = 0) -> int:
        """Put the weights of one of the kept epochs, and its optimizer where that was kept, into the learner.

        place: 0 for the best, 1 for the second. Returns the epoch.
        """
        if place >= len(self.kept):
            raise RunError(f"{self.target()}: holds {len(self.kept)} epoch(s); place {place} is none of them")
        entry, learn = self.kept[place], self.learn
        file = self.target() / entry["file"]
        learn.model.load_state_dict(load_weights(file))
        if _beside(file).exists():
            if learn.opt is None:
                learn.create_opt()
            learn.load_opt(load_state(_beside(file)))
        return entry["epoch"]

    def state_dict(self) -> dict[str, Any]:
        """The list of kept epochs."""
        return {"kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`, without what epochs after it had dropped already: these are trained again."""
        kept = None
        if ranks.is_first():
            folder = self.target()
            kept = [dict(entry) for entry in state["kept"] if (folder / entry["file"]).exists()]
        self.kept = ranks.first(kept)


def _beside(weights: Path) -> Path:
    """The file of the optimizer's state that goes with a file of weights."""
    return weights.with_suffix(".optimizer.pt")
