"""What every set says of itself, whatever its samples are; the shared code asks a set for nothing else."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.data.faults import Fault

UNLABELLED = -1
VIEWS = ("mirror", "shift")  # that a set may declare to keep its classes
Stats = tuple[tuple[float, ...], tuple[float, ...]]
S = TypeVar("S", bound="Source")


class Source(Protocol):
    """A set, labelled or not; one's own may inherit what it has no other answer for.

    name: what it is called in runs and messages; ids: a name for each sample, unique.
    parts: 'train', 'valid', 'test' or '' for each sample, as the files say.
    fingerprint: hash of the content, which a resume compares; shape: of one sample.
    vocab: class names, where there are classes; keeps: which views keep the class: 'mirror', 'shift'.
    loses: which views are known to make another class of a sample.
    stats: mean and std a channel for normalising; None where samples stay as they are stored.
    contents: a digest of each sample, equal for equal samples; None where there is none.
    groups: a name a sample of what no lot divides, such as its source image; where there is none, dealing the parts
        sets it to the copies.
    quarantine: what was set aside; copies: for each sample the row of the first equal one, None where all differ.
    notes: what had to be guessed or was left aside, a line each; told once when the parts are dealt, and in run.json.
    found: what was warned of when the parts were dealt, for run.json.
    in_memory: whether samples need not be read from files.
    near_copies: what was found of them across the parts, see `data.near_copies`.
    is_blank: whether it holds one blank sample alone, in place of data that are not needed.
    """

    name: str
    ids: Sequence[str]
    parts: np.ndarray
    fingerprint: str
    shape: tuple[int, ...]
    vocab: Sequence[str] = ()
    keeps: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()
    stats: Stats | None = None
    contents: Sequence[str] | None = None
    groups: np.ndarray | None = None
    quarantine: Sequence[Fault] = ()
    copies: np.ndarray | None = None
    notes: Sequence[str] = ()
    found: Sequence[str] = ()
    in_memory: bool = False
    near_copies: Sequence[Any] = ()
    is_blank: bool = False
    # rows to small pictures, uint8 [n,C,32,32], which near copies are looked for among; a set may have none
    thumbnails: Callable[[np.ndarray], np.ndarray | None] | None = None

    def __len__(self) -> int: ...

    def facts(self) -> dict[str, Any]:
        """What run.json records of the set; one's own may add what its samples were made with."""
        return common_facts(self)


def common_facts(source: Source) -> dict[str, Any]:
    """What run.json records of any set, so that other data can be measured as this one was."""
    return {
        "name": source.name,
        "shape": list(source.shape),
        "stats": source.stats,
        "keeps": list(source.keeps),
        "notes": [*source.notes, *getattr(source, "found", ())],
    }


def tell(source: Source, text: str) -> None:
    """Warn of what was found of a set, and keep it for run.json."""
    source.found = [*source.found, text]
    warn(f"{source.name}: {text}")


def with_views(source: S, keeps: Sequence[str] | None, flip: bool | None) -> tuple[S, bool]:
    """A copy of a set for one call, with the views that it says keep its classes, and whether samples are mirrored.

    keeps: those views, of `VIEWS`; what the set says of itself when None.
    flip: None mirrors where the set keeps its classes. True says that the classes survive it; DataError where the set
        is known to lose them, and `keeps` does not say otherwise.
    """
    source = copy.copy(source)  # another call may say otherwise, and normalise otherwise
    if keeps is not None:
        source.keeps = (keeps,) if isinstance(keeps, str) else tuple(keeps)
        if wrong := [name for name in source.keeps if name not in VIEWS]:
            raise DataError(f"keeps={keeps!r}: no view is called {wrong[0]!r}; {' and '.join(VIEWS)} there are")
    if flip and "mirror" not in source.keeps:
        if keeps is not None:
            raise DataError(
                f"flip=True, but keeps={keeps!r} says that a mirror makes another class; leave one of them out"
            )
        if "mirror" in source.loses:
            raise DataError(
                f"flip=True: {source.name} does not keep its classes under a mirror: a mirrored digit or 'left of' is "
                "another class. Leave flip out, or name the views that your classes survive: keeps=('mirror', ...) "
                "(--keeps mirror)"
            )
        source.keeps = (*source.keeps, "mirror")
    return source, "mirror" in source.keeps if flip is None else flip


def like_run(source: S, path: Path, described: dict[str, Any], fixed: int | None = None) -> S:
    """A set to be measured as a run's own was, with that one's statistics and views.

    path: of the set, for messages; described: the run's run.json.
    fixed: how many numbers of the shape have to be the run's, of channels, height and width; all when None.
    DataError where its classes or its shape are others.
    """
    data, vocab = described["data"], described["classes"]
    if list(source.vocab) != vocab:
        raise DataError(f"{path}: its classes are {some(source.vocab, 5)}; the run's are {some(vocab, 5)}")
    found, needed = tuple(source.shape)[:fixed], tuple(data["shape"])[:fixed]
    if found != needed:
        raise DataError(f"{path}: its samples have {_size_text(found)}, the run's {_size_text(needed)}")
    source.stats = tuple(map(tuple, data["stats"])) if data["stats"] else None
    source.keeps = tuple(data["keeps"])
    return source


def meant_part(source: S) -> S:
    """What of other data is meant to be measured, where its files name parts: test, else valid; which one is said.

    source: a set with `subset(rows)`.
    """
    part = next((name for name in ("test", "valid") if (source.parts == name).any()), None)
    if part is None:
        return source
    rows = np.flatnonzero(source.parts == part)
    warn(f"{source.name}: its {part} part is measured, {len(rows):,} of {len(source):,} samples")
    return source.subset(rows)


def _size_text(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} channel(s)" + (f" of {'x'.join(map(str, shape[1:]))}" if shape[1:] else "")


def whole_numbers(name: str, labels: np.ndarray) -> np.ndarray:
    """Labels as int64; DataError names the first that is no whole number, instead of cutting it."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iub":
        try:
            values = labels.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{name}: labels of dtype {labels.dtype}; class numbers are needed") from None
        wrong = np.flatnonzero(~np.isfinite(values) | (values != np.floor(values)))
        if len(wrong):
            raise DataError(
                f"{name}: label {labels[wrong[0]]} in row {wrong[0]} (and {len(wrong) - 1} more) is no class number"
            )
    return labels.astype(np.int64)


def encoded(names: Sequence[str]) -> bytes:
    """Names as bytes to be hashed; file names that are no UTF-8 too."""
    return "\n".join(names).encode("utf-8", "surrogateescape")


def label_faults(labels: np.ndarray, n: int, vocab: Sequence[str], ids: Sequence[str]) -> list[str]:
    """What is wrong with the labels, class names and names of `n` samples."""
    faults = []
    if len(labels) != n:
        faults.append(f"{n} images but {len(labels)} labels")
    if len(ids) != n or len(set(ids)) != len(ids):
        faults.append(f"{n} images but {len(set(ids))} different names")
    if len(set(vocab)) != len(vocab):
        faults.append("two classes have the same name")
    wrong = np.flatnonzero((labels < UNLABELLED) | (labels >= len(vocab)))
    if len(wrong):
        faults.append(
            f"label {labels[wrong[0]]} of image {ids[wrong[0]]} (and {len(wrong) - 1} more) is outside "
            f"the {len(vocab)} classes 0..{len(vocab) - 1}"
        )
    if not n:
        faults.append("there is no image")
    return faults
