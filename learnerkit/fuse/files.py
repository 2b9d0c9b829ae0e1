"""One file of a saliency map and a cross-attention map: read without running anything, every fault in words."""

import hashlib
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from learnerkit.core.errors import DataError, UnsafeFileError
from learnerkit.core.tensors import load_weights, load_weights_text, read_npz
from learnerkit.core.text import shortened
from learnerkit.core.torchfile import read_torch
from learnerkit.fuse.content import MISSING, at, found_in, kind_of, proposed_keys, said_by, texts_of, whole
from learnerkit.fuse.maps import ORDERS, Map, matched, read_map

MAPS = ("saliency_maps", "cross_attention_maps")
KEYS = (*MAPS, "class_id")
T = TypeVar("T")
LAYERS = ("early", "middle", "late")
NAME_WORDS = ("class_name", "relation", "relation_name", "predicate", "label_name", "category_name")  # a class in words
LARGEST_FILE = 2**26  # bytes
MOST_CLASSES = 10_000
TO_PLAIN = (
    "q = lambda a, v: torch.tensor(a) if a.dtype.kind in 'biuf' else str(v); "
    "p = lambda v: {k: p(x) for k, x in v.items()} if isinstance(v, dict) else "
    "[p(x) for x in v] if isinstance(v, (list, tuple)) else v if type(v) in (int, float, str, torch.Tensor) else "
    "q(numpy.array(v.detach() if hasattr(v, 'detach') else v), v)"
)


@dataclass(frozen=True)
class Reading:
    """How files are read.

    keys: where the saliency map, the attention map and the class number stand in a file, as `content.at` finds them.
    size: height and width that all maps are resized to; None where they stay. order: see `maps.read_map`.
    """

    keys: tuple[str, ...] = KEYS
    size: tuple[int, int] | None = None
    order: str | None = None


AS_STORED = Reading()


def reading(
    keys: str | Sequence[str | int] | None = None,
    size: int | Sequence[int] | None = None,
    order: str | None = None,
) -> Reading:
    """How files are read, from what a user says; DataError where that is no such thing.

    keys: three names, also as 'sal,attn,label'. size: a side in pixels, or height and width. order: 'chw' or 'hwc'.
    """
    given = keys.split(",") if isinstance(keys, str) else KEYS if keys is None else keys
    places = tuple(str(key).strip() for key in given)
    if len(places) != 3 or len({*places}) != 3 or not all(places):
        raise DataError(f"keys={keys!r} (--keys): three places, of saliency map, attention map and class number")
    sides = size if size is None else (size, size) if isinstance(size, int) else tuple(size)
    if sides is not None and not (len(sides) == 2 and all(type(side) is int and 0 < side <= 2048 for side in sides)):
        raise DataError(f"size={size!r} (--size): a side in pixels, or height and width, from 1 to 2048")
    if order not in (None, *ORDERS):
        raise DataError(f"order={order!r} (--order): one of {', '.join(ORDERS)}")
    return Reading(places, sides, order)


@dataclass(frozen=True)
class Pair:
    """What one file holds.

    maps: float32 [2,C,H,W], saliency first; class_id; class_name: '' where the file does not say it.
    said: every text and whole number of the file by its place. digest: of the two maps.
    dtypes: of the two maps as they are stored; turned: whether one is stored as [H,W,C]; repeated: whether one channel
        of the one map was repeated for those of the other.
    """

    maps: np.ndarray
    class_id: int
    class_name: str
    said: dict[str, str]
    digest: str
    dtypes: tuple[str, str]
    turned: bool = False
    repeated: bool = False


def read_pair(path: Path, how: Reading = AS_STORED) -> Pair | str:
    """The pair of a .pt, .npz or .safetensors file, or what is wrong with it."""
    return read_by(path, lambda content: _checked(content, how))


def read_by(path: Path, take: Callable[[Any], T | str]) -> T | str:
    """What is taken of a file's content, or what is wrong with the file."""
    try:
        size = path.stat().st_size
        if not size:
            return "is empty"
        if size > LARGEST_FILE:
            return f"has {size:,} bytes; two small maps need a thousandth of it"
        return take(read_content(path))
    except UnsafeFileError as error:
        return f"{error}. Where you made it yourself: {conversion('torch.save(p(d), f)', TO_PLAIN)}"
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    except Exception as error:  # a damaged file raises almost anything
        return (
            f"cannot be read: truncated or no {path.suffix} file ({type(error).__name__}: {shortened(str(error), 160)})"
        )


