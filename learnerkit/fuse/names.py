"""What the classes of a folder of pairs are called, and which files contradict that."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json
from learnerkit.fuse.files import layer_of
from learnerkit.fuse.relations import RELATIONS


def class_names(
    root: Path, ids: Sequence[str], codes: np.ndarray, said: Sequence[str]
) -> tuple[list[str], dict[int, str]]:
    """The class names by number, and by row what contradicts them.

    From what the files say, else from class folders, where four in five files agree; else from class_names.json, else
    the 24 relations.
    """
    for kind, names in (("says", said), ("stands in", [_class_folder(Path(name)) for name in ids])):
        found: dict[int, str] = {}
        pairs = Counter((code, name) for code, name in zip(codes.tolist(), names, strict=True) if name)
        for (code, name), _ in pairs.most_common():  # the commonest pair of number and name decides for both
            if code not in found and name not in found.values():
                found[code] = name
        right = [found.get(code) == name for code, name in zip(codes.tolist(), names, strict=True)]
        if len(found) < 2 or sum(right) < 0.8 * len(right):
            continue
        numbers = {name: code for code, name in found.items()}
        wrong = {}
        for row in np.flatnonzero(~np.array(right)):
            if names[row]:
                belongs = numbers.get(names[row], "another number")
                wrong[int(row)] = f"class_id {codes[row]}, but it {kind} '{names[row]}', which is {belongs}"
        return [found.get(code, f"class_{code}") for code in range(max(found) + 1)], wrong
    path = root / "class_names.json"
    return (_listed_names(path) if path.exists() else list(RELATIONS)), {}


def _listed_names(path: Path) -> list[str]:
    """The names of a class_names.json: a list, or a mapping of numbers to names or of names to numbers."""
    content = read_json(path)
    if isinstance(content, dict):
        if all(isinstance(value, int) for value in content.values()):
            content = {code: name for name, code in content.items()}
        try:
            content = {int(code): name for code, name in content.items()}
        except ValueError:
            content = {}
        content = [content.get(code) for code in range(len(content))]
    if not isinstance(content, list) or not content or not all(isinstance(name, str) for name in content):
        raise DataError(f"{path}: a list of class names, or a mapping of the numbers 0, 1, ... to names, is needed")
    return content


def _class_folder(name: Path) -> str:
    """The innermost folder of a relative path that does not name a layer; '' where there is none."""
    return next((part for part in reversed(name.parts[:-1]) if not layer_of(Path(part, "x"))), "")
