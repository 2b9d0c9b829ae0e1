"""Every run below a folder as a flat row, from its run.json, status.json, ledger and results.json alone. No torch."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnerkit.core.described import all_settings, makes_a_variant, title_of
from learnerkit.core.disk import bytes_of
from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.files import PathLike, read_json, read_last, read_ledger
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.run_lock import is_held
from learnerkit.core.run_schema import check_described

FACTS = (
    *("name", "path", "state", "task", "title", "epochs", "n_epoch", "started", "updated", "seconds", "seed"),
    *("monitor", "mode", "best", "signs", "bytes", "wrong"),
)
READ = ("run.json", "status.json", "history.jsonl", "results.json")  # a row follows from these, and from the lock
PASSING = ("created", "running", "killed")  # states that the lock decides
WANTED = ". Give a folder of runs, such as runs"
UNREADABLE = (LearnerkitError, OSError, LookupError, TypeError, AttributeError, ValueError, RecursionError)


@dataclass
class Row:
    """One run.

    name: its place below the folder that was looked through; path: of its folder; title: its model and data.
    state: as `RunFolder.standing` has it, 'damaged' where run.json cannot be read; wrong: what is wrong with it, ''.
    epochs: trained; n_epoch: asked for; started, updated: local times; seconds: of training.
    monitor, mode, best: the figure that chose its weights, and that figure's best value.
    signs: of a bad training that were told and have not passed, by their names; None for none.
    figures: of results.json by their names; settings: by dotted key; bytes: on the disk, None where not asked for.
    """

    name: str
    path: Path
    state: str = ""
    wrong: str = ""
    task: str | None = None
    title: str = ""
    epochs: int = 0
    n_epoch: int | None = None
    started: str | None = None
    updated: str | None = None
    seconds: float | None = None
    seed: int | None = None
    monitor: str | None = None
    mode: str | None = None
    best: float | None = None
    signs: str | None = None
    bytes: int | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """The row in JSON's types."""
        return {**{fact: getattr(self, fact) for fact in FACTS}, "figures": self.figures, "settings": self.settings}

    def variants(self) -> dict[str, Any]:
        """The settings that make a variant of a run."""
        return {key: value for key, value in self.settings.items() if makes_a_variant(key)}


@dataclass
class Index:
    """The runs at or below a folder, read anew only where a file has changed since.

    root: the folder; looked: how many folders the last look went through.
    """

    root: Path
    looked: int = 0
    known: dict[Path, tuple[Any, Row]] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """A row for every run that is there now, in the order of their places; RunError where there is no such folder.

        Rows of runs whose files and lock are as they were are the same objects.
        """
        if not self.root.is_dir():
            raise RunError(f"{self.root}: " + ("is a file" if self.root.exists() else "no such folder") + WANTED)
        found: dict[Path, tuple[Any, Row]] = {}
        self.looked = 0
        for folder in self._folders(self.root):
            try:
                stamp = stamp_of(folder)
                key, row = self.known.get(folder, (None, None))
                if key != stamp:
                    row = read_row(folder, self.name_of(folder))
                elif row.state in PASSING and _state(folder, row) != row.state:
                    row = read_row(folder, row.name)
                found[folder] = (stamp, row)
            except FileNotFoundError:  # it was removed while it was looked at
                continue
        self.known = found
        return [row for _, row in found.values()]

    def name_of(self, folder: Path) -> str:
        """The place of a run below the folder; of the folder itself its own name."""
        place = folder.relative_to(self.root).as_posix()
        return folder.absolute().name if place == "." else place

    def _folders(self, folder: Path) -> Iterator[Path]:
        """The run folders at or below one, none within another; links and hidden folders are passed over."""
        self.looked += 1
        if is_run(folder):
            yield folder
            return
        try:
            with os.scandir(folder) as entries:
                below = [entry.name for entry in entries if entry.name[0] != "." and _is_folder(entry)]
        except OSError:  # it is gone, or closed to us
            return
        for name in sorted(below):
            yield from self._folders(folder / name)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's, also of one that never began; such has no run.json yet."""
    has = os.path.isfile
    return has(folder / "run.json") or (has(folder / "status.json") and has(folder / "lock.json"))


