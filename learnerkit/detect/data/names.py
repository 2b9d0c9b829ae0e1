"""What the classes of a set of boxes are called: from whichever file of it says so, and one answer alone."""

from collections import Counter
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json, read_yaml
from learnerkit.core.text import some

LISTS = ("classes.txt", "labels.txt", "class_names.txt", "_darknet.labels", "obj.names")
DESCRIPTIONS = (".yaml", ".yml")
WORDS = ("names",)  # keys of a description below which every value is a word


def read_lines(file: Path) -> list[str]:
    """The lines of a text file; DataError where it is not text."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not a text file in UTF-8; save it as one") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error


def description_of(path: Path) -> Path | None:
    """The YAML file that describes a set: the path itself, or the one in a folder that has names or parts.

    DataError where a folder has several.
    """
    if path.is_file():
        return path if path.suffix.lower() in DESCRIPTIONS else None
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in DESCRIPTIONS and file.name[0] != ".")
    found = [file for file in files if {"names", "nc", "train", "val", "test"} & set(read_yaml(file, WORDS))]
    if len(found) > 1:
        raise DataError(
            f"{path}: {', '.join(file.name for file in found)} each describe a set; give the one that is meant as path"
        )
    return found[0] if found else None


def described_names(file: Path, described: dict[str, Any]) -> list[str] | None:
    """The names of a description, None where it has none; DataError where they are no list, or `nc` disagrees."""
    names, count = described.get("names"), described.get("nc")
    if count is not None and (type(count) is not int or count < 1):
        raise DataError(f"{file}: nc is {count!r}; the number of classes is needed")
    if names is None:
        return [f"class_{code}" for code in range(count)] if count is not None else None
    if isinstance(names, dict):
        keys = [int(key) if isinstance(key, str) and key.isdecimal() else key for key in names]
        if set(keys) != set(range(len(keys))):
            raise DataError(f"{file}: names has the keys {list(names)[:10]}; class numbers from 0 on are needed")
        by_code = dict(zip(keys, names.values(), strict=True))
        names = [by_code[code] for code in range(len(by_code))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{file}: needs names, a list of the classes")
    if count is not None and count != len(names):
        raise DataError(f"{file}: nc is {count}, but names has {len(names)}; they must agree")
    return _checked(file, [str(name) for name in names])


def class_names(folders: list[Path], described: tuple[Path, dict[str, Any]] | None = None) -> list[str] | None:
    """The class names of a set, None where no file says them; DataError where two files differ.

    folders: where lists of names may lie; described: a description that was read, and its file.
    """
    said: dict[Path, list[str]] = {}
    if described is not None and (names := described_names(*described)):
        said[described[0]] = names
    for folder in folders:
        listed = [folder / name for name in LISTS if (folder / name).is_file()]
        listed += [file for file in sorted(folder.glob("*.names")) if file not in listed]
        said |= {file: _listed(file) for file in listed}
        if (folder / "notes.json").is_file() and (names := _noted(folder / "notes.json")):
            said[folder / "notes.json"] = names
    if not said:
        return None
    (first, names), *others = said.items()
    for file, other in others:
        if other != names:
            raise DataError(
                f"{file}: names the classes {some(other, 5)}; {first.name} names them {some(names, 5)}. Leave one"
            )
    return names


def _listed(file: Path) -> list[str]:
    names = [line.strip() for line in read_lines(file)]
    while names and not names[-1]:
        names.pop()
    return _checked(file, names)


def _noted(file: Path) -> list[str] | None:
    """The names of Label Studio's notes.json, None where the file is another one."""
    content = read_json(file)
    entries = content.get("categories") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "name" in entry for entry in entries):
        return None
    ordered = sorted(entries, key=lambda entry: entry.get("id", 0))
    return _checked(file, [str(entry["name"]) for entry in ordered])


def _checked(file: Path, names: list[str]) -> list[str]:
    empty = [number for number, name in enumerate(names, 1) if not name]
    twice = sorted(name for name, n in Counter(names).items() if n > 1)
    if empty or twice or not names:
        what = f"line {empty[0]} is empty" if empty else f"'{twice[0]}' stands twice" if twice else "holds no name"
        raise DataError(f"{file}: {what}")
    return names
