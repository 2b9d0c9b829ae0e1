"""The parts of a model that are trained apart: its body, and the head that names its classes."""

from torch import nn

Groups = list[list[nn.Parameter]]


def parameter_groups(model: nn.Module) -> Groups:
    """The parameters of a model in groups, from the input on, as `freeze` and `slice(low, high)` of rates take them.

    A model may say its own by a method `groups()`. Of any other the head is its last module with a weight matrix, and
    what follows it; all before is the body. One group where there is no body.
    """
    if callable(own := getattr(model, "groups", None)):
        return own()
    names = head_names(model)
    head = {id(p) for name, p in model.named_parameters() if name in names}
    groups = [[p for p in model.parameters() if (id(p) in head) is last] for last in (False, True)]
    return [group for group in groups if group]


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
