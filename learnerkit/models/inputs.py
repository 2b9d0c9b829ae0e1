"""What a model is tried on: images of zeros in the number and the channels that it takes, also on the meta device."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learnerkit.models.first_layer import first_layer


def name_of(model: nn.Module) -> str:
    """What messages call a model: the name it was built by, else its class."""
    return getattr(model, "spec", {}).get("name", type(model).__name__)


def channels_of(model: nn.Module) -> int:
    """Input channels: those that its `spec` or its `n_in` says, else those of its first convolution, 3 without."""
    if (said := getattr(model, "spec", {}).get("n_in", getattr(model, "n_in", None))) is not None:
        return said
    name = first_layer(model)
    return model.get_submodule(name).in_channels if name else 3


def input_names(model: nn.Module) -> tuple[str, ...]:
    """What the inputs of a model are called, one name each: its `input_names`, 'image' for one alone."""
    n = getattr(model, "n_inputs", 1)
    return tuple(getattr(model, "input_names", ("image",) if n == 1 else [f"input{k}" for k in range(1, n + 1)]))


def inputs_for(model: nn.Module, size: int | Sequence[int], bs: int = 1, device: torch.device | str = "cpu") -> list:
    """Images of zeros [bs,C,H,W], as many as the model takes at once (its `n_inputs`, 1 without).

    size: side in pixels, or height and width.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    return [torch.zeros(bs, channels_of(model), *sides, device=device) for _ in range(getattr(model, "n_inputs", 1))]


def without_data(model: nn.Module) -> nn.Module:
    """A copy on the meta device, in evaluation mode: it knows shapes and costs no memory."""
    memo = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    memo |= {id(buffer): torch.empty_like(buffer, device="meta") for buffer in model.buffers()}
    return copy.deepcopy(model, memo).eval()


def values_in(output: object) -> list[Tensor]:
    """The tensors in what a module puts out."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    return [value for part in output for value in values_in(part)] if isinstance(output, (list, tuple)) else []
