"""The callback that lets a network take two maps."""

from typing import Any, Literal

from learnerkit._fastai import Callback
from learnerkit.core.errors import ModelError
from learnerkit.core.ranges import AtLeastOne, Number, checked
from learnerkit.fuse.model import PREFIX, Fused, fused_channels
from learnerkit.fuse.modes import EVERY_MODE, WEIGHTS


class Fusion(Callback):
    """Put the fusion of two maps before the model, as a part of it, so that it is trained, saved and exported.

    Give it when the learner is made: the optimizer must not exist yet.

    mode: 'concat', 'saliency_only', 'attention_only', 'add', 'multiply', 'max', 'weighted' or 'gated'.
    weights: of saliency and attention map, for 'weighted'; where 'gated' begins.
    channels: of each map, for a model that is given ready-made.

    Examples:
        >>> dls = digits_dls(limit=64)
        >>> pairs = make_saliency_pairs(image_learner(dls, "tiny_cnn"), dls, "pairs", layer="middle")
        >>> pair_dls = saliency_dls(pairs, bs=32, limit=64)
        >>> learn = Learner(pair_dls, create_model("tiny_cnn", n_in=3, n_out=10), cbs=Fusion("gated"))
        >>> learn.model.reported()["saliency"]
        [0.6..., 0.6..., 0.6...]
    """

    order = -30

    @checked
    def __init__(
        self,
        mode: Literal[EVERY_MODE] = "concat",
        weights: tuple[Number, Number] = WEIGHTS,
        channels: AtLeastOne = 3,
    ) -> None:
        fused_channels(mode, channels)
        self.mode, self.weights, self.channels = mode, tuple(weights), channels

    def adapt(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The description of the model that is to be built, with the fusion before it.

        spec: arguments of `create_model`; its `n_in` are the channels of one map.
        """
        self.channels = spec["n_in"]
        name = spec["name"] if spec["name"].startswith(PREFIX) else f"{PREFIX}{spec['name']}"
        return {**spec, "name": name, "fusion": self.mode, "fusion_weights": list(self.weights)}

    def after_create(self) -> None:
        learn = self.learn
        if isinstance(learn.model, Fused):
            if learn.model.fusion != self.mode:
                raise ModelError(f"Fusion('{self.mode}'): the model fuses by '{learn.model.fusion}' already")
            return
        spec = getattr(learn.model, "spec", None)
        n_in, needed = (spec or {}).get("n_in"), fused_channels(self.mode, self.channels)
        if n_in is not None and n_in != needed:
            raise ModelError(
                f"Fusion('{self.mode}'): the fused maps have {needed} channels and the model takes {n_in}; build it "
                f"with n_in={needed}, or let fusion_learner do so"
            )
        device = next(learn.model.parameters()).device
        learn.model = Fused(learn.model, self.mode, self.channels, self.weights).to(device)
        if spec is not None:
            learn.model.spec = self.adapt({**spec, "n_in": self.channels})

    def before_fit(self) -> None:
        if not isinstance(self.learn.model, Fused):
            raise ModelError("Fusion: was added too late; give it in cbs= when the learner is made")
