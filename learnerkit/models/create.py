"""Model names to modules: `create_model`, `list_models`."""

import inspect
from fnmatch import fnmatch
from importlib.util import find_spec
from typing import Any

from torch import nn

from learnerkit.core.errors import ModelError, check_keys, nearest
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.models import quicknet, resnet, simple, wrn  # noqa: F401  importing a family registers it
from learnerkit.models.library import LIBRARIES, from_library
from learnerkit.models.registry import Builder, families, find_builder, patterns


def list_models(pattern: str = "*") -> list[str]:
    """Registered names that fit a shell pattern; 'wrn_D_K' stands for every valid depth and width.

    pattern: such as 'res*'.

    Examples:
        >>> list_models("mobilenet_v3*")
        ['mobilenet_v3_large', 'mobilenet_v3_small']
    """
    names = [*families, *(name for _, names, _ in patterns for name in names)]
    return [name for name in names if fnmatch(name, pattern)]


@checked
def create_model(name: str, n_in: AtLeastOne = 3, n_out: AtLeastOne = 10, **kwargs: Any) -> nn.Module:
    """Build a model by name.

    name: a name of `list_models`, 'timm:NAME' or 'torchvision:NAME'; names of a task begin with its room, such as
        'fuse:wrn_28_10'.
    n_in: input channels.
    n_out: classes.
    kwargs: the family's own arguments, such as dropout.
    Returns a module [B,n_in,H,W] -> [B,n_out] whose `spec` rebuilds it. ModelError for unknown names or arguments.

    Examples:
        >>> import torch
        >>> model = create_model("simple_cnn", n_in=1, n_out=10, dropout=0.3)
        >>> model(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 10])
    """
    found = find_builder(name)
    library, _, rest = name.partition(":")
    if found is not None:
        model = _call(found[0], name, found[1], n_in, n_out, kwargs)
    elif library in LIBRARIES and rest:
        model = from_library(library, rest, n_in, n_out, kwargs)
    else:
        raise ModelError(_unknown(name, room_of(name)))
    model.spec = {"name": name, "n_in": n_in, "n_out": n_out, **kwargs}
    return model


def _unknown(name: str, room: str) -> str:
    """Words for a name that nothing is registered under."""
    known = {pattern.pattern.partition(":")[0] for pattern, _, _ in patterns if ":" in pattern.pattern}
    others = [f"{library}:NAME" for library in LIBRARIES]
    if not room or room in known:
        return f"unknown model '{name}'; {nearest(name, [*list_models(), *others])}"
    if room.isidentifier() and find_spec(f"learnerkit.{room}") and _is_room(room):
        where = f"learnerkit.{room}"
        return f"model '{name}': is of {where}, which is not imported; import learnerkit.all, or the models of {where}"
    return (
        f"model '{name}': no room that is imported has names that begin with '{room}:'; import the module that "
        f"registers them, or give {' or '.join(others)}"
    )


def _is_room(name: str) -> bool:
    """Whether a module of the package is the room of a task."""
    try:
        return find_spec(f"learnerkit.{name}.task") is not None
    except ModuleNotFoundError:  # it is a module, not a room
        return False


def room_of(name: str) -> str:
    """The room whose names begin like this one, such as 'fuse' for 'fuse:wrn_28_10'; '' for names of no room."""
    room, colon, _ = name.partition(":")
    return room if colon and room not in LIBRARIES else ""


def takes(name: str, argument: str) -> bool:
    """Whether the family of a registered model has an argument of this name."""
    found = find_builder(name)
    return found is not None and argument in inspect.signature(found[0]).parameters


def _call(builder: Builder, name: str, first: tuple, n_in: int, n_out: int, kwargs: dict[str, Any]) -> nn.Module:
    parameters = inspect.signature(builder).parameters
    known = [key for key in list(parameters)[len(first) :] if key not in ("n_in", "n_out")]
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    faults = [] if anything else check_keys(kwargs, known, f"model {name}")
    if faults:
        raise ModelError("; ".join(faults))
    return builder(*first, n_in=n_in, n_out=n_out, **kwargs)
