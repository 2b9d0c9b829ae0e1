"""Runs as tar.gz files that are read again and compared before anything is removed."""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from learnerkit.core import fsops
from learnerkit.core.aside import LEFTOVER, moved_aside, removed
from learnerkit.core.checkpoint import recover
from learnerkit.core.errors import DataError, LearnerkitError, RunError
from learnerkit.core.files import PathLike, made_folder, not_written
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.run_lock import FILE as LOCK
from learnerkit.core.run_lock import is_held
from learnerkit.runs.index import runs_below
from learnerkit.runs.rename import refuse_trial

ENDS = (".tar.gz", ".tgz")
BLOCK = 2**20


@dataclass
class Archive:
    """A written and verified archive.

    file: where it is; runs: the folders in it, by their place there; files: how many; bytes, sha256: of the archive.
    """

    file: Path
    runs: dict[str, Path]
    files: int = 0
    bytes: int = 0
    sha256: str = ""

    def content(self) -> dict[str, Any]:
        """In JSON's types."""
        facts = {"file": str(self.file), "files": self.files, "bytes": self.bytes, "sha256": self.sha256}
        return {**facts, "runs": {place: str(path) for place, path in self.runs.items()}}


@dataclass
class Archived:
    """What was done: the archives, and the run folders that were removed."""

    archives: list[Archive] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """In JSON's types."""
        return {"archives": [one.content() for one in self.archives], "removed": [str(path) for path in self.removed]}


def archive_runs(runs: Sequence[PathLike], out: PathLike, remove: bool = False) -> Archived:
    """Pack runs, verify what was packed and, when told to, remove the runs; every run is locked meanwhile.

    runs: run folders; out: FILE.tar.gz for all of them, or a folder that has NAME.tar.gz of each.
    remove: the runs' folders once every archive is written and verified.
    RunError where a process holds a run, a folder is no run, or a file of that name is there already.
    """
    folders = [RunFolder.open(path) for path in runs]
    _refuse_nested(folders)
    for run in folders if remove else ():
        _refuse_removal(run.path)
    wanted = _places(folders, Path(out))
    if taken := [str(one.file) for one in wanted if os.path.lexists(one.file)]:
        raise RunError(f"{taken[0]}: is there already; nothing was overwritten. Choose another --out")
    done = Archived()
    with ExitStack() as locks:
        said: dict[Path, bytes] = {}
        for run in folders:
            if run.file(LOCK).exists():
                said[run.path] = run.file(LOCK).read_bytes()  # reading it later would end the lock
            run.lock()
            locks.callback(run.unlock)
            recover(run.checkpoints)  # what a killed writer had moved away is the run's
        for one in wanted:
            _write(one, said)
            done.archives.append(one)
        doomed = [moved_aside(run.path) for run in folders] if remove else []
    done.removed = [run.path for run in folders] if remove else []
    for folder in doomed:
        removed(folder)
    return done


def _refuse_removal(path: Path) -> None:
    """RunError where a run's folder is not its own affair: a sweep's trial, or one that has other runs below it."""
    refuse_trial(path)
    if any(map(is_held, path.resolve().parents)):
        raise RunError(f"{path}: a process holds the sweep that it is of; nothing was archived. Wait for it")
    if below := runs_below(path):
        raise RunError(f"{path}: has other runs below it, such as {below[0]}, and would take them along; move them")


def _refuse_nested(folders: Sequence[RunFolder]) -> None:
    places = [run.path.resolve() for run in folders]
    for place, run in zip(places, folders, strict=True):
        if places.count(place) > 1:
            raise RunError(f"{run.path}: is given twice")
        if any(other in place.parents for other in places):
            raise RunError(f"{run.path}: lies within another of these runs")


