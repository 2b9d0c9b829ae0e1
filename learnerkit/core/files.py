"""The one place that writes run state, and that reads text files of unknown origin.

Every write is atomic: a temporary file in the same folder, fsync, rename, fsync of the folder. A reader sees the old
content or the new, never a part. Bytes of tensors are made and read by `core.tensors`.
"""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from learnerkit.core import fsops
from learnerkit.core.errors import DataError, LearnerkitError, RecipeError
from learnerkit.core.text import valid_text
from learnerkit.core.yaml import parse_yaml

PathLike = str | os.PathLike[str]
LARGEST_YAML = 2**20  # bytes
TAIL = 2**16  # bytes of a ledger's end that hold its last line
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what freeing space mends


def cache_folder() -> Path:
    """Where is kept what can be made again (downloads, packed sets): $LEARNERKIT_HOME, else ~/.cache/learnerkit."""
    return Path(os.environ.get("LEARNERKIT_HOME", Path.home() / ".cache" / "learnerkit"))


def write_synced(path: Path, data: bytes, called: Path | None = None) -> None:
    """Write `data` to `path` and flush it to the disk; a LearnerkitError says why where that cannot be done.

    called: how the error calls the file; `path` when None.
    """
    try:
        fsops.write(path, data)
        fsops.sync(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise LearnerkitError(not_written(called or path, error, len(data))) from error


def not_written(path: Path, error: OSError, needed: int = 0) -> str:
    """Words for a file or folder that could not be written: free space is spoken of where it is the reason alone.

    needed: bytes that were to be written.
    """
    why = {errno.EEXIST: "a file stands where a folder is needed", errno.EISDIR: "a folder stands in its place"}
    text = f"{path}: could not be written ({why.get(error.errno, error.strerror or error)})"
    if error.errno not in FULL:
        return f"{text}; what was there before is unchanged. Choose another place with --out, or mend this one."
    try:
        stat = os.statvfs(path.parent)
        free = f"{stat.f_bavail * stat.f_frsize:,}"
    except OSError:
        free = "an unknown number"
    return (
        f"{text}: {needed:,} bytes needed, {free} free; what was there before is unchanged. "
        "Free some space or choose another folder with --out."
    )


def not_read(path: PathLike, error: OSError, wanted: str) -> str:
    """Words for a file that could not be read: a folder in its place is called one.

    wanted: what was looked for, such as 'a recipe'.
    """
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file"
    if isinstance(error, IsADirectoryError):
        return f"{path}: is a folder; give the file of {wanted}"
    return f"{path}: {wanted} cannot be read from it ({error.strerror or error})"


def made_folder(path: Path) -> Path:
    """The folder `path`, made with those above it where it is missing; LearnerkitError where that cannot be done."""
    try:
        fsops.make_folder(path)
    except OSError as error:
        raise LearnerkitError(not_written(path, error)) from error
    return path


def atomic_write(path: PathLike, data: bytes | str) -> Path:
    """Replace the file `path` by `data`, whole or not at all; texts as `valid_text` in UTF-8."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_synced(temporary, valid_text(data).encode() if isinstance(data, str) else data, path)
        fsops.replace(temporary, path)
        fsops.sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise LearnerkitError(not_written(path, error)) from error
    return path


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed writer left in `folder`; only the owner of the folder may call this."""
    for orphan in folder.glob(".*.tmp"):
        orphan.unlink(missing_ok=True)


def plain(value: Any) -> Any:
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
    return json.dumps(_finite(json.loads(json.dumps(value, default=plain))), indent=indent, allow_nan=False)


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
    except OSError as error:
        raise DataError(not_read(path, error, "JSON")) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not valid JSON ({error})") from error


def append_line(path: PathLike, line: str) -> None:
    """Append one line to a ledger and flush it to the disk."""
    data, path = (valid_text(line) + "\n").encode(), Path(path)
    before = path.stat().st_size if path.exists() else 0
    try:
        fsops.append(path, data)
        fsops.sync(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.truncate(path, before)  # a part of a line would spoil the next one
        raise LearnerkitError(not_written(path, error, len(data))) from error


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
            if not isinstance(rows[-1], dict):
                raise DataError(f"{path}: line {number} is damaged, it is no JSON object")
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise DataError(f"{path}: line {number} is not valid JSON ({error})") from error
    return rows


def read_last(path: PathLike) -> list[dict]:
    """The last complete line of a ledger as a list of it, [] where there is none; reads the ledger's end alone."""
    path = Path(path)
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        lines = file.read().split(b"\n")
    whole = [line for line in lines[1 if size > TAIL else 0 : -1] if line.strip()]
    if not whole and size > TAIL:  # one longer than that
        return read_ledger(path)[-1:]
    return [json.loads(whole[-1])] if whole else []


def read_yaml(path: PathLike, words: Collection[str] = ()) -> dict:
    """A YAML file's mapping, as `core.yaml` reads it; RecipeError names the file when it is anything else.

    words: keys below which every value is text as it was written, such as 'names' of classes.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_YAML + 1)
        if len(data) > LARGEST_YAML:
            raise RecipeError(f"has more than {LARGEST_YAML:,} bytes; settings are a page of text")
        value = parse_yaml(data.decode(), words)
    except OSError as error:
        raise RecipeError(not_read(path, error, "YAML")) from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not valid YAML ({error})") from error
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error
    if value is None:
        raise RecipeError(f"{path}: is empty; a mapping of keys to values is needed")
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: holds a {type(value).__name__}; a mapping of keys to values is needed")
    return value


def sha256(data: bytes) -> str:
    """Hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def md5_of(path: PathLike) -> str:
    """MD5 of a file, as the official data sets publish it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
