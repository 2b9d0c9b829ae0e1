"""The run folder: its layout, its lock, its status and its ledger.

    runs/<experiment>/<name>/
      run.json  status.json  lock.json  training.log  history.jsonl  metrics.csv  batch_metrics.csv  history.json
      results.json  class_names.json  classification_report.txt  predictions.npz  predictions.csv
      best_model.safetensors  final_model.safetensors  model.json  checkpoints/  figures/  report.html

The ledger history.jsonl (one line an epoch) is the source of truth; metrics.csv grows with it, and
both metrics.csv and history.json are made from it and replaced whole when a fit ends, however it ends, or is resumed.
"""

import csv
import io
import os
import time
import weakref
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import (
    PathLike,
    append_line,
    atomic_write,
    read_json,
    read_ledger,
    remove_leftovers,
    to_json,
    write_json,
)
from learnerkit.core.run_lock import is_held, take
from learnerkit.core.run_schema import check_described
from learnerkit.core.text import now, valid_text

# columns of the ledger that say how the machine was, and not what was learnt: another pass has other values
OF_THE_MACHINE = ("seconds", "samples_per_s", "peak_memory_mb", "timestamp")
STATES = ("created", "running", "interrupted", "failed", "done")
WEIGHTS = ("best_model", "final_model")  # names of the files of weights
GOING_ON = ("created", "running")


