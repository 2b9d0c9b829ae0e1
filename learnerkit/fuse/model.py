"""Ways to fuse two maps of one shape into the input of a network. Tensors are [B,C,H,W]."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from learnerkit.core.errors import ModelError, nearest
from learnerkit.fuse.modes import EVERY_MODE, WEIGHTS
from learnerkit.models.create import create_model
from learnerkit.models.groups import head_names, parameter_groups
from learnerkit.models.registry import register_pattern

PREFIX = "fuse:"


def fused_channels(mode: str, channels: int) -> int:
    """Channels of two fused maps of `channels` each."""
    if mode not in EVERY_MODE:
        raise ModelError(f"fusion '{mode}': {nearest(mode, EVERY_MODE)}")
    return 2 * channels if mode == "concat" else channels


def fuse(saliency: Tensor, attention: Tensor, mode: str, weights: tuple[float, float] | Tensor = WEIGHTS) -> Tensor:
    """The two maps as one tensor: [B,C,H,W] twice -> [B,2C,H,W] for 'concat', else [B,C,H,W].

    mode: one of `fuse.modes.MODES`, or 'gated', which is 'weighted' with learned weights.
    weights: of the two maps, for 'weighted' and 'gated'; numbers or tensors [C,1,1].
    """
    if mode == "concat":
        return torch.cat([saliency, attention], dim=1)
    if mode == "saliency_only":
        return saliency
    if mode == "attention_only":
        return attention
    if mode == "add":
        return saliency + attention
    if mode == "multiply":
        return saliency * attention
    if mode == "max":
        return torch.maximum(saliency, attention)
    if mode in ("weighted", "gated"):
        return weights[0] * saliency + weights[1] * attention
    raise ModelError(f"fusion '{mode}': {nearest(mode, EVERY_MODE)}")


class Fused(nn.Module):
    """A network that takes two maps: they are fused, and `body` sees the result.

    body: a module whose input channels are `fused_channels(mode, channels)`.
    mode: one of `EVERY_MODE`; 'gated' learns, for each channel, how much of either map is taken.
    channels: of each map.
    weights: of saliency and attention map, for 'weighted'; where 'gated' begins, scaled to sum to 1.
    """

    n_inputs, input_names = 2, ("saliency", "attention")
    inner = "body"  # where a network's own weights belong

    def __init__(
        self, body: nn.Module, mode: str = "concat", channels: int = 3, weights: tuple[float, float] = WEIGHTS
    ) -> None:
        super().__init__()
        fused_channels(mode, channels)
        if len(weights) != 2 or min(weights) < 0 or sum(weights) == 0:
            raise ModelError(f"fusion weights {tuple(weights)}: two numbers, 0 or more and not both 0, such as .6,.4")
        self.body, self.fusion, self.channels, self.weights = body, mode, channels, tuple(map(float, weights))
        if mode == "gated":
            share = torch.full((channels, 1, 1), self.weights[0] / sum(self.weights)).clamp(0.01, 0.99)
            self.gate = nn.Parameter(share.logit())

    def forward(self, saliency: Tensor, attention: Tensor) -> Tensor:
        weights = self.weights
        if self.fusion == "gated":
            share = self.gate.sigmoid()
            weights = (share, 1 - share)
        return self.body(fuse(saliency, attention, self.fusion, weights))

    def alone(self, inputs: Sequence[Tensor], number: int) -> tuple[Tensor, ...] | None:
        """The maps with the other one neutral, so that the fusion shows this one; None where it does not take it.

        inputs: both maps; number: 0 for the saliency map, 1 for the attention map.
        """
        if self.fusion == ("attention_only", "saliency_only")[number]:
            return None
        neutral = {"multiply": 1.0, "max": torch.finfo(inputs[0].dtype).min}.get(self.fusion, 0.0)
        return tuple(values if one == number else torch.full_like(values, neutral) for one, values in enumerate(inputs))

    def groups(self) -> list[list[nn.Parameter]]:
        """Those of the body; what the fusion has learned is a part of the first."""
        first, *others = parameter_groups(self.body)
        return [[*self.parameters(recurse=False), *first], *others]

    def head_names(self) -> set[str]:
        """Names of the parameters that depend on the classes."""
        return {f"{self.inner}.{name}" for name in head_names(self.body)}

    def reported(self) -> dict[str, list[float]]:
        """The weights of saliency and attention map for each channel, where the mode has any."""
        if self.fusion == "gated":
            share = self.gate.detach().sigmoid().flatten().cpu()
            return {"saliency": share.tolist(), "attention": (1 - share).tolist()}
        if self.fusion == "weighted":
            return {"saliency": [self.weights[0]] * self.channels, "attention": [self.weights[1]] * self.channels}
        return {}


@register_pattern(r"fuse:(.+)", "fuse:NAME")
def fused_model(
    name: str,
    n_in: int = 3,
    n_out: int = 10,
    fusion: str = "concat",
    fusion_weights: Sequence[float] = WEIGHTS,
    **kwargs: Any,
) -> Fused:
    """A network of two maps of `n_in` channels each, by its body's name.

    fusion: see `fuse`; fusion_weights: of the two maps, for 'weighted'; kwargs: the body's own arguments.
    """
    body = create_model(name, fused_channels(fusion, n_in), n_out, **kwargs)
    return Fused(body, fusion, n_in, tuple(fusion_weights))
