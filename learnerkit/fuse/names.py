"""What the classes of a folder of pairs are called, which numbers they have in the files, and what contradicts that."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, read_json
from learnerkit.fuse.relations import RELATIONS

RELATION_NAMES = "relations"
FILES, FOLDERS = "the files", "class folders"
NUMBERS = "numbers"  # nothing names the classes
CLASS_FILES = ("class_names.json", "class_names.txt", "classes.txt", "labels.txt")
MOST_SHOWN = 8


@dataclass(frozen=True)
class Classes:
    """The classes of a set, in the order of their numbers.

    vocab: names; numbers: what the files call them. by: who names them, such as 'class_names.json'.
    notes: what had to be guessed, a line each. bad: by row, what contradicts them.
    """

    vocab: list[str]
    numbers: list[int]
    by: str
    notes: list[str] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)

    def codes(self, numbers: np.ndarray) -> np.ndarray:
        """Class numbers of the files as places in the vocabulary, -1 where it lacks one: int64 [N]."""
        place = {number: code for code, number in enumerate(self.numbers)}
        return np.array([place.get(number, -1) for number in numbers.tolist()], dtype=np.int64)


def find_classes(
    root: Path,
    ids: Sequence[str],
    numbers: np.ndarray,
    said: Sequence[str],
    folders: Sequence[str],
    names: PathLike | None = None,
) -> Classes:
    """The classes of a set: from a class file, else from what its files say, else from class folders, else by number.

    root: the folder; ids: paths of the files below it; numbers: their class numbers; said: their classes in words.
    folders: the class folder of each, '' without one.
    names: 'relations' for the 24 relations, or a class file elsewhere, in place of all that.
    What the files say, and folders, count where four in five agree. DataError where a class file names other classes.
    """
    words = {FILES: list(said), FOLDERS: list(folders)}
    agreed = {FILES: _agreed(numbers, words[FILES], least=1), FOLDERS: _agreed(numbers, words[FOLDERS], least=2)}
    agreed = {by: found for by, found in agreed.items() if found}
    classes = _found(root, ids, numbers, words, agreed, names)
    for by in dict.fromkeys((FILES, *agreed)):
        known = [name if name in classes.vocab else "" for name in words[by]]
        classes.bad.update(_contradictions(dict(zip(classes.numbers, classes.vocab, strict=True)), numbers, known))
    return classes


def _found(
    root: Path,
    ids: Sequence[str],
    numbers: np.ndarray,
    words: dict[str, list[str]],
    agreed: dict[str, dict[int, str]],
    names: PathLike | None,
) -> Classes:
    """The classes by who says them first.

    words: what each file is called by itself and by its folder; agreed: the names that those give, where they do.
    """
    listed, by = _listed(root, names)
    if listed:
        heard = [by for by, found in agreed.items() if set(found.values()) <= set(listed.values())]
        if names is None and FILES in agreed and FILES not in heard:
            other = next(name for name in agreed[FILES].values() if name not in listed.values())
            raise DataError(
                f"{root / by}: does not name the class '{other}', as {ids[words[FILES].index(other)]} calls its "
                "own; correct the list, or remove it: then the files name the classes"
            )
        return _by_list(root / by if names is None else by, listed, numbers, words[(heard or [FILES])[0]], ids)
    for by, found in agreed.items():
        return _by_words(found, numbers, words[by], by)
    return _by_number(numbers)


def _listed(root: Path, names: PathLike | None) -> tuple[dict[int, str], str]:
    """The list of classes that holds, and what it is called; empty where there is none."""
    if names == RELATION_NAMES:
        return dict(enumerate(RELATIONS)), RELATION_NAMES
    if names is not None:
        return read_class_file(Path(names)), str(names)
    files = [root / name for name in CLASS_FILES if (root / name).exists()]
    if not files:
        return {}, ""
    listed = [read_class_file(file) for file in files]
    if any(list(other.values()) != list(listed[0].values()) for other in listed):
        names_of = " and ".join(file.name for file in files)
        raise DataError(f"{root}: {names_of} name different classes; keep the right one")
    return listed[0], files[0].name


def _agreed(numbers: np.ndarray, names: Sequence[str], least: int) -> dict[int, str]:
    """The name of each number, where at least four in five say the same of `least` classes or more; else nothing."""
    found: dict[int, str] = {}
    pairs = Counter((number, name) for number, name in zip(numbers.tolist(), names, strict=True) if name)
    for (number, name), _ in pairs.most_common():  # the commonest pair of number and name decides for both
        if number not in found and name not in found.values():
            found[number] = name
    right = sum(found.get(number) == name for number, name in zip(numbers.tolist(), names, strict=True))
    return dict(sorted(found.items())) if len(found) >= least and right >= 0.8 * len(names) else {}


def _by_words(found: dict[int, str], numbers: np.ndarray, names: Sequence[str], by: str) -> Classes:
    """Classes that files or folders name, one by one."""
    bad = _contradictions(found, numbers, names)
    unnamed = {row: number for row, number in enumerate(numbers.tolist()) if number not in found and row not in bad}
    bad |= {row: f"class_id {number}, which {by} do not name: {ranges(found)}" for row, number in unnamed.items()}
    return Classes(list(found.values()), list(found), by, bad=bad)


def _contradictions(listed: dict[int, str], numbers: np.ndarray, names: Sequence[str]) -> dict[int, str]:
    """By row, a name that is another number's."""
    belongs = {name: number for number, name in listed.items()}
    return {
        row: f"class_id {number}, but it is called '{name}', which is {belongs.get(name, 'another number')}"
        for row, (number, name) in enumerate(zip(numbers.tolist(), names, strict=True))
        if name and listed.get(number) != name
    }