class RunFolder:
    """One run's folder; every write of run state goes through it.

    path: the folder itself.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._release: weakref.finalize | None = None

    @classmethod
    def create(cls, root: PathLike, name: str | None = None) -> "RunFolder":
        """Make a new run folder under `root`.

        root: the experiment's folder, made when missing.
        name: the run's name; without one, the date and the first free number are taken.
        Raises RunError when a run of that name is there already.
        """
        root = Path(root)
        try:
            root.mkdir(parents=True, exist_ok=True)
            if name is not None:
                cls.refuse_taken(root, name)
                (root / name).mkdir()
        except OSError as error:
            raise RunError(
                f"{root / (name or '')}: cannot be made ({error.strerror}); choose another --out or --name"
            ) from error
        if name is not None:
            run = cls(root / name)
        else:
            stamp = time.strftime("%Y%m%d")
            for number in range(1, 100_000):
                try:
                    (root / f"{stamp}-{number:03d}").mkdir()
                except FileExistsError:
                    continue
                run = cls(root / f"{stamp}-{number:03d}")
                break
        run.lock()
        run.set_status("created")
        return run

    @staticmethod
    def refuse_taken(root: PathLike, name: str) -> None:
        """RunError when `name` cannot be a new run under `root`: no folder name, or there already."""
        if Path(name).name != name or name in ("", ".", ".."):
            raise RunError(f"run name '{name}': must be one folder name, without '/' and not '..'")
        if os.path.lexists(Path(root) / name):
            raise RunError(
                f"{Path(root) / name}: a run of this name is there already; nothing was overwritten. "
                "Choose another name (--name) or go on with it (--resume)."
            )

    @classmethod
    def open(cls, path: PathLike) -> "RunFolder":
        """An existing run, for reading; RunError when `path` is not a run."""
        run = cls(path)
        if not (run.path / "run.json").is_file():
            raise RunError(
                f"{run.path}: is not a run folder (it has no run.json). "
                "Give the folder that `learnerkit train` printed, such as runs/digits/20260101-001."
            )
        return run

    def file(self, name: str) -> Path:
        """Path of a file of the run."""
        return self.path / name

    @property
    def checkpoints(self) -> Path:
        """The folder of complete, resumable states."""
        return self.path / "checkpoints"

    def described(self) -> dict[str, Any]:
        """The content of run.json; RunError when it is not what a run writes, or of a later schema."""
        return check_described(self.file("run.json"), read_json(self.file("run.json")))

    @property
    def is_done(self) -> bool:
        """Whether it was trained to its end."""
        return self.status().get("state") == "done"

    def results(self) -> dict[str, Any]:
        """The content of results.json; {} before there are any."""
        path = self.file("results.json")
        content = read_json(path) if path.exists() else {}
        if not isinstance(content, dict):
            raise DataError(f"{path}: is damaged, it is no JSON object")
        return content

    def write_results(self, figures: dict[str, Any], anew: bool = False) -> dict[str, Any]:
        """Lay figures over results.json, or begin it anew with them; returns its content."""
        content = {**({} if anew else self.results()), **figures}
        write_json(self.file("results.json"), content)
        return content

    def lock(self) -> None:
        """Become the owner of the run, until `unlock` or the end of the process; RunError when another is."""
        if self._release is None:
            self._release = take(self.path, self)
            remove_leftovers(self.path)  # of an owner that was killed

    def unlock(self) -> None:
        """Give the run up."""
        if self._release is not None:
            self._release()
            self._release = None

    def set_status(self, state: str, **detail: Any) -> None:
        """Record the state, one of `STATES`, with a time and any detail; one that ends a fit makes the tables anew."""
        if state not in STATES:
            raise ValueError(f"state '{state}' is not one of {', '.join(STATES)}")
        tables = state not in GOING_ON and self.file("history.jsonl").exists()
        if tables and state == "done":
            self._derive(self.history())
        write_json(self.file("status.json"), {"state": state, "updated": now(), **detail})
        if tables and state != "done":  # last: what stopped the run may be a full disk
            self._derive(self.history())

    def status(self) -> dict:
        """The last recorded state."""
        return read_json(self.file("status.json"))

    def standing(self) -> str:
        """The last recorded state; 'killed' of a run that says to go on and whose process is gone, '' of no status."""
        state = self.status().get("state", "") if self.file("status.json").exists() else ""
        return "killed" if state in GOING_ON and not is_held(self.path) else state

    def log(self, text: str) -> None:
        """Append a timed line to training.log."""
        append_line(self.file("training.log"), f"{now()} {text}")

    def append_epoch(self, row: dict) -> None:
        """Add one epoch to the ledger and to metrics.csv; history.json follows with the state that ends a fit."""
        append_line(self.file("history.jsonl"), to_json(row, indent=None))
        table = self.file("metrics.csv")
        if not table.exists() or any(key not in columns_of(table) for key in row):
            atomic_write(table, csv_text(self.history()))
        else:
            append_line(table, csv_text([row], columns_of(table)).partition("\n")[2].removesuffix("\n"))

    def history(self) -> list[dict]:
        """The epochs of the ledger."""
        return read_ledger(self.file("history.jsonl"))

    def cut_history(self, epochs: int) -> None:
        """Drop what the ledgers hold past `epochs` finished epochs, as a resume from there demands."""
        rows = self.history()[:epochs]
        atomic_write(self.file("history.jsonl"), "".join(to_json(row, indent=None) + "\n" for row in rows))
        self._derive(rows)

    def _derive(self, rows: list[dict]) -> None:
        atomic_write(self.file("metrics.csv"), csv_text(rows))
        columns: dict[str, list] = {}
        for row in rows:
            for key in row:
                columns.setdefault(key, [])
        write_json(self.file("history.json"), {key: [row.get(key) for row in rows] for key in columns})


def columns_of(table: Path) -> list[str]:
    """The columns that the first line of a CSV names."""
    with table.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


def csv_text(rows: list[dict], keys: list[str] | None = None) -> str:
    """Rows as CSV below a header; what is no UTF-8 as `valid_text` has it.

    keys: the columns; the union of the rows' keys when None.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row)) if keys is None else keys
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return valid_text(text.getvalue())


def cut_csv(path: Path, last_step: int) -> int:
    """Drop the lines past a step, and a torn last line; returns the number of lines kept."""
    if not path.exists():
        return 0
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    if not lines or not lines[0].startswith("step,") or not lines[0].endswith("\n"):
        path.unlink()
        return 0
    header, *lines = lines
    numbered = [(line, line.split(",", 1)[0]) for line in lines if line.endswith("\n")]
    kept = [line for line, number in numbered if number.isdigit() and int(number) <= last_step]
    atomic_write(path, header + "".join(kept))
    return len(kept)
