"""The one place that writes run state, and that reads text files of unknown origin.

Every write is atomic: a temporary file in the same folder, fsync, rename, fsync of the folder. A reader sees the old
content or the new, never a part. Bytes of tensors are made and read by `core.tensors`.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from learnerkit.core import fsops
from learnerkit.core.errors import DataError, LearnerkitError, RecipeError

PathLike = str | os.PathLike[str]
LARGEST_RECIPE = 2**18  # bytes


def cache_folder() -> Path:
    """Where is kept what can be made again (downloads, packed sets): $LEARNERKIT_HOME, else ~/.cache/learnerkit."""
    return Path(os.environ.get("LEARNERKIT_HOME", Path.home() / ".cache" / "learnerkit"))


def write_synced(path: Path, data: bytes) -> None:
    """Write `data` to `path` and flush it to the disk; a full disk is reported as one, with the sizes."""
    try:
        fsops.write(path, data)
        fsops.sync(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise LearnerkitError(_disk_message(path, len(data), error)) from error


def _disk_message(path: Path, needed: int, error: OSError) -> str:
    try:
        stat = os.statvfs(path.parent)
        free = f"{stat.f_bavail * stat.f_frsize:,}"
    except OSError:
        free = "an unknown number"
    return (
        f"{path}: could not be written ({error.strerror}): {needed:,} bytes needed, {free} free; "
        "what was there before is unchanged. Free some space or choose another folder with --out."
    )


def atomic_write(path: PathLike, data: bytes | str) -> Path:
    """Replace the file `path` by `data`, whole or not at all."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_synced(temporary, data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)
        fsops.replace(temporary, path)
        fsops.sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise LearnerkitError(f"{path}: could not be replaced ({error})") from error
    return path


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed writer left in `folder`; only the owner of the folder may call this."""
    for orphan in folder.glob(".*.tmp"):
        orphan.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """JSON form of the few non-JSON types that settings hold."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r} has no JSON form")


def to_json(value: Any, indent: int | None = 2) -> str:
    """`value` as JSON text; arrays become lists, paths become strings, numbers that are not finite become null."""
    return json.dumps(_finite(json.loads(json.dumps(value, default=_plain))), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def write_json(path: PathLike, value: Any) -> Path:
    """Replace the file `path` by `value` as JSON."""
    return atomic_write(path, to_json(value) + "\n")


def read_json(path: PathLike) -> Any:
    """The content of a JSON file; DataError names the file and place when it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not valid JSON ({error})") from error


def append_line(path: PathLike, line: str) -> None:
    """Append one line to a ledger and flush it to the disk."""
    data, path = (line + "\n").encode(), Path(path)
    before = path.stat().st_size if path.exists() else 0
    try:
        fsops.append(path, data)
        fsops.sync(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.truncate(path, before)  # a part of a line would spoil the next one
        raise LearnerkitError(_disk_message(path, len(data), error)) from error


def read_ledger(path: PathLike) -> list[dict]:
    """The complete JSON lines of a ledger; a torn last line, as a kill leaves it, is dropped."""
    path = Path(path)
    if not path.exists():
        return []
    rows = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise DataError(f"{path}: line {number} is not valid JSON ({error})") from error
    return rows


def read_yaml(path: PathLike) -> dict:
    """A YAML mapping read with the safe loader; RecipeError names the file when it is anything else."""
    try:
        if Path(path).is_file() and Path(path).stat().st_size > LARGEST_RECIPE:
            raise RecipeError(f"{path}: has more than {LARGEST_RECIPE:,} bytes; a recipe is a page of text")
        value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"{path}: no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(f"{path}: is not valid YAML ({error})") from error
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: holds a {type(value).__name__}, a recipe is a mapping of keys to values")
    return value


def sha256(data: bytes) -> str:
    """Hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def md5_of(path: PathLike) -> str:
    """MD5 of a file, as the official data sets publish it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
