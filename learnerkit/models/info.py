"""What a model costs: parameters, memory, and the operations for one image, with what the count leaves out."""

from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.core.tensors import size_of
from learnerkit.models.inputs import inputs_for, name_of, values_in
from learnerkit.models.mode import in_mode
from learnerkit.models.size import check_size

FREE = {  # operators that compute nothing, beside those that only look at a tensor another way
    *("_unsafe_view", "_reshape_alias", "empty_like", "zeros_like", "ones_like", "new_zeros", "new_empty"),
    *("lift_fresh", "lift_fresh_copy", "detach_", "fill_", "zero_", "_local_scalar_dense", "as_strided_"),
}


class Uncounted(TorchDispatchMode):
    """Counts the calls of operators that compute something and that a counter of operations does not know."""

    def __init__(self, known: Any) -> None:
        super().__init__()
        self.known, self.calls = known, Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        operator = func._overloadpacket
        name = operator.__name__
        if operator not in self.known and not func.is_view and name not in FREE and values_in(args):
            self.calls[name] += 1
        return func(*args, **(kwargs or {}))


@checked
def model_info(model: nn.Module, size: AtLeastOne = 32) -> dict[str, Any]:
    """Parameters, operations and memory of a model for one image.

    model: its `spec` says the channels, those of its first layer without; its `n_inputs` how many images it takes at
        once, 1 without.
    size: side of the image in pixels.
    Returns name, size, parameters, trainable parameters, megabytes (parameters and buffers as they are),
    multiply_adds of convolutions, matrix products and attention, operations (two for each), uncounted (operators that
    ran and whose cost is in neither, with the number of their calls), activations (numbers that the layers put out)
    and activation_megabytes (these in fp32). ModelError, with the least size, for one that is too small.

    Examples:
        >>> info = model_info(create_model("tiny_cnn", n_in=1), size=32)
        >>> info["parameters"], info["multiply_adds"]
        (24058, 627328)
    """
    return info_at(model, (size, size))


def info_at(model: nn.Module, sides: tuple[int, int]) -> dict[str, Any]:
    """As `model_info`, for an image of these sides, height and width; `size` is one number where they are equal."""
    counter = FlopCounterMode(display=False)
    uncounted = Uncounted(counter.flop_registry)
    sizes: list[int] = []
    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [
        module.register_forward_hook(lambda _, __, out: sizes.extend(value.numel() for value in values_in(out)))
        for module in leaves
    ]
    try:
        with in_mode(model, training=False), torch.no_grad(), uncounted, counter:
            model(*inputs_for(model, sides, device=next(model.parameters()).device))
    except Exception:
        check_size(model, sides)  # whose words are clearer, where it is the size
        raise
    finally:
        for hook in hooks:
            hook.remove()
    operations = counter.get_total_flops()
    return {
        "name": name_of(model),
        "size": sides[0] if sides[0] == sides[1] else list(sides),
        "parameters": sum(p.numel() for p in model.parameters()),
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "megabytes": megabytes(model),
        "multiply_adds": operations // 2,
        "operations": operations,
        "uncounted": dict(uncounted.calls.most_common()),
        "activations": sum(sizes),
        "activation_megabytes": round(4 * sum(sizes) / 1e6, 2),
    }


def megabytes(model: nn.Module) -> float:
    """Memory of a model's parameters and buffers."""
    return round(size_of({**dict(model.named_parameters()), **dict(model.named_buffers())}) / 1e6, 2)
