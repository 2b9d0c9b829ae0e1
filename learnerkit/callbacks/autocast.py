"""Mixed precision on any device, by one argument."""

from typing import Literal

import torch
from fastai.callback.fp16 import MixedPrecision
from torch.amp import GradScaler, autocast

from learnerkit.core.errors import TrainingError
from learnerkit.core.ranges import checked


class Autocast(MixedPrecision):
    """Train in bf16 (CPU or GPU) or fp16 (GPU, with loss scaling).

    kind: 'bf16' or 'fp16'.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=Autocast("bf16"))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> next(learn.model.parameters()).dtype  # the weights stay as they are
        torch.float32
    """

    name = "mixed_precision"

    @checked
    def __init__(self, kind: Literal["bf16", "fp16"] = "bf16") -> None:
        super().__init__(kind)
        self.kind = kind

    def before_fit(self) -> None:
        device = next(self.learn.model.parameters()).device.type
        if self.kind == "fp16" and device == "cpu" and self.learn.is_training_run:
            raise TrainingError("precision 'fp16' is far slower than fp32 on a CPU; use 'fp32' or 'bf16'")
        if self.kind == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported():
            raise TrainingError("precision 'bf16': this GPU has no bf16; use 'fp16' or 'fp32'")
        dtype = torch.bfloat16 if self.kind == "bf16" else torch.float16
        possible = not (self.kind == "fp16" and device == "cpu")  # such a run can still be evaluated on a CPU
        self.autocast = autocast(device, dtype=dtype if possible else torch.bfloat16, enabled=possible)
        self.learn.scaler = GradScaler(device, enabled=self.kind == "fp16" and possible)
        self.scales, self.entered = [], False

    def before_batch(self) -> None:
        self.autocast.__enter__()
        self.entered = True

    def after_loss(self) -> None:
        self._leave()

    def after_cancel_batch(self) -> None:
        self._leave()

    def _leave(self) -> None:
        if self.entered:
            self.autocast.__exit__(None, None, None)
            self.entered = False

    def after_fit(self) -> None:
        self.restore()

    def restore(self) -> None:
        """Leave the autocast context, also when a batch was cancelled inside it."""
        if getattr(self, "autocast", None) is not None:
            self._leave()

    def state_dict(self) -> dict:
        """The loss scaler's state."""
        return {"scaler": self.learn.scaler.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state_dict`."""
        if state["scaler"]:
            self.learn.scaler.load_state_dict(state["scaler"])
