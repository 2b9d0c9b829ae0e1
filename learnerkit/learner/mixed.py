"""Mixed precision and memory layout by fastai's methods, with the autocast that works on every device."""

from typing import Any

from fastai.callback.channelslast import ChannelsLast

from learnerkit.callbacks.autocast import Autocast
from learnerkit.core.errors import TrainingError
from learnerkit.learner.grouped import GroupedLearner


class MixedLearner(GroupedLearner):
    """A GroupedLearner whose precision is set by fastai's methods; on a CPU fastai's own autocast does nothing."""

    def to_bf16(self) -> "MixedLearner":
        """bfloat16 in the forward pass, float32 weights: `Autocast('bf16')`."""
        return self.add_cb(Autocast("bf16"))

    def to_fp16(self, **kwargs: Any) -> "MixedLearner":
        """float16 in the forward pass, float32 weights and a scaled loss: `Autocast('fp16')`, for a GPU.

        kwargs: of torch's GradScaler; with them it is fastai's own callback.
        """
        return super().to_fp16(**kwargs) if kwargs else self.add_cb(Autocast("fp16"))

    def to_channelslast(self, use_amp: bool = True, amp_mode: Any = "fp16", **kwargs: Any) -> "MixedLearner":
        """Weights and inputs with their channels last, from the next fit on.

        use_amp: with mixed precision; amp_mode: 'fp16' or 'bf16'; kwargs: of torch's GradScaler.
        """
        if use_amp and not hasattr(self, "mixed_precision"):
            self.to_bf16() if str(getattr(amp_mode, "value", amp_mode)) == "bf16" else self.to_fp16(**kwargs)
        return self if hasattr(self, "channels_last") else self.add_cb(ChannelsLast())

    def to_non_native_fp16(self, **kwargs: Any) -> None:
        """Refused: fastai's own way of half weights and scaled losses, whose place torch's autocast has taken."""
        raise TrainingError(
            "learn.to_non_native_fp16: fastai's way before torch had one, which leaves half weights behind; "
            "precision='bf16' or 'fp16', Autocast('bf16') or learn.to_bf16() train with mixed precision"
        )
