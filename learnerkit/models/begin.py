"""Other weights put into a model to begin from: all of them, or all but the head where that has other classes."""

from collections.abc import Mapping

from torch import Tensor, nn

from learnerkit.core.errors import ModelError
from learnerkit.core.files import PathLike
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.core.weights import read_weights
from learnerkit.models.groups import head_names

COUNTED = ".num_batches_tracked"  # a norm layer's count, which old files lack and nothing depends on


def begin_from(model: nn.Module, weights: PathLike) -> list[str]:
    """Put weights of other training into a model; the names of its tensors that stay as they were drawn.

    weights: see `core.weights.read_weights`.
    Where everything but the head fits, the head stays as it was drawn, with a warning. ModelError names the tensors
    that do not fit where others do not.
    """
    return fill(model, read_weights(weights), str(weights))


def fill(model: nn.Module, tensors: Mapping[str, Tensor], name: str) -> list[str]:
    """As `begin_from`, of tensors at hand; name: what messages call them."""
    own = model.state_dict()
    absent = [key for key in own if key not in tensors and not key.endswith(COUNTED)]
    other = [key for key in own if key in tensors and tensors[key].shape != own[key].shape]
    left = [key for key in own if key in absent or key in other]
    if set(left) - head_names(model):
        raise ModelError(f"{name}: {_unfit(own, tensors, absent, other)}")
    model.load_state_dict({**own, **{key: tensors[key] for key in own if key in tensors and key not in other}})
    if left:
        warn(f"{name}: {_unfit(own, tensors, absent, other)}. The rest was loaded; these stay as they were drawn")
    return left


def _unfit(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], absent: list[str], other: list[str]) -> str:
    """Words for the tensors that do not fit a model."""
    shapes = [f"{key} is {list(tensors[key].shape)}, the model's {list(own[key].shape)}" for key in other]
    parts = [f"{len(other)} tensor(s) of another shape ({some(shapes)})"] if other else []
    parts += [f"{len(absent)} of the model's not in it ({some(absent)})"] if absent else []
    foreign = [key for key in tensors if key not in own]
    parts += [f"{len(foreign)} of its own not in the model ({some(foreign)})"] if foreign else []
    return "; ".join(parts)
