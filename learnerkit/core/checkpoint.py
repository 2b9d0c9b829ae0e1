"""Checkpoints that are complete or absent.

One checkpoint is a folder, made under a temporary name in the same place: its files, each fsynced; MANIFEST.json with
sizes and checksums last; rename; fsync of the parent. A folder without a valid manifest does not exist.
`last.json` and `best.json` beside them are pointers, replaced atomically.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from learnerkit.core import fsops
from learnerkit.core.errors import DataError, LearnerkitError, RunError
from learnerkit.core.files import read_json, remove_leftovers, sha256, to_json, write_json, write_synced

SCHEMA = 2
MANIFEST = "MANIFEST.json"
NAME = re.compile(r"epoch_(\d+)_step_(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """A checked checkpoint folder."""

    path: Path
    epoch: int
    step: int


def folder_name(epoch: int, step: int) -> str:
    """Folder name of the state after `epoch` whole epochs and `step` batches in all; sorts by position."""
    return f"epoch_{epoch:03d}_step_{step:06d}"


def commit(
    parent: Path, epoch: int, step: int, files: dict[str, bytes], keep_last: int = 2, permanent: bool = False
) -> Checkpoint:
    """Write one checkpoint durably, point `last.json` at it, then prune older ones.

    parent: the checkpoints folder, made when missing.
    epoch, step: whole epochs and batches trained.
    files: content by file name.
    keep_last: see `prune`; permanent: whether pruning never takes this one.
    Raises LearnerkitError when the disk refuses; the checkpoints that were there are still there then.
    """
    name = folder_name(epoch, step)
    target, temporary, displaced = parent / name, parent / f".tmp-{name}-{os.getpid()}", parent / f".del-{name}"
    tidy(parent)
    try:
        fsops.make_folder(temporary)
        for file, data in files.items():
            write_synced(temporary / file, data)
        sums = {file: {"bytes": len(data), "sha256": sha256(data)} for file, data in files.items()}
        manifest = {"schema": SCHEMA, "epoch": epoch, "step": step, "permanent": permanent, "files": sums}
        write_synced(temporary / MANIFEST, to_json({**manifest, "seal": _seal(manifest)}).encode())
        fsops.sync(temporary)
        if target.exists():
            fsops.replace(target, displaced)
        fsops.replace(temporary, target)
        fsops.sync(parent)
        shutil.rmtree(displaced, ignore_errors=True)
    except BaseException as error:
        tidy(parent)  # puts back what was displaced
        if isinstance(error, OSError):
            raise LearnerkitError(f"{target}: the checkpoint could not be written ({error})") from error
        raise
    point(parent, "last", target)
    prune(parent, keep_last, (epoch, step))
    return Checkpoint(target, epoch, step)


def recover(parent: Path) -> None:
    """Put back a checkpoint that a killed writer had moved away to write it anew; only the owner may call this."""
    for displaced in parent.glob(".del-epoch_*"):
        target = parent / displaced.name.removeprefix(".del-")
        if not target.exists() and (displaced / MANIFEST).exists():
            os.replace(displaced, target)


def set_aside(parent: Path, used: Checkpoint) -> None:
    """Rename checkpoints past the one that a resume uses: they are damaged, and must not count as the newest."""
    for path in candidates(parent):
        if _position(path) > (used.epoch, used.step):
            os.replace(path, parent / f".bad-{path.name}-{os.getpid()}")


def tidy(parent: Path) -> None:
    """Remove what killed writers left, after putting back what they had moved away; only the owner may call this."""
    recover(parent)
    remove_leftovers(parent)
    for pattern in (".tmp-*", ".del-*"):
        for orphan in parent.glob(pattern):
            shutil.rmtree(orphan, ignore_errors=True)


def _seal(manifest: dict) -> str:
    """Checksum of what a manifest says, so that a changed line of it is seen too."""
    return sha256(to_json({key: value for key, value in manifest.items() if key != "seal"}, indent=None).encode())


def point(parent: Path, name: str, target: Path, **extra: float) -> None:
    """Make the pointer `name`.json say which checkpoint it means."""
    write_json(parent / f"{name}.json", {"checkpoint": target.name, **extra})


def check(path: Path) -> Checkpoint:
    """The checkpoint at `path` with every file's size and checksum verified; DataError names the file at fault."""
    manifest = read_json(path / MANIFEST)
    try:
        entries, epoch, step = manifest["files"].items(), int(manifest["epoch"]), int(manifest["step"])
        if manifest["schema"] != SCHEMA:
            raise DataError(f"{path / MANIFEST}: schema {manifest['schema']}, this version reads {SCHEMA}")
        if manifest["seal"] != _seal(manifest) or path.name != folder_name(epoch, step):
            raise DataError(f"{path / MANIFEST}: was changed since it was written")
        for file, entry in entries:
            data = (path / file).read_bytes() if (path / file).is_file() else None
            if data is None:
                raise DataError(f"{path / file}: is missing")
            if len(data) != entry["bytes"] or sha256(data) != entry["sha256"]:
                raise DataError(f"{path / file}: differs from its checksum in {MANIFEST}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path / MANIFEST}: is damaged ({error!r})") from error
    return Checkpoint(path, epoch, step)


def candidates(parent: Path) -> list[Path]:
    """Checkpoint folders, newest position first, not yet checked."""
    folders = [path for path in parent.glob("epoch_*_step_*") if path.is_dir() and NAME.fullmatch(path.name)]
    return sorted(folders, reverse=True, key=_position)


def _position(path: Path) -> tuple[int, int]:
    epoch, step = NAME.fullmatch(path.name).groups()
    return int(epoch), int(step)


def newest(parent: Path) -> tuple[Checkpoint, list[str]]:
    """The newest checkpoint that passes its checks, and one line for each newer one that does not."""
    faults = []
    for path in candidates(parent):
        try:
            return check(path), faults
        except DataError as error:
            faults.append(str(error))
    detail = ": " + "; ".join(faults) if faults else ""
    raise RunError(f"{parent}: holds no usable checkpoint{detail}. Start the run anew under another name.")


def prune(parent: Path, keep_last: int, last: tuple[int, int]) -> None:
    """Remove older checkpoints; what the disk refuses to remove now goes at the next commit.

    keep_last: how many of the newest stay, at least 2; the one that best.json names and permanent ones always stay.
    last: the position just committed; folders past it are left alone.
    """
    try:
        best = read_json(parent / "best.json")["checkpoint"]
    except (DataError, KeyError, TypeError):
        best = None
    older = [path for path in candidates(parent) if _position(path) <= last]
    for path in older[max(2, keep_last) :]:
        if path.name == best or _is_permanent(path):
            continue
        doomed = parent / f".del-{path.name}"
        try:
            fsops.replace(path, doomed)
            (doomed / MANIFEST).unlink(missing_ok=True)  # so that nobody takes it for a displaced one
            fsops.remove_tree(doomed)
        except OSError:
            shutil.rmtree(doomed, ignore_errors=True)


def _is_permanent(path: Path) -> bool:
    try:
        return bool(read_json(path / MANIFEST).get("permanent"))
    except (DataError, AttributeError):
        return False
