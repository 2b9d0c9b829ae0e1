"""The live progress bar: fastai's, looking at the loss only when it is about to be shown."""

import sys
import time
from typing import Any

from fastai.callback.progress import ProgressCallback

from learnerkit.core import ranks

SHOW_EVERY_S = 0.25
TELL_EVERY_S = 60.0  # where no bar is shown: a line


class NoBars:
    """What stands for the bars where none are shown: fastai's ShowGraphCallback asks for them at each epoch."""

    def update_graph(self, *args: Any, **kwargs: Any) -> None:
        """Draw nothing."""

    def on_iter_end(self) -> None:
        """Nothing ends."""


class Progress(ProgressCallback):
    """Epochs and batches done, with the time left, in a terminal or notebook; elsewhere a plain line a minute.

    Those lines are rows of epochs, the first and the last always; within an epoch that takes longer they say how far it
    is.
    """

    decides = False  # about no weight
    name = "progress"
    live = False

    def before_fit(self) -> None:
        self.live = ranks.is_first() and (sys.stdout.isatty() or "ipykernel" in sys.modules)
        self.shown, self.begun = 0.0, False
        if self.live:
            super().before_fit()
            return
        self.mbar = NoBars()
        self.told, self.unsaid = time.monotonic(), None
        self.says = self.learn.logger is print
        if self.says:
            self.old_logger, self.learn.logger = self.learn.logger, self._say_row
            self.headed = False

    def _say_row(self, row: list) -> None:
        if not self.headed:
            self.headed = True
            self._write(self.recorder.metric_names)
        elif time.monotonic() - self.told < TELL_EVERY_S and self.epoch + 1 < self.n_epoch:
            self.unsaid = row
            return
        self.told, self.unsaid = time.monotonic(), None
        self._write(row)

    def _write(self, row: list) -> None:
        if not ranks.is_first():
            return
        cells = (f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row)
        self.old_logger("  ".join(f"{cell:>10}" for cell in cells), flush=True)

    def _launch_pbar(self) -> None:
        if self.live:
            super()._launch_pbar()

    def before_epoch(self) -> None:
        if not self.live:
            return
        if not self.begun and getattr(self, "mbar", False):
            self.mbar.update(0)  # fastprogress has to see a beginning, also where a resumed fit has none
        self.begun = True
        super().before_epoch()

    def after_train(self) -> None:
        if self.live:
            super().after_train()

    def after_validate(self) -> None:
        if self.live and hasattr(self, "pbar"):
            super().after_validate()

    def after_batch(self) -> None:
        now = time.monotonic()
        if not self.live and self.training and getattr(self, "says", False) and now - self.told >= TELL_EVERY_S:
            self.told = now
            self._say_batch()
        if not self.live or not hasattr(self, "pbar") or (now - self.shown < SHOW_EVERY_S and self.iter):
            return
        self.shown = now
        self.pbar.update(self.iter + 1)
        if self.training:
            self.pbar.comment = f"{self.smooth_loss.item():.4f}"

    def _say_batch(self) -> None:
        """How far the epoch is."""
        learn = self.learn
        loss = learn.smooth_loss.item()
        self.old_logger(
            f"  epoch {learn.epoch} of {learn.n_epoch}: batch {learn.iter + 1:,} of {learn.n_iter:,}, "
            f"training loss {loss:.4f}",
            flush=True,
        )

    def restore(self) -> None:
        """Give the learner's logger back, also when training ended by an exception."""
        if getattr(self, "unsaid", None) is not None:  # of a fit that ended before its last epoch
            self._write(self.unsaid)
            self.unsaid = None
        super().after_fit()
        self.live = False
