"""`target_layer`: the module of a model whose output is the last map, from which its classes are told."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from learnerkit.core.errors import ModelError
from learnerkit.models.first_layer import first_layer
from learnerkit.models.groups import parameter_groups, units_of
from learnerkit.models.inputs import inputs_for, name_of, values_in, without_data

TRIED = (128, 224, 256, 384, 448, 512, 64, 32, 16)  # sides in pixels: at one of them the last map has many places


class Seen(NamedTuple):
    """A module that has run: its name, the shapes of its inputs and of its output (none where that is no tensor)."""

    name: str
    inputs: list[torch.Size]
    output: torch.Size | None


def target_layer(model: nn.Module) -> nn.Module:
    """The module whose output [B,C,h,w] is the map of the last block, before it is pooled.

    model: a classifier of images. One of its own may say it by a method `target_layer()`.
    ModelError where the last block puts out no such map, such as a transformer's tokens.

    Examples:
        >>> import torch
        >>> model = create_model("resnet18", n_in=1)
        >>> target_layer(model) is model.layer4
        True
    """
    if callable(own := getattr(model, "target_layer", None)):
        return own()
    return model.get_submodule(_last_map(model, _observed(model)))


def map_layers(model: nn.Module, size: int | None = None) -> list[nn.Module]:
    """The blocks and single layers that put out a map [B,C,h,w], from the input on; `target_layer` is the last.

    size: side of images in pixels at which they have to; where there is such a map at no other size, those at which one
        is found.
    """
    if callable(getattr(model, "target_layer", None)):
        return [model.target_layer()]
    seen = _observed(model, TRIED if size is None else (size, *TRIED))
    last = _last_map(model, seen)
    names = {id(module): name for name, module in model.named_modules()}
    units = {names[id(unit)] for unit in units_of(model)}
    order = dict.fromkeys(run.name for run in seen if _is_map(model, run) and run.name in units)
    before = [name for name in order if name != last]
    if before and before[-1].startswith(f"{last}."):  # the same map, from within
        before.pop()
    return [model.get_submodule(name) for name in [*before, last]]


def _observed(model: nn.Module, tried: Sequence[int] = TRIED) -> list[Seen]:
    """The modules that run at the first of some sizes at which there is a map, in the order in which they end."""
    faults = []
    for make, device in ((without_data, "meta"), (_with_data, "cpu")):  # some need data, and then only those
        for size in tried:
            try:
                seen = _run(make(model), size, device)
            except Exception as error:  # each library's own words
                faults.append(str(error) or type(error).__name__)
                continue
            if any(_is_map(model, run) for run in seen):
                return seen
    why = "has no convolution: no layer puts out a map"
    if faults and first_layer(model) is not None:
        why = f"runs on no image of {min(TRIED)} to {max(TRIED)} pixels ({faults[0].splitlines()[0]})"
    raise ModelError(f"{name_of(model)}: {why}; give the layer itself, a module with outputs [B,C,h,w]")


def _with_data(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).cpu().eval()


def _run(tried: nn.Module, size: int, device: str) -> list[Seen]:
    seen: list[Seen] = []

    def note(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple, output: Any) -> None:
            shape = output.shape if isinstance(output, Tensor) else None
            seen.append(Seen(name, [value.shape for value in values_in(inputs)], shape))

        return hook

    for name, module in tried.named_modules():
        module.register_forward_hook(note(name))
    with torch.no_grad():
        tried(*inputs_for(tried, size, 2, device))
    return seen


def _places(shape: torch.Size) -> int:
    """At how many places a tensor has its features: a map [B,C,h,w] at h*w, tokens [B,N,C] at N, anything else at 1."""
    return shape[2] * shape[3] if len(shape) == 4 else shape[1] if len(shape) == 3 else 1


def _is_map(model: nn.Module, run: Seen) -> bool:
    """Whether a module put out a map [B,C,h,w] of a square image that is not pooled; poolings do not count."""
    if run.output is None or len(run.output) != 4 or run.output[2] != run.output[3] or _places(run.output) == 1:
        return False
    return "Pool" not in type(model.get_submodule(run.name)).__name__


def _last_map(model: nn.Module, seen: Sequence[Seen]) -> str:
    """The name of the outermost of the modules that put out the last map; ModelError where more is computed after it.

    What may follow takes or makes one place alone, or is of the head.
    """
    head = {id(p) for p in parameter_groups(model)[-1]}
    last = max(number for number, run in enumerate(seen) if _is_map(model, run))
    for run in seen[last + 1 :]:
        own = [p for p in model.get_submodule(run.name).parameters(recurse=False) if p.ndim > 1]
        mixes = (run.output is None or _places(run.output) > 1) and any(_places(shape) > 1 for shape in run.inputs)
        if own and mixes and id(own[0]) not in head:
            raise ModelError(
                f"{name_of(model)}: its last block puts out no map [B,C,h,w] ({run.name} follows the last one, "
                f"{seen[last].name}); give the layer itself, a module with outputs [B,C,h,w]"
            )
    return seen[last].name