def read_content(path: Path) -> Any:
    """The content of a file by its suffix, as plain values."""
    if path.suffix.lower() == ".npz":
        if zipfile.is_zipfile(path):  # read_npz has the words for the others
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > LARGEST_FILE:
                raise DataError(f"unpacks to {size:,} bytes; two small maps need a thousandth of it")
        return read_npz(path)
    if path.suffix.lower() == ".safetensors":
        text = {key: int(value) if value.isdecimal() else value for key, value in load_weights_text(path).items()}
        return text | load_weights(path)
    return read_torch(path)


def conversion(statement: str, first: str = "") -> str:
    """A command that does something with what each of many files holds: `d`, of the file `f`.

    first: a statement before all, where the files have to be trusted: they are loaded with whatever they run.
    """
    loop = f"[{statement} for f in sys.argv[1:] for d in [torch.load(f, weights_only={not first})]]"
    return f'python -c "import sys, numpy, torch; {first}{"; " if first else ""}{loop}" FILES'


def _apart(one: str, many: str) -> str:
    """A command that writes the pairs of files of many, a file each."""
    each = f"[torch.save({one}, f'{{f[:-3]}}_{{i:06d}}.pt') for i in range(len({many}))]"
    return f"a file a pair is needed: {conversion(each)}, and move FILES away"


def _checked(content: Any, how: Reading) -> Pair | str:
    found = [at(content, key) for key in how.keys]
    missing = [key for key, value in zip(how.keys, found, strict=True) if value is MISSING]
    if missing:
        return _without(content, missing, how)
    maps = two_maps(found[:2], how)
    if isinstance(maps, str):
        split = isinstance(content, dict) and getattr(found[0], "ndim", 0) == 4
        return f"{maps}; {_apart('{k: v[i] for k, v in d.items()}', f'd[{how.keys[0]!r}]')}" if split else maps
    both = matched([item.values for item in maps], how.size)
    if isinstance(both, str):
        return both
    code = whole(found[2])
    if code is None or not 0 <= code < MOST_CLASSES:
        return f"{how.keys[2]} is {kind_of(found[2])}; a class number below {MOST_CLASSES:,} is needed"
    said = said_by(content)
    turned, repeated = any(item.turned for item in maps), len({len(item.values) for item in maps}) > 1
    pair, dtypes = np.stack(both), tuple(item.dtype for item in maps)
    return Pair(pair, code, _class_name(texts_of(content), how.keys[2]), said, _digest(pair), dtypes, turned, repeated)


def two_maps(values: Sequence[Any], how: Reading) -> list[Map] | str:
    """Both maps of a pair, or what is wrong with them."""
    maps = [read_map(value, how.order) for value in values]
    wrong = [f"{key} {item}" for key, item in zip(how.keys, maps, strict=False) if isinstance(item, str)]
    return "; ".join(wrong) if wrong else maps


def _without(content: Any, missing: Sequence[str], how: Reading) -> str:
    """What is said of a file in which keys are missing: what it holds, and how it can be read."""
    if isinstance(content, (list, tuple)) and content and all(isinstance(item, dict) for item in content):
        return f"holds {len(content)} dicts; {_apart('d[i]', 'd')}"
    lacks = f"lacks {', '.join(missing)}; it holds" if isinstance(content, dict) else "holds"
    needed = "" if isinstance(content, dict) else f"; a dict with {', '.join(how.keys)} is needed"
    if keys := proposed_keys(content):
        given = ",".join(keys)
        return f"{lacks} {found_in(content)}{needed}, or the places of the three: keys={given!r} (--keys {given})"
    return f"{lacks} {found_in(content)}{needed}"


def _class_name(texts: dict[str, str], label: str) -> str:
    """The class in words: a text under one of `NAME_WORDS`, the outermost first."""
    places = sorted((place for place in texts if place != label), key=lambda place: place.count("."))
    return next((texts[place] for word in NAME_WORDS for place in places if place.split(".")[-1] == word), "")


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
