"""Checks of single files, many at once, remembered by (path, size, times of change, version of the check)."""

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.files import atomic_write, cache_folder, read_json, sha256

Checked = tuple[str, str]  # what is wrong ('' when nothing is), and a digest of the content


def check_files(files: Sequence[Path], check: Callable[[Path], Checked], name: str, version: int) -> list[Checked]:
    """What `check` says of each file; files that it found good before are not read again.

    check: one file to (reason or '', digest); must not raise.
    name, version: of the check; another version forgets what the former said.
    """
    if not files:
        return []
    root = Path(os.path.commonpath([file.absolute().parent for file in files]))
    cache = cache_folder() / "checked" / f"{name}-{version}-{sha256(os.fsencode(root))[:16]}.json"
    try:
        known = read_json(cache)
    except (DataError, OSError):
        known = {}
    known = known if isinstance(known, dict) else {}
    keys = [_key(file, root) for file in files]
    entries = {key: known[key] for key in keys if key in known}
    new = [(key, file) for key, file in zip(keys, files, strict=True) if key not in entries]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        entries |= dict(zip([key for key, _ in new], pool.map(check, [file for _, file in new]), strict=True))
    if new:
        good = {key: entry for key, entry in entries.items() if not entry[0]}  # a fault may pass: it is looked at again
        with contextlib.suppress(OSError, LearnerkitError):  # a home that cannot be written costs time, nothing else
            cache.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(cache, json.dumps(good))
    return [tuple(entries[key]) for key in keys]


def _key(file: Path, root: Path) -> str:
    try:
        stat = file.stat()
    except OSError as error:
        return f"{file} {error}"
    return f"{os.path.relpath(file.absolute(), root)} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
