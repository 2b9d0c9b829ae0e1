"""The least image that a model takes, found by trying it without data; a smaller one is refused by name."""

from collections.abc import Sequence

import torch
from torch import nn

from learnerkit.core.errors import ModelError
from learnerkit.models.inputs import inputs_for, name_of, without_data

TRIED = (32, 64, 128, 224, 256, 384, 448, 512, 16)  # sides in pixels, one of which any model takes
REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError)  # with which networks answer a size


def least_size(model: nn.Module) -> int | None:
    """The least side in pixels of a square image that the model takes, None where it runs on none of `TRIED`."""
    copy = without_data(model)
    found = next((size for size in TRIED if _runs(copy, size)), None)
    if found is None or not (_runs(copy, found + 1) or _runs(copy, found - 1)):  # some take one size, or multiples
        return found
    low, high = 0, found  # it does not run at low, it runs at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _runs(copy, middle) else (middle, high)
    return high


def check_size(model: nn.Module, sides: Sequence[int]) -> None:
    """ModelError where the model does not take images of these sides, but takes others.

    sides: height and width in pixels.
    """
    try:
        copy = without_data(model)
    except Exception:  # a module may be made of anything; what cannot be copied is tried by its training
        return
    if _runs(copy, sides):
        return
    least = least_size(model)
    if least is None:  # it is not the size: what does not run says so itself
        return
    given = f"{sides[0]}x{sides[1]}"
    if not _runs(copy, least + 1):
        sizes = "one size alone" if not _runs(copy, 2 * least) else "some sizes alone"
        raise ModelError(f"{name_of(model)}: takes no images of {given} pixels; it is for {sizes}, such as {least}")
    raise ModelError(
        f"{name_of(model)}: images of {given} pixels are too small; the least size is {least}. Enlarge them (size=) or "
        "take another model"
    )


def _runs(copy: nn.Module, size: int | Sequence[int]) -> bool:
    """Whether a model without data takes images of a size; also where that cannot be told without data."""
    try:
        with torch.no_grad():
            copy(*inputs_for(copy, size, 2, "meta"))
    except Exception as error:
        return isinstance(error, NotImplementedError) or not isinstance(error, REFUSALS)
    return True
