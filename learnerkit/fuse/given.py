"""A pair of maps that somebody holds, to be predicted: a file, a dict, or two arrays; its class is not asked for."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.fuse.content import MISSING, at, found_in
from learnerkit.fuse.files import Reading, read_by, two_maps
from learnerkit.fuse.maps import matched
from learnerkit.fuse.model import Fused

GIVEN = (
    "a pair's file, a tuple (saliency map, attention map), an array [2,C,H,W], or a dict of both maps under {}; arrays "
    "or tensors [C,H,W] in the units of the set"
)


def read_maps(path: Path, how: Reading, shape: Sequence[int] | None = None) -> np.ndarray | str:
    """The two maps of a file as float32 [2,C,H,W], or what is wrong with it; a class number may be lacking.

    how: the set's files are read; shape: that both maps need, any when None.
    """
    return read_by(path, partial(taken_maps, how=how, shape=shape))


def taken_maps(content: Any, how: Reading, shape: Sequence[int] | None = None) -> np.ndarray | str:
    """The two maps in a file's content or a dict, as `read_maps` gives them."""
    places = next((keys for keys in (how.keys[:2], Fused.input_names) if _has(content, keys)), None)
    if places is None:
        return f"lacks {' and '.join(how.keys[:2])}; it holds {found_in(content)}"
    return _fitted([at(content, place) for place in places], how, shape)


def given_pair(item: Any, how: Reading, shape: Sequence[int]) -> np.ndarray:
    """A pair that somebody holds as float32 [2,C,H,W]; DataError says what is wrong with it.

    item: see `GIVEN`; what stands behind two maps in a tuple, such as a class, is left aside.
    how: the set's files are read; shape: of one of its maps.
    """
    name, wanted = type(item).__name__, GIVEN.format(" and ".join(how.keys[:2]))
    if isinstance(item, (str, Path)):
        name, found = item, read_maps(Path(item), how, shape)
        if not Path(item).exists():
            found = "no such file"
    elif isinstance(item, dict):
        found = taken_maps(item, how, shape)
    elif isinstance(item, (tuple, list)) and len(item) in (2, 3):
        found = _fitted(item[:2], how, shape)
    elif getattr(item, "ndim", 0) == 4 and len(item) == 2:
        found = _fitted([item[0], item[1]], how, shape)
    else:
        shown = f" of shape {tuple(item.shape)}" if hasattr(item, "shape") else ""
        found = f"is no pair{shown}; {wanted} is needed"
    if isinstance(found, str):
        raise DataError(f"{name}: {found}")
    return found


def _has(content: Any, keys: Sequence[str]) -> bool:
    return all(at(content, key) is not MISSING for key in keys)


def _fitted(values: Sequence[Any], how: Reading, shape: Sequence[int] | None) -> np.ndarray | str:
    own = shape is not None and all(tuple(getattr(value, "shape", ())) == tuple(shape) for value in values)
    maps = two_maps(values, Reading(how.keys, how.size, "chw") if own else how)
    both = maps if isinstance(maps, str) else matched([one.values for one in maps], how.size)
    if isinstance(both, str):
        return both
    pair = np.stack(both)
    if shape is not None and pair.shape[1:] != tuple(shape):
        return f"its maps have the shape {pair.shape[1:]}, those of the set {tuple(shape)}"
    return pair