def _by_list(
    by: PathLike, listed: dict[int, str], numbers: np.ndarray, names: Sequence[str], ids: Sequence[str]
) -> Classes:
    """Classes that a list names; whether its first has the number 0 or 1 is seen from names and numbers of the files.

    by: the list; names: what each file is called by itself or its folder, where it is.
    """
    notes, present, shifted = [], set(numbers.tolist()), {number + 1: name for number, name in listed.items()}
    by = Path(by).name
    names = [name if name in listed.values() else "" for name in names]
    told = [row for row, name in enumerate(names) if name]
    right = [sum(numbers_of.get(int(numbers[row])) == names[row] for row in told) for numbers_of in (listed, shifted)]
    if told and 5 * max(right) < 4 * len(told):
        row = next(row for row in told if listed.get(int(numbers[row])) != names[row])
        raise DataError(
            f"{by}: calls class {numbers[row]} {listed.get(int(numbers[row]))!r}, and {ids[row]} is called "
            f"'{names[row]}'; so do {len(told) - right[0] - 1} more. Correct the list"
        )
    if min(listed) == 0 and (right[1] > right[0] if told else 0 not in present and max(listed) + 1 in present):
        listed = shifted
        notes.append(f"class numbers begin at 1 in the files: 1 is {listed[1]!r}, the first of {by}")
    elif min(listed) == 0 and 0 not in present and not told:
        notes.append(
            f"no pair has the class number 0, {listed[0]!r} in {by}; where the numbers begin at 1, say so with a "
            'class_names.json such as {"1": "...", "2": "..."}'
        )
    outside = {row: number for row, number in enumerate(numbers.tolist()) if number not in listed}
    bad = {row: f"class_id {number} is not in {ranges(listed)}, of {by}" for row, number in outside.items()}
    return Classes(list(listed.values()), list(listed), by, notes, bad)


def _by_number(numbers: np.ndarray) -> Classes:
    present = sorted(set(numbers.tolist()))
    vocab = [f"class_{number}" for number in present]
    note = (
        f"nothing names the classes: they are called {vocab[0]} to {vocab[-1]} by their numbers, {ranges(present)}; "
        "names are taken from class_name in the files, class folders or a class_names.json, and the 24 relations "
        "where you say so: names='relations' (--names relations)"
    )
    return Classes(vocab, present, NUMBERS, [note])


def ranges(numbers: Iterable[int]) -> str:
    """Numbers in order as '0..5, 7': at most so many pieces."""
    pieces: list[list[int]] = []
    for number in sorted(numbers):
        if pieces and number == pieces[-1][-1] + 1:
            pieces[-1].append(number)
        else:
            pieces.append([number])
    texts = [f"{piece[0]}..{piece[-1]}" if len(piece) > 1 else str(piece[0]) for piece in pieces]
    return ", ".join(texts[:MOST_SHOWN]) + (f" and {len(texts) - MOST_SHOWN} more" if len(texts) > MOST_SHOWN else "")


def read_class_file(path: Path) -> dict[int, str]:
    """The name of each class number: from a JSON list or mapping of numbers to names or of names to numbers, or lines.

    A list and lines begin at 0.
    """
    content = read_json(path) if path.suffix.lower() == ".json" else _lines(path)
    if isinstance(content, list):
        content = dict(enumerate(content))
    if isinstance(content, dict) and content:
        if all(type(value) is int for value in content.values()):
            content = {number: name for name, number in content.items()}
        try:
            listed = {int(number): name for number, name in sorted(content.items(), key=lambda item: int(item[0]))}
        except ValueError:
            listed = {}
        right = all(isinstance(name, str) and name for name in listed.values()) and min(listed, default=-1) >= 0
        if right and len(set(listed.values())) == len(listed) == len(content):
            return listed
    raise DataError(
        f"{path}: a list of different class names, or a mapping of numbers from 0 to names, is needed; in JSON or, "
        "for a list, a name a line"
    )


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as class names ({error})") from error
