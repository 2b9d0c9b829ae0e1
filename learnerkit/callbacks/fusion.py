"""The callback that lets a network take two maps."""

from fastai.callback.core import Callback

from learnerkit.core.errors import ModelError
from learnerkit.ops.fuse import WEIGHTS, Fused, fused_channels


class Fusion(Callback):
    """Put the fusion of two maps before the model, as a part of it, so that it is trained, saved and exported.

    Give it when the learner is made: the optimizer must not exist yet.

    mode: 'concat', 'saliency_only', 'attention_only', 'add', 'multiply', 'max', 'weighted' or 'gated'.
    weights: of saliency and attention map, for 'weighted'; where 'gated' begins.
    channels: of each map.
    """

    order = -30

    def __init__(self, mode: str = "concat", weights: tuple[float, float] = WEIGHTS, channels: int = 3) -> None:
        fused_channels(mode, channels)
        self.mode, self.weights, self.channels = mode, tuple(weights), channels

    def after_create(self) -> None:
        learn = self.learn
        if isinstance(learn.model, Fused):
            if learn.model.mode != self.mode:
                raise ModelError(f"Fusion('{self.mode}'): the model fuses by '{learn.model.mode}' already")
            return
        n_in, needed = getattr(learn.model, "spec", {}).get("n_in"), fused_channels(self.mode, self.channels)
        if n_in is not None and n_in != needed:
            raise ModelError(
                f"Fusion('{self.mode}'): the fused maps have {needed} channels and the model takes {n_in}; build it "
                f"with n_in={needed}, or let fusion_learner do so"
            )
        spec = getattr(learn.model, "spec", None)
        device = next(learn.model.parameters()).device
        learn.model = Fused(learn.model, self.mode, self.channels, self.weights).to(device)
        if spec is not None:
            fused = {"fusion": self.mode, "fusion_weights": list(learn.model.weights)}
            learn.model.spec = {**spec, "n_in": self.channels, **fused}

    def before_fit(self) -> None:
        if not isinstance(self.learn.model, Fused):
            raise ModelError("Fusion: was added too late; give it in cbs= when the learner is made")