def _places(folders: Sequence[RunFolder], out: Path) -> list[Archive]:
    """The archives that are to be written, each with its runs by their place in it."""
    above = [run.path.resolve() for run in folders]
    if any(place == out.resolve() or place in out.resolve().parents for place in above):
        raise RunError(f"--out {out}: lies within a run that is archived; choose a place outside of it")
    if out.name.endswith(ENDS):
        root = Path(os.path.commonpath([place.parent for place in above]))
        runs = {place.relative_to(root).as_posix(): run.path for place, run in zip(above, folders, strict=True)}
        return [Archive(out, runs)]
    names = [place.name for place in above]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RunError(f"--out {out}: several runs are called {twice[0]}; give one FILE.tar.gz for them all")
    return [Archive(out / f"{name}.tar.gz", {name: run.path}) for name, run in zip(names, folders, strict=True)]


def _write(archive: Archive, said: dict[Path, bytes]) -> None:
    """Write one archive under a temporary name, verify it, and give it its own."""
    made_folder(archive.file.parent)
    temporary = archive.file.with_name(f".{archive.file.name}.{os.getpid()}.tmp")
    try:
        with tarfile.open(temporary, "w:gz", compresslevel=6) as tar:
            for place, path in _members(archive, said):
                _add(tar, place, path, said.get(path.parent) if path.name == LOCK else None)
        fsops.sync(temporary)
        archive.files = _verify(temporary, archive, said)
        archive.bytes, archive.sha256 = temporary.stat().st_size, _digest(temporary.open("rb"))
        fsops.replace(temporary, archive.file)
        fsops.sync(archive.file.parent)
    except OSError as error:
        raise LearnerkitError(not_written(archive.file, error)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _raised(error: OSError) -> None:
    """What cannot be read is no part of a verified archive."""
    raise error


def _members(archive: Archive, locks: dict[Path, bytes]) -> Iterator[tuple[str, Path]]:
    """(place in the archive, file) of every file of its runs, without leftovers; RunError for a link.

    locks: content of each run's lock file before this process held it; a run that had none has none in the archive.
    """
    for place, folder in archive.runs.items():
        for inside, folders, files in os.walk(folder, onerror=_raised):
            folders[:] = sorted(name for name in folders if not LEFTOVER.fullmatch(name))
            for name in (*folders, *sorted(files)):
                if (path := Path(inside) / name).is_symlink():
                    raise RunError(f"{path}: is a link, and an archive keeps files alone; replace it by what it names")
                is_new_lock = name == LOCK and inside == str(folder) and folder not in locks
                if name in files and not is_new_lock and not LEFTOVER.fullmatch(name):
                    yield f"{place}/{path.relative_to(folder).as_posix()}", path


def _add(tar: tarfile.TarFile, place: str, path: Path, content: bytes | None) -> None:
    """Put a file into an archive; nothing of its owner goes with it.

    content: what is to stand there, the file's own when None.
    """
    info = tarfile.TarInfo(place)
    stat = path.stat()
    info.mtime, info.mode = int(stat.st_mtime), 0o644
    info.size = stat.st_size if content is None else len(content)
    if content is not None:
        tar.addfile(info, BytesIO(content))
        return
    with path.open("rb") as file:
        tar.addfile(info, file)


def _verify(file: Path, archive: Archive, locks: dict[Path, bytes]) -> int:
    """Read an archive again and compare each file's checksum with the one on the disk; returns how many there are."""
    with tarfile.open(file, "r:gz") as tar:
        packed = {member.name: _digest(tar.extractfile(member)) for member in tar if member.isfile()}
    there = {}
    for place, path in _members(archive, locks):
        lock = locks.get(path.parent) if path.name == LOCK else None
        there[place] = _digest(path.open("rb") if lock is None else BytesIO(lock))
    if packed != there:
        wrong = sorted(name for name in {**packed, **there} if packed.get(name) != there.get(name))
        raise DataError(
            f"{archive.file}: was not written, since {wrong[0]} read again from it differs from the file on the disk; "
            "nothing was removed. Try again once nothing writes into the run."
        )
    return len(packed)


def _digest(file: BinaryIO) -> str:
    found = hashlib.sha256()
    with file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()
