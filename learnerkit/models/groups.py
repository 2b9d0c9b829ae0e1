"""The parts of a model that are trained apart: its stem, its stages, and the head that names its classes."""

from collections.abc import Iterator
from itertools import accumulate

from torch import nn

from learnerkit.core.optional import optional

Groups = list[list[nn.Parameter]]
CONTAINERS = (nn.Sequential, nn.ModuleList)


def parameter_groups(model: nn.Module) -> Groups:
    """The parameters of a model in groups, from the input on, as `freeze` and `slice(low, high)` of rates take them.

    A model may say its own by a method `groups()`. Of any other the groups are the stem, the stages (a new one where
    the map gets smaller; timm's models say their own) and the head: the last module with a weight matrix, with what
    stands around it and has no convolution, such as a classifier's hidden layers. One group where there is no body.
    """
    if callable(own := getattr(model, "groups", None)):
        return own()
    head = {id(p) for p in _around(model, head_names(model))}
    last = [p for p in model.parameters() if id(p) in head]
    return [group for group in [*body_groups(model, head), last] if group]


def body_groups(model: nn.Module, head: set[int] = frozenset()) -> Groups:
    """The stem and the stages of a model, each a group.

    head: ids of the parameters that are left out.
    """
    if callable(own := getattr(model, "groups", None)):
        return own()
    stage = _of_timm(model) if callable(getattr(model, "group_matcher", None)) else _by_size(model)
    body = [p for p in model.parameters() if id(p) not in head]
    numbers = list(accumulate((stage.get(id(p), 0) for p in body), max))  # a group is a run of parameters
    return [[p for p, number in zip(body, numbers, strict=True) if number == one] for one in sorted(set(numbers))]


def units_of(module: nn.Module, alone: bool = True) -> Iterator[nn.Module]:
    """The blocks and single layers that a model is a sequence of: what is in its plain containers, one by one.

    alone: whether a module is looked into, whatever it is, where it has all the parameters there are.
    """
    filled = [child for child in module.children() if next(child.parameters(), None) is not None]
    for child in module.children():
        inner = alone and filled == [child]
        if type(child) in CONTAINERS or inner:
            yield from units_of(child, inner)
        else:
            yield child


def _by_size(model: nn.Module) -> dict[int, int]:
    """The stage of each parameter by its id: a new one begins after the stem, and where a unit makes the map smaller.

    The stem is the single layers before the first block (a unit with several weight matrices).
    """
    stages, number, stem, filled = {}, 0, True, False
    for unit in units_of(model):
        parameters = list(unit.parameters())
        is_block = sum(p.ndim > 1 for p in parameters) > 1
        if filled and (_shrinks(unit) or (stem and is_block)):
            number, filled = number + 1, False
        stem, filled = stem and not is_block, filled or bool(parameters)
        stages |= {id(p): number for p in parameters}
    return stages


def _shrinks(unit: nn.Module) -> bool:
    """Whether a unit has a strided convolution or pooling."""
    strides = [getattr(module, "stride", 1) for module in unit.modules() if not isinstance(module, nn.ConvTranspose2d)]
    return any(max(stride if isinstance(stride, tuple) else (stride,)) > 1 for stride in strides if stride)


def _of_timm(model: nn.Module) -> dict[int, int]:
    """The stage of each parameter by its id, as a model of timm says it."""
    timm = optional("timm.models", "timm", "the groups of a model of timm")
    named = dict(model.named_parameters())
    found = timm.group_parameters(model, model.group_matcher(coarse=True))
    return {id(named[name]): number for number, names in enumerate(found.values()) for name in names}


def _around(model: nn.Module, names: set[str]) -> list[nn.Parameter]:
    """The parameters of these names, with those of the greatest module that has them, no convolution and not all."""
    named, total = dict(model.named_parameters()), len(list(model.parameters()))
    if not names:
        return []
    path = min(names).split(".")[:-1]
    for depth in range(1, len(path) + 1):
        prefix = ".".join(path[:depth]) + "."
        inside = [p for name, p in named.items() if name.startswith(prefix)]
        holds = all(name.startswith(prefix) for name in names)
        if holds and len(inside) < total and not any(p.ndim > 2 for p in inside):
            return inside
    return [named[name] for name in names]


def head_names(model: nn.Module) -> set[str]:
    """Names of the parameters that depend on the classes: the last module with a weight matrix, and what follows it.

    A model may say its own by a method `head_names()`.
    """
    if callable(own := getattr(model, "head_names", None)):
        return own()
    named = dict(model.named_parameters())
    if callable(classifier := getattr(model, "get_classifier", None)):  # timm says it; some models have two
        found = classifier()
        heads = {id(p) for head in (found if isinstance(found, tuple) else (found,)) for p in head.parameters()}
        return {name for name, parameter in named.items() if id(parameter) in heads}
    matrices = [name for name, parameter in named.items() if parameter.ndim > 1]
    if not matrices:
        return set()
    names, module = list(named), matrices[-1].rpartition(".")[0]
    first = next(number for number, name in enumerate(names) if name.rpartition(".")[0] == module)
    return set(names[first:])
