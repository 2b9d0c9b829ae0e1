"""The lock of a run folder: its owner is one process, as long as it lives.

A POSIX lock on lock.json: lockf, not flock, for a data-loading worker that outlives a killed owner would go on holding
a flock. Such a lock belongs to a process and does not keep it from itself, so what this process holds is kept here.
"""

import fcntl
import os
import socket
import struct
import sys
import time
import weakref
from pathlib import Path
from typing import Any

from learnerkit.core.errors import RunError
from learnerkit.core.files import to_json
from learnerkit.core.text import now

FILE = "lock.json"
# struct flock: start, length, process, type, whence
QUESTION = "qqihh" if sys.platform == "darwin" else "hhqqi4x"
_OWNED: set[str] = set()  # run folders that this process holds


def take(folder: Path, owner: Any) -> weakref.finalize:
    """Lock a run folder until the returned function is called or `owner` is gone; RunError says who holds it."""
    key = str(folder.resolve())
    if key in _OWNED:
        raise RunError(f"{folder}: is in use by this process; unlock the earlier run first")
    handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        said = _said(handle)
        os.close(handle)
        raise RunError(f"{folder}: is in use by {said}. Wait for it, or choose another name.") from None
    os.ftruncate(handle, 0)
    facts = {"pid": os.getpid(), "host": socket.gethostname(), "started": now()}
    os.write(handle, (to_json(facts, indent=None) + "\n").encode())
    # closing any handle of the file would drop the lock: this one stays open as long as its owner
    _OWNED.add(key)
    return weakref.finalize(owner, _give_up, handle, key)


def is_held(folder: Path) -> bool:
    """Whether a process that lives holds a run folder; asks alone, so that it never is in an owner's way."""
    if not (folder / FILE).exists():
        return False
    if str(folder.resolve()) in _OWNED:
        return True
    handle = os.open(folder / FILE, os.O_RDONLY)
    try:
        if QUESTION.startswith("q"):
            asked = struct.pack(QUESTION, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
            return struct.unpack(QUESTION, fcntl.fcntl(handle, fcntl.F_GETLK, asked))[3] != fcntl.F_UNLCK
        asked = struct.pack(QUESTION, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        return struct.unpack(QUESTION, fcntl.fcntl(handle, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK
    finally:
        os.close(handle)


def _give_up(handle: int, key: str) -> None:
    os.close(handle)
    _OWNED.discard(key)


def _said(handle: int) -> str:
    """Who holds a lock, as its file says; written just after the lock was got, so it is waited for."""
    for _ in range(50):
        if owner := os.pread(handle, 1000, 0).decode(errors="replace").strip():
            return owner
        time.sleep(0.01)
    return "an unknown process"
