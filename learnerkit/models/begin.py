"""Other weights put into a model to begin from: all of them, or all but a head and a stem that cannot fit."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from learnerkit.core.errors import ModelError
from learnerkit.core.files import PathLike
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.core.weights import read_weights
from learnerkit.models.first_layer import channels_text, first_layer, for_channels
from learnerkit.models.groups import head_names

COLOURS = 3  # channels for which libraries' weights are made
COUNTED = ".num_batches_tracked"  # a norm layer's count, which old files lack and nothing depends on


def begin_from(model: nn.Module, weights: PathLike) -> list[str]:
    """Put weights of other training into a model; the names of its tensors that stay as they were drawn.

    weights: see `core.weights.read_weights`.
    What may stay as it was drawn, with a warning, is a head of other classes; a stem whose first convolution has
    another kernel, such as ImageNet's for a network of small images; and what is around a network whose own weights are
    given. A first convolution for 3 channels is brought to the model's, see `for_channels`, with a warning. ModelError
    names the tensors that do not fit where any other does not, and those of a deeper network.
    """
    return fill(model, read_weights(weights), str(weights))


def fill(model: nn.Module, tensors: Mapping[str, Tensor], name: str) -> list[str]:
    """As `begin_from`, of tensors at hand; name: what messages call them."""
    own = model.state_dict()
    tensors, around = _placed(model, own, tensors)
    tensors, adapted = _with_channels(model, own, tensors)
    fresh = _fresh_stem(model, own, tensors)
    absent = [key for key in own if key not in tensors and not key.endswith(COUNTED)]
    other = [key for key in own if key in tensors and tensors[key].shape != own[key].shape]
    left = [key for key in own if key in fresh or key in absent or key in other]
    if set(left) - head_names(model) - fresh - around or _deeper(own, tensors):
        raise ModelError(f"{name}: {_unfit(own, tensors, absent, other)}")
    model.load_state_dict({**own, **{key: tensors[key] for key in own if key in tensors and key not in left}})
    if adapted:
        warn(f"{name}: {adapted}")
    if left:
        stem = f"; the stem ({some(sorted(fresh))}) follows another first convolution" if fresh else ""
        unfit = _unfit(own, tensors, absent, other)
        warn(f"{name}: {unfit}{stem}. The rest was loaded; these stay as they were drawn")
    return left


def _placed(model: nn.Module, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> tuple[dict, set[str]]:
    """The tensors under the model's names where they are those of the network inside it, and what is around that.

    A model says where that network is by an attribute `inner`.
    """
    inner = getattr(model, "inner", None)
    if not inner or any(key in own for key in tensors):
        return dict(tensors), set()
    placed = {f"{inner}.{key}": tensor for key, tensor in tensors.items()}
    if not any(key in own for key in placed):
        return dict(tensors), set()
    return placed, {key for key in own if not key.startswith(f"{inner}.")}


def _with_channels(model: nn.Module, own: Mapping[str, Tensor], tensors: dict[str, Tensor]) -> tuple[dict, str]:
    """The tensors with the first convolution for the model's channels, and words for it where that changed it."""
    key = f"{first_layer(model)}.weight"
    if key not in own or key not in tensors or tensors[key].ndim != 4:
        return tensors, ""
    before, now = tensors[key].shape[1], own[key].shape[1]
    if before != COLOURS or now == before:
        return tensors, ""
    return {**tensors, key: for_channels(tensors[key], now)}, channels_text(key, before, now)


def _fresh_stem(model: nn.Module, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> set[str]:
    """The names of the first convolution and of its norm where the kernel alone is another in the tensors."""
    layer = first_layer(model)
    key = f"{layer}.weight"
    if key not in own or key not in tensors or tensors[key].shape == own[key].shape:
        return set()
    if tensors[key].shape[:2] != own[key].shape[:2]:
        return set()
    named = list(model.named_modules())
    place = next(number for number, (name, _) in enumerate(named) if name == layer)
    stem = [layer, *(name for name, module in named[place + 1 : place + 2] if isinstance(module, nn.BatchNorm2d))]
    return {key for key in own if key.rpartition(".")[0] in stem}


def _deeper(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    """The tensors of blocks that the model's own sequences of blocks lack, such as those of a deeper network."""
    foreign = [key for key in tensors if key not in own]
    numbered = {key: found.group(1) for key in foreign if (found := re.match(r"(.*?)\b\d+\.", key)) and found.group(1)}
    return [key for key, sequence in numbered.items() if any(name.startswith(sequence) for name in own)]


def _unfit(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], absent: list[str], other: list[str]) -> str:
    """Words for the tensors that do not fit a model."""
    shapes = [f"{key} is {list(tensors[key].shape)}, the model's {list(own[key].shape)}" for key in other]
    parts = [f"{len(other)} tensor(s) of another shape ({some(shapes)})"] if other else []
    parts += [f"{len(absent)} of the model's not in it ({some(absent)})"] if absent else []
    foreign = [key for key in tensors if key not in own]
    parts += [f"{len(foreign)} of its own not in the model ({some(foreign)})"] if foreign else []
    parts += ["it is of a deeper network"] if _deeper(own, tensors) else []
    return "; ".join(parts)
