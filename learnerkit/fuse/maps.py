"""One map of a file, however it is stored, as float32 [C,H,W]; what cannot be one is said with its type."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from learnerkit.fuse.content import kind_of

MOST_VALUES = 2**22
ORDERS = ("chw", "hwc")


@dataclass(frozen=True)
class Map:
    """A map of a file.

    values: float32 [C,H,W]; dtype: as it is stored; turned: whether it is stored as [H,W,C].
    """

    values: np.ndarray
    dtype: str
    turned: bool = False


def read_map(value: Any, order: str | None = None) -> Map | str:
    """A tensor or array [C,H,W], [H,W], [1,C,H,W] or [H,W,C] as a map, or what is wrong with it.

    order: 'chw' or 'hwc', how three dimensions are meant; found by `is_turned` when None.
    """
    array = _numbers(value)
    if array is None:
        return f"is {kind_of(value)}; numbers [C,H,W] are needed"
    shape, dtype = tuple(array.shape), str(array.dtype).removeprefix("torch.")
    if not 0 < array.numel() <= MOST_VALUES:
        return f"has the shape {shape}; [C,H,W] is needed"
    array = array.to_dense()
    if array.ndim == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array, turned = array[None], False
    elif array.ndim == 3:
        turned = order == "hwc" if order else is_turned(tuple(array.shape))
        array = array.permute(2, 0, 1) if turned else array
    else:
        many = f", {shape[0]} maps in one file" if array.ndim == 4 else ""
        return f"has the shape {shape}{many}; [C,H,W] is needed"
    values = np.ascontiguousarray(array.to(torch.float32).numpy())
    if wrong := int((~np.isfinite(values)).sum()):
        return f"has {wrong} values that are NaN or infinite" + (" as float32" if dtype == "float64" else "")
    return Map(values, dtype, turned)


def _numbers(value: Any) -> torch.Tensor | None:
    """A tensor or array of numbers as a tensor, sparse ones too; None for anything else."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        value = torch.from_numpy(value.astype(value.dtype.newbyteorder("=")))
    if not isinstance(value, torch.Tensor) or value.is_meta or value.is_complex() or value.is_quantized:
        return None
    return value.detach()


def is_turned(shape: tuple[int, int, int]) -> bool:
    """Whether three dimensions are height, width, channels: by the two that are equal, else by at most 4 at the end."""
    first, second, third = shape
    if second == third:
        return False
    return first == second or third <= 4 < min(first, second)


def resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map [C,H,W] in another height and width, bilinear, averaged where it shrinks."""
    if values.shape[1:] == size:
        return values
    return F.interpolate(torch.from_numpy(values)[None], size, mode="bilinear", antialias=True)[0].numpy()


def matched(maps: list[np.ndarray], size: tuple[int, int] | None) -> list[np.ndarray] | str:
    """Both maps of a pair in one shape, resized where a size is given, one channel repeated; or what forbids it."""
    if size is not None:
        maps = [resized(values, size) for values in maps]
    shapes = [values.shape for values in maps]
    if shapes[0][1:] != shapes[1][1:]:
        largest = max((shape[1:] for shape in shapes), key=lambda side: side[0] * side[1])
        return f"its maps differ in shape: {_side(shapes[0])} and {_side(shapes[1])}; {size_words(largest)}"
    channels = max(shape[0] for shape in shapes)
    if any(shape[0] not in (1, channels) for shape in shapes):
        return f"its maps differ in shape, in channels: {shapes[0][0]} and {shapes[1][0]}; as many are needed, or 1"
    return [np.repeat(values, channels // len(values), axis=0) for values in maps]


def _side(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[2]}"


def size_words(size: tuple[int, int]) -> str:
    """How to ask for one size."""
    text = str(size[0]) if size[0] == size[1] else f"{size[0]},{size[1]}"
    return f"size={text if ',' not in text else f'({text})'} (--size {text}) brings all maps to one"
