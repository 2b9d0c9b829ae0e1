"""A trained model for prediction alone: batch norms that follow a convolution become part of its weights."""

import warnings
from collections import Counter

from torch import nn
from torch.fx import symbolic_trace
from torch.fx.experimental.optimization import fuse

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *NORMS)


def folded(model: nn.Module) -> nn.Module | None:
    """A copy of a model in evaluation with its norms folded; None where there are none, or it cannot be traced.

    Outputs are equal but for rounding (1e-5 of float32). The model itself is left as it is. What is no float32, is
    compiled, has hooks, or uses a convolution or a norm twice is not folded.
    """
    if model.training or _is_special(model):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            graph = symbolic_trace(model).graph
            calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
            twice = any(n > 1 and isinstance(model.get_submodule(name), LAYERS) for name, n in calls.items())
            quick = None if twice else fuse(model)
    except Exception:  # whatever the code of a model makes of a traced tensor
        return None
    return quick if quick is not None and _norms(quick) < _norms(model) else None


def _is_special(model: nn.Module) -> bool:
    """Whether a model has what a copy of its graph would lose."""
    hooks = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    compiled = any(getattr(module, "_compiled_call_impl", None) is not None for module in model.modules())
    return hooks or compiled or any(not p.is_floating_point() or p.itemsize != 4 for p in model.parameters())


def _norms(model: nn.Module) -> int:
    return sum(isinstance(module, NORMS) for module in model.modules())
