"""A trained model for prediction alone: batch norms that follow a convolution become part of its weights."""

import copy
import warnings
from collections import Counter

from torch import nn
from torch.fx import Graph, symbolic_trace
from torch.fx.experimental.optimization import fuse

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *NORMS)


def folded(model: nn.Module) -> nn.Module | None:
    """A copy of a model in evaluation with its norms folded; None where there are none, or it cannot be traced.

    Outputs are equal but for rounding (1e-5 of float32). The model itself is left as it is; the copy is of its class
    and runs its code. What is no float32, is compiled, has hooks, or uses a convolution or a norm twice, or its weights
    by themselves, is not folded.
    """
    if model.training or _is_special(model):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            traced = copy.deepcopy(model)  # in which its code may leave what it was traced with
            called = symbolic_trace(traced)  # has what is called alone
            fused = fuse(traced, inplace=True) if _each_once(model, called.graph) else called
    except Exception:  # whatever the code of a model makes of a traced tensor
        return None
    return _with_layers_of(fused, called, model) if _norms(fused) < _norms(called) else None


def _each_once(model: nn.Module, graph: Graph) -> bool:
    """Whether each convolution and norm has one name, is called once at most, and not looked into."""
    names = [name for name, module in model.named_modules(remove_duplicate=False) if isinstance(module, LAYERS)]
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    inside = {node.target.rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    one_name = len({id(model.get_submodule(name)) for name in names}) == len(names)
    return one_name and all(calls[name] <= 1 and name not in inside for name in names)


def _with_layers_of(fused: nn.Module, called: nn.Module, model: nn.Module) -> nn.Module:
    """A copy of a model with the layers of its fused graph, and nothing in place of a norm that this has no more."""
    quick, layers = copy.deepcopy(model), dict(fused.named_modules())
    for name, module in called.named_modules():
        if isinstance(module, LAYERS):
            parent, _, own = name.rpartition(".")
            setattr(quick.get_submodule(parent), own, layers.get(name) or nn.Identity())
    return quick


def _is_special(model: nn.Module) -> bool:
    """Whether a model has what a copy of its graph would lose."""
    hooks = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    compiled = any(getattr(module, "_compiled_call_impl", None) is not None for module in model.modules())
    return hooks or compiled or any(not p.is_floating_point() or p.itemsize != 4 for p in model.parameters())


def _norms(model: nn.Module) -> int:
    return sum(isinstance(module, NORMS) for module in model.modules())
