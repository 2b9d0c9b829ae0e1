"""One file of a saliency map and a cross-attention map: read without running anything, every fault in words."""

import hashlib
import math
import pickle
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

MAPS = ("saliency_maps", "cross_attention_maps")
KEYS = (*MAPS, "class_id")
LAYERS = ("early", "middle", "late")
NAME_KEYS = ("class_name", "relation", "predicate", "label_name")  # where a file may say its class in words
SOURCE_KEYS = ("image_id", "source_image", "image_path", "image", "source")  # and which image it came from
LARGEST_FILE = 2**26  # bytes
MOST_CLASSES = 10_000


@dataclass(frozen=True)
class Pair:
    """What one file holds.

    maps: float32 [2,C,H,W], saliency first; class_id; class_name, source: '' where the file does not say.
    digest: of the two maps.
    """

    maps: np.ndarray
    class_id: int
    class_name: str
    source: str
    digest: str


def read_pair(path: Path) -> Pair | str:
    """The pair of a .pt file, or what is wrong with it."""
    try:
        size = path.stat().st_size
        if not size:
            return "is empty"
        if size > LARGEST_FILE:
            return f"has {size:,} bytes; two small maps need a thousandth of it"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own words; the report has better ones
            content = torch.load(path, map_location="cpu", weights_only=True)
            return _checked(content)
    except pickle.UnpicklingError as error:
        return f"asks for objects that a pair never holds; nothing was loaded or run ({first_line(error)})"
    except Exception as error:  # a damaged file raises almost anything
        return f"cannot be read: truncated or no .pt file ({type(error).__name__}: {first_line(error)})"


def _checked(content: Any) -> Pair | str:
    if not isinstance(content, dict):
        return f"holds a {type(content).__name__}; a dict with {', '.join(KEYS)} is needed"
    missing = [key for key in KEYS if key not in content]
    if missing:
        return f"lacks {', '.join(missing)}; it has {', '.join(map(str, content)) or 'nothing'}"
    maps = [_map(content[key], key) for key in MAPS]
    wrong = [item for item in maps if isinstance(item, str)]
    if wrong:
        return "; ".join(wrong)
    if maps[0].shape != maps[1].shape:
        return f"its maps differ in shape: {maps[0].shape} and {maps[1].shape}"
    code = _whole(content["class_id"])
    if code is None or not 0 <= code < MOST_CLASSES:
        return f"class_id is {content['class_id']!r}; a class number below {MOST_CLASSES:,} is needed"
    both = np.stack(maps)
    return Pair(both, code, _text(content, NAME_KEYS), _text(content, SOURCE_KEYS), _digest(both))


def first_line(error: Exception) -> str:
    """What an exception says, on one line, as far as it concerns the file."""
    text = str(error)
    found = re.search(r"(Unsupported \w+[^\n]*?)(?: was not| Please|$)", text, re.MULTILINE)
    return (found.group(1) if found else text.split("\n")[0])[:160]


def _map(value: Any, key: str) -> np.ndarray | str:
    if (
        not isinstance(value, torch.Tensor)
        or value.layout != torch.strided
        or value.is_meta
        or not value.is_floating_point()
    ):
        found = value.dtype if isinstance(value, torch.Tensor) else type(value).__name__
        return f"{key} is {found}; a float tensor [C,H,W] is needed"
    if value.ndim != 3 or not 0 < value.numel() <= 2**22:
        return f"{key} has the shape {tuple(value.shape)}; [C,H,W] is needed"
    array = value.detach().to(torch.float32).numpy()
    if not np.isfinite(array).all():
        return f"{key} has {int((~np.isfinite(array)).sum())} values that are NaN or infinite"
    return array


def _whole(value: Any) -> int | None:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value != int(value)
    ):
        return None
    return int(value)


def _text(content: dict, keys: tuple[str, ...]) -> str:
    return next((str(content[key]) for key in keys if isinstance(content.get(key), (str, int))), "")


def _digest(maps: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(maps), digest_size=12).hexdigest()


LAYER_WORD = re.compile(rf"(?:^|[_\-. ])({'|'.join(LAYERS)})(?:[_ ]layers?)?(?=$|[_\-. ])", re.IGNORECASE)


def layer_of(name: Path) -> str:
    """'early', 'middle', 'late' or '': the layer that a relative path names, in a folder or in the file's name."""
    for part in (*name.parts[:-1], name.stem):
        if found := LAYER_WORD.search(part):
            return found.group(1).lower()
    return ""


def stem_of(name: Path) -> str:
    """A relative path without what names the layer: equal for the files of one image."""
    parts = [LAYER_WORD.sub("", part) for part in (*name.parts[:-1], name.stem)]
    return "/".join(part for part in parts if part)