def find_runs(root: PathLike, sizes: bool = False) -> list[Row]:
    """Every run at or below a folder, as rows; a damaged one is a row that says what is wrong with it.

    root: the folder; sizes: whether the bytes that each takes on the disk are counted, which walks through it.
    RunError where there is no such folder, or no run in it.
    """
    index = Index(Path(root))
    rows = index.rows()
    if not rows:
        raise RunError(no_runs(index))
    if sizes:
        for row in rows:
            row.bytes = bytes_of(row.path)
    return rows


def no_runs(index: Index) -> str:
    """Words for a folder without runs."""
    looked = "1 folder was" if index.looked == 1 else f"{index.looked:,} folders were"
    return f"{index.root}: holds no run ({looked} looked through; a run is a folder with run.json){WANTED}"


def read_row(folder: Path, name: str = "") -> Row:
    """The row of one run; FileNotFoundError where its folder is gone.

    name: how it is called; the folder's own name when ''.
    """
    run, row = RunFolder(folder), Row(name or folder.absolute().name, folder)
    try:
        _fill(row, run)
    except UNREADABLE as error:
        if not is_run(folder):
            raise FileNotFoundError(folder) from error
        text = str(error) if isinstance(error, LearnerkitError) else f"{type(error).__name__}: {error}"
        begun = run.file("run.json").exists()
        row.wrong = row.wrong or (text if begun else "has no run.json: its training never began")
        row.state = "damaged" if begun else row.state or "created"
    return row


def _fill(row: Row, run: RunFolder) -> None:
    status = read_json(run.file("status.json")) if run.file("status.json").exists() else {}
    row.updated, row.state = _text(status.get("updated")), run.standing()
    described = check_described(run.file("run.json"), read_json(run.file("run.json")))
    row.task, row.title, row.started = str(described["task"]), title_of(described), _text(described.get("started"))
    row.seed, row.n_epoch = _number(described.get("seed")), _number(described.get("n_epoch"))
    row.monitor, row.mode = _text(described.get("monitor")), _text(described.get("mode"))
    row.settings = all_settings(described)
    told = [one["sign"] for one in described.get("diagnosis") or [] if one.get("passed") is None]
    row.signs = ", ".join(dict.fromkeys(told)) or None
    results = run.results()
    row.figures = {key: value for key, value in results.items() if not isinstance(value, (dict, list))}
    row.best = _number(results.get(f"best_valid_{(row.monitor or '').removeprefix('valid_')}"))
    row.seconds = _number(results.get("seconds"))
    whole = row.best is None or row.seconds is None
    epochs = read_ledger(run.file("history.jsonl")) if whole else read_last(run.file("history.jsonl"))
    row.epochs = int(epochs[-1]["epoch"]) if epochs else 0
    row.seconds = row.seconds or sum(one.get("seconds") or 0 for one in epochs) or None
    if row.best is None and row.monitor:
        known = [one[row.monitor] for one in epochs if one.get(row.monitor) is not None]
        row.best = _number((max if row.mode == "max" else min)(known)) if known else None
    if row.state == "failed" and status.get("error"):
        row.wrong = str(status["error"])


def _number(value: Any) -> Any:
    """A number, as a damaged file may not have it in its place."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _state(folder: Path, row: Row) -> str:
    try:
        return RunFolder(folder).standing()
    except UNREADABLE:
        return row.state


def stamp_of(folder: Path) -> tuple[tuple[int, int] | None, ...]:
    """Times and sizes of the files that a row follows from."""
    found = []
    for name in READ:
        try:
            stat = os.stat(f"{folder}/{name}")
            found.append((stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append(None)
    return tuple(found)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def in_use(folder: Path) -> bool:
    """Whether a process holds a run, or a sweep that it is of, wherever that lies above it."""
    place = folder.resolve()
    return any(is_held(each) for each in (place, *place.parents))


def runs_below(folder: Path) -> list[Path]:
    """The other runs within a run's folder, which no look at the runs goes down into."""
    places = {file.parent for name in ("run.json", "status.json") for file in folder.rglob(name)}
    return sorted(place for place in places - {folder} if is_run(place))
