"""What of many runs may go: leftovers of killed writers and, when asked for, checkpoints of finished runs, failed runs.

Weights, results and pages of a finished run are never among it, nor anything of a run that a process holds.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnerkit.core.aside import leftovers, moved_aside, removed
from learnerkit.core.disk import bytes_of
from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike
from learnerkit.core.run_folder import WEIGHTS, RunFolder
from learnerkit.runs.index import Index, Row, in_use, no_runs, runs_below, stamp_of

KINDS = {
    "leftovers": "leftovers of killed writers",
    "checkpoints": "checkpoints of finished runs; their weights stay, and they cannot be trained further",
    "failed": "runs that failed or never began, whole",
}


@dataclass(frozen=True)
class Item:
    """Something that may go.

    kind: of `KINDS`; run: the run it is of, '' for none; path: what goes; bytes: that it takes; why: in words.
    folder, stamp: the run's folder and its files as they were looked at.
    """

    kind: str
    run: str
    path: Path
    bytes: int
    why: str = ""
    folder: Path | None = None
    stamp: Any = None

    def content(self) -> dict[str, Any]:
        """In JSON's types."""
        return {"kind": self.kind, "run": self.run, "path": str(self.path), "bytes": self.bytes, "why": self.why}


@dataclass
class Plan:
    """What a cleaning would free.

    root: the folder; items: what would go; left: what stays although it was asked for, and why, a line each.
    further: bytes that each kind which was not asked for would free besides.
    """

    root: Path
    items: list[Item] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    further: dict[str, int] = field(default_factory=dict)

    def bytes_of(self, kind: str | None = None) -> int:
        """Bytes of a kind, or of all."""
        return sum(item.bytes for item in self.items if kind in (None, item.kind))


def plan_cleaning(
    root: PathLike,
    kinds: Sequence[str] = (),
    older_than: float = 0,
    keep_best: int = 0,
    now: float | None = None,
) -> Plan:
    """What a cleaning of the runs at or below a folder would free; nothing is changed.

    root: the folder; kinds: of `KINDS` besides the leftovers.
    older_than: seconds since a run's state was last written; keep_best: so many runs of each task and monitored
    figure, the best ones, keep their checkpoints. now: the time in seconds.
    RunError where there is no run.
    """
    index, now = Index(Path(root)), time.time() if now is None else now
    rows = index.rows()
    left = [_leftover(rows, path) for path in leftovers(index.root, now)]
    if not rows and not left:
        raise RunError(no_runs(index))
    plan, held = Plan(index.root), {row.name for row in rows if in_use(row.path)}
    plan.items = [item for item in left if item.run not in held]
    best = best_runs(rows, keep_best)
    for row in rows:
        item = _item(row)
        if item is None or (item.kind == "checkpoints" and row.name in best):
            continue
        if item.kind not in kinds:
            plan.further[item.kind] = plan.further.get(item.kind, 0) + (0 if row.name in held else item.bytes)
        elif row.name in held:
            plan.left.append(f"{row.name}: a process holds it")
        elif item.kind == "failed" and runs_below(row.path):
            plan.left.append(f"{row.name}: has other runs below it, and stays")
        elif now - last_change(row) >= older_than:
            plan.items.append(item)
    whole = {item.path for item in plan.items if item.kind == "failed"}
    plan.items = [item for item in plan.items if item.path in whole or whole.isdisjoint(item.path.parents)]
    plan.left += [f"{row.name}: is damaged, and stays: {row.wrong}" for row in rows if row.state == "damaged"]
    plan.further = {kind: count for kind, count in plan.further.items() if count}
    return plan


def _item(row: Row) -> Item | None:
    """What of a run may go at most: its checkpoints, or all of it."""
    checkpoints, facts = row.path / "checkpoints", {"folder": row.path, "stamp": stamp_of(row.path)}
    trained = any((row.path / f"{name}.safetensors").exists() for name in WEIGHTS) or any(
        any(checkpoints.glob(pattern)) for pattern in ("epoch_*", ".del-epoch_*")
    )
    if row.state == "done" and checkpoints.is_dir() and (row.path / f"{WEIGHTS[0]}.safetensors").exists():
        return Item("checkpoints", row.name, checkpoints, bytes_of(checkpoints), **facts)
    if row.state == "failed" or not (trained or row.epochs or row.state in ("done", "damaged")):
        why = f"failed after {row.epochs} epochs" if row.state == "failed" else f"{row.state}, no epoch was trained"
        why += f": {row.wrong}" if row.wrong else ""
        return Item("failed", row.name, row.path, bytes_of(row.path), why, **facts)
    return None


def best_runs(rows: Sequence[Row], n: int) -> set[str]:
    """Names of the n best runs by the monitored figure, of each task and such figure."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        if row.best is not None:
            groups.setdefault((row.task, row.monitor, row.mode), []).append(row)
    found: set[str] = set()
    for (_, _, mode), group in groups.items():
        found |= {row.name for row in sorted(group, key=lambda row: row.best, reverse=mode == "max")[:n]}
    return found


def last_change(row: Row) -> float:
    """When a run's state was last written, in seconds; by the time of its folder where it does not say."""
    try:
        return time.mktime(time.strptime(str(row.updated), "%Y-%m-%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return row.path.stat().st_mtime


def size_of(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    return bytes_of(path) if path.is_dir() and not path.is_symlink() else path.lstat().st_size


def _leftover(rows: Sequence[Row], path: Path) -> Item:
    owner = next((row for row in rows if row.path in path.parents), None)
    name, folder = (owner.name, owner.path) if owner else ("", None)
    return Item("leftovers", name, path, size_of(path), folder=folder)


def free(plan: Plan) -> list[Item]:
    """Remove what a plan holds, each under the lock of its run; what has changed since is left, and said in the plan.

    plan: of `plan_cleaning`; returns what is gone.
    """
    gone = []
    for item in plan.items:
        try:
            if _freed(item, plan):
                gone.append(item)
        except RunError as error:
            plan.left.append(str(error))
        except OSError as error:  # it is gone meanwhile, or closed to us
            plan.left.append(f"{item.path}: cannot be removed ({error.strerror or error})")
    return gone


def _freed(item: Item, plan: Plan) -> bool:
    """Remove one item; False, and a line in the plan, where its run has changed since it was looked at."""
    if item.folder is None:
        removed(item.path)
        return True
    run = RunFolder(item.folder)
    run.lock()
    try:
        if item.stamp not in (None, stamp_of(item.folder)):
            plan.left.append(f"{item.run}: has changed since it was looked at")
            return False
        doomed = item.path if item.kind == "leftovers" else moved_aside(item.path)
    finally:
        run.unlock()
    removed(doomed)
    return True
