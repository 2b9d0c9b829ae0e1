"""What one file of a pair holds: its values by their place, what they say in text and numbers, and what was found."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch

from learnerkit.core.text import shortened
from learnerkit.core.torchfile import plain

MISSING = object()
MOST_LEAVES, DEEPEST, MOST_ITEMS, LONGEST = 256, 3, 8, 300
CLASS_WORDS = ("class_id", "label", "target", "class", "cls", "y", "category_id", "relation_id", "predicate_id")


def at(content: Any, key: str) -> Any:
    """The value of a key, of a path such as 'data.sal', or of a place in a tuple such as '0'; `MISSING` without it."""
    if isinstance(content, dict) and key in content:
        return plain(content[key])
    head, _, rest = key.partition(".")
    if isinstance(content, dict):
        inner = content.get(head, content.get(int(head), MISSING) if head.isdecimal() else MISSING)
    elif isinstance(content, (tuple, list)) and head.isdecimal() and int(head) < len(content):
        inner = content[int(head)]
    else:
        return MISSING
    return at(inner, rest) if rest and inner is not MISSING else plain(inner)


def leaves(content: Any) -> list[tuple[str, Any]]:
    """(place, value) of what stands in dicts and short tuples, as `at` finds it again; deeper ones are values."""
    return list(islice(_leaves(content, "", 0), MOST_LEAVES))


def _leaves(content: Any, place: str, depth: int) -> Iterator[tuple[str, Any]]:
    short = isinstance(content, (tuple, list)) and 0 < len(content) <= MOST_ITEMS and not _numbers(content)
    if depth == DEEPEST or not (short or isinstance(content, dict)):
        yield place, plain(content)
        return
    for key, value in enumerate(content) if short else content.items():
        yield from _leaves(value, f"{place}.{key}" if place else str(key), depth + 1)


def _numbers(values: Any) -> bool:
    return all(isinstance(value, (int, float)) for value in values)


def whole(value: Any) -> int | None:
    """A whole number out of a number, or a tensor or array of one; None where there is none."""
    value = _single(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None


def _single(value: Any) -> Any:
    """The number or text of a tensor or array of one value, anything else as it is."""
    one = isinstance(value, torch.Tensor) and not value.is_meta and value.layout == torch.strided and value.numel() == 1
    return value.item() if one or (isinstance(value, np.ndarray) and value.size == 1) else value


def text_of(value: Any) -> str:
    """What names something: a text, or a whole number as text; '' for everything else."""
    value = _single(value)
    if isinstance(value, str):
        return value[:LONGEST]
    number = whole(value)
    return "" if number is None else str(number)


def texts_of(content: Any) -> dict[str, str]:
    """Every text of a file by its place."""
    told = {place: _single(value) for place, value in leaves(content)}
    return {place: value[:LONGEST] for place, value in told.items() if isinstance(value, str) and value}


def said_by(content: Any) -> dict[str, str]:
    """Every text and whole number of a file by its place."""
    told = {place: text_of(value) for place, value in leaves(content)}
    return {place: text for place, text in told.items() if text}


def kind_of(value: Any) -> str:
    """A value in a few words, as messages name it."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        layout = "sparse " if isinstance(value, torch.Tensor) and value.layout != torch.strided else ""
        return f"{layout}{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, (str, int, float)):
        return shortened(repr(value), 60)
    return type(value).__name__


def _type_of(value: Any) -> str:
    return type(value).__name__ if isinstance(value, (str, int, float)) else kind_of(value)


def found_in(content: Any) -> str:
    """What a file holds, in words: places and types, so that many files of one kind are told alike."""
    held = [f"{place or 'itself'} ({_type_of(value)})" for place, value in leaves(content)]
    more = f" and {len(held) - 8} more" if len(held) > 8 else ""
    what = f"a {type(content).__name__}" + (f" of {len(content)}" if isinstance(content, (tuple, list)) else "")
    return f"{what} with {', '.join(held[:8]) or 'nothing'}{more}"


def proposed_keys(content: Any) -> tuple[str, str, str] | None:
    """The places of two maps and a class number, where a file leaves no doubt about which those are."""
    found = leaves(content)
    maps = [place for place, value in found if isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim >= 2]
    numbers = [place for place, value in found if whole(value) is not None]
    likely = [place for place in numbers if place.split(".")[-1].lower() in CLASS_WORDS] or numbers
    if len(maps) != 2 or len(likely) != 1:
        return None
    maps.sort(key=lambda place: "att" in place.lower())  # the saliency map first; sorting keeps the order otherwise
    return maps[0], maps[1], likely[0]
