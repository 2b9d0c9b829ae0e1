"""The layers of a model in the order of their calls, with what each puts out and costs; as a table of text."""

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from learnerkit.models.mode import in_mode

HEADS = ("layer", "type", "output", "parameters", "multiply-adds")


class Layer(NamedTuple):
    """A module without modules in it: name, class, shape of its output as text, what it has and does in one pass."""

    name: str
    kind: str
    shape: str
    parameters: int
    trained: bool
    multiply_adds: int


def shape_text(output: Any) -> str:
    """The shape of what a module gives: of a tensor, or of each tensor in it; '' where there is none."""
    if isinstance(output, Tensor):
        return " x ".join(map(str, output.shape))
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (list, tuple)) else ()
    return ", ".join(filter(None, map(shape_text, parts)))


def layers_of(model: nn.Module, *inputs: Tensor) -> list[Layer]:
    """Each module without modules in it, in the order of their calls; a module that is called again has one line.

    inputs: what the model is called with, in evaluation mode.
    """
    called: dict[str, tuple[nn.Module, str]] = {}

    def enter(name: str) -> Any:
        return lambda module, _, output: called.setdefault(name, (module, shape_text(output))) and None

    counter = FlopCounterMode(display=False)
    with contextlib.ExitStack() as stack, in_mode(model, training=False), torch.no_grad():
        for name, module in model.named_modules():
            if not any(module.children()):
                stack.callback(module.register_forward_hook(enter(name)).remove)
        with counter:
            model(*inputs)
    operations = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    root = type(model).__name__
    return [
        Layer(
            name,
            type(module).__name__,
            shape,
            sum(p.numel() for p in module.parameters()),
            any(p.requires_grad for p in module.parameters()),
            operations.get(f"{root}.{name}", 0) // 2,
        )
        for name, (module, shape) in called.items()
    ]


def table_text(layers: Sequence[Layer]) -> str:
    """The layers as a table of plain text, numbers to the right."""
    rows = [HEADS, *((_name(layer), layer.kind, layer.shape, *_numbers(layer)) for layer in layers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) if place < 3 else cell.rjust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join([lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])]) + "\n"


def _name(layer: Layer) -> str:
    return layer.name or "(the model itself)"


def _numbers(layer: Layer) -> tuple[str, str]:
    return tuple(f"{number:,}" if number else "" for number in (layer.parameters, layer.multiply_adds))
