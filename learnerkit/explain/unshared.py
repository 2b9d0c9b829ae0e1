"""A model whose activations are modules of their own, one a call: rules that are tied to modules need it."""

import copy

import torch
from torch import fx, nn

from learnerkit.core.errors import ModelError
from learnerkit.models.inputs import name_of

FUNCTIONS = {  # activations as functions and methods, and their modules
    torch.relu: nn.ReLU,
    torch.relu_: nn.ReLU,
    nn.functional.relu: nn.ReLU,
    torch.sigmoid: nn.Sigmoid,
    nn.functional.sigmoid: nn.Sigmoid,
    torch.tanh: nn.Tanh,
    nn.functional.tanh: nn.Tanh,
    "relu": nn.ReLU,
    "relu_": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
ACTIVATIONS = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.MaxPool2d)


def with_own_activations(model: nn.Module) -> nn.Module:
    """A copy that computes the same, each call of an activation by a module of its own that does not work in place.

    model: one that torch.fx can trace; ModelError says what it cannot.
    """
    try:
        traced = fx.symbolic_trace(model)
    except Exception as error:  # whatever the model's own code raises on symbols
        raise ModelError(
            f"{name_of(model)}: cannot be traced, as DeepLIFT needs it ({str(error).splitlines()[0]}); take "
            "integrated_gradients, which needs no rules"
        ) from error
    for number, node in enumerate(list(traced.graph.nodes)):
        module = traced.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(module, ACTIVATIONS):
            own = _copy(module)
        elif node.op in ("call_function", "call_method") and node.target in FUNCTIONS:
            own = FUNCTIONS[node.target]()
        else:
            continue
        name = f"activation_{number}"
        traced.add_module(name, own)
        with traced.graph.inserting_after(node):
            node.replace_all_uses_with(new := traced.graph.call_module(name, (node.args[0],)))
        new.args = (node.args[0],)
        traced.graph.erase_node(node)
    traced.recompile()
    return traced.eval()


def _copy(module: nn.Module) -> nn.Module:
    """A module of the same kind and settings that does not work in place."""
    own = copy.deepcopy(module)
    if hasattr(own, "inplace"):
        own.inplace = False
    return own
