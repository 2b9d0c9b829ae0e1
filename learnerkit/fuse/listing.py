"""Which files of a folder are pairs, which parts their folders name, and what else lies beside them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.pictures import SUFFIXES as PICTURES
from learnerkit.data.split import evenly
from learnerkit.data.walk import files_below, part_of_name
from learnerkit.fuse.files import KEYS, LAYERS, Pair, layer_of, read_pair
from learnerkit.fuse.names import CLASS_FILES

EXPECTED = "a folder of .pt, .npz or .safetensors files with two maps each"
SUFFIXES = (".pt", ".npz", ".safetensors")


class _Else:
    """Every suffix but one."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def __contains__(self, suffix: object) -> bool:
        return suffix != self.suffix


def is_pairs(path: Path) -> bool:
    """Whether a folder holds pairs: as many files as pictures or more, .pt ones or others of which one is a pair."""
    if not path.is_dir() or not (files := files_below(path, SUFFIXES)):
        return False
    files = _of_one_format(files)
    if len(files) < len(files_below(path, PICTURES)):
        return False
    some = (files[row] for row in evenly(len(files), 5))
    return files[0].suffix.lower() == ".pt" or any(isinstance(read_pair(file), Pair) for file in some)


def _of_one_format(files: Sequence[Path]) -> list[Path]:
    """The files of the commonest suffix."""
    counts = Counter(file.suffix.lower() for file in files)
    suffix = max(SUFFIXES, key=lambda suffix: counts[suffix])
    return [file for file in files if file.suffix.lower() == suffix]


def list_pairs(root: Path, layer: str | None = None) -> list[Path]:
    """The files of pairs below a folder, in a fixed order: .pt, .npz or .safetensors, whichever most of them are.

    layer: 'early', 'middle' or 'late' takes the files that a folder or file name says are of it.
    """
    if layer is not None and layer not in LAYERS:
        raise DataError(f"layer '{layer}': {', '.join(LAYERS)}, or none for all")
    if not root.is_dir():
        what = "is a file" if root.exists() else "no such folder"
        raise DataError(f"{root}: {what}. Expected .pt files, flat, in class folders or in *_layers folders.")
    files = files_below(root, SUFFIXES)
    files = _of_one_format(files) if files else files
    if layer is not None:
        files = [file for file in files if layer_of(file.relative_to(root)) == layer]
    if not files:
        kind = f".pt file of the {layer} layer" if layer else ".pt file"
        beside = left_out(root, ".pt")
        raise DataError(f"{root}: no {kind}{'; ' if beside else ''}{beside}. Expected files with {', '.join(KEYS)}.")
    return files


def left_out(root: Path, suffix: str) -> str:
    """What lies below a folder and is no file of pairs, in words; '' where nothing does.

    suffix: of the files of pairs.
    """
    entries = [entry for entry in files_below(root, _Else(suffix)) if not entry.is_dir()]
    others = [entry.relative_to(root) for entry in entries if entry.name not in CLASS_FILES]
    if not others:
        return ""
    kinds = Counter(other.suffix.lower() or "without a suffix" for other in others)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
    examples = ", ".join(map(str, others[:3]))
    return f"{len(others)} file(s) are no pairs and left out ({counts}), such as {examples}"


def parts_named(root: Path, ids: Sequence[str]) -> np.ndarray:
    """'train', 'valid' or 'test' as a folder of each path says, '' for all where none does.

    ids: paths below root. One such name beside others is a class, as in train, bus and car; DataError where folders of
    some files name several parts and those of others none.
    """
    parts = [next(filter(None, map(part_of_name, Path(name).parts[:-1])), "") for name in ids]
    if "" not in parts:
        return np.array(parts)
    if len(set(parts)) > 2:
        other = ids[parts.index("")]
        named = next(name for name, part in zip(ids, parts, strict=True) if part)
        raise DataError(
            f"{root}: {sum(map(bool, parts))} of {len(ids)} files lie in a folder that names a part, such as {named}, "
            f"and others in none, such as {other}. Put all below train, valid and test, or rename the folder"
        )
    return np.full(len(ids), "")


def class_folder(name: Path, parts: bool) -> str:
    """The innermost folder of a relative path that names no layer; '' where there is none.

    parts: whether folders that name a part are none of a class.
    """
    folders = (folder for folder in reversed(name.parts[:-1]) if not layer_of(Path(folder, "x")))
    return next((folder for folder in folders if not (parts and part_of_name(folder))), "")
