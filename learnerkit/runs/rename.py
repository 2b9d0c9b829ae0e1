"""Giving a run another name within its experiment."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from learnerkit.core import fsops
from learnerkit.core.errors import DataError, LearnerkitError, RunError
from learnerkit.core.files import PathLike, read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.run_lock import is_held
from learnerkit.runs.index import runs_below

ABOUT_MANY = ("comparison.html", "summary.html")  # pages beside runs that name them


@dataclass(frozen=True)
class Renamed:
    """What was done.

    before, after: the run's folder; page: whether its page was drawn anew; stale: pages that still have the old name.
    """

    before: Path
    after: Path
    page: bool = False
    stale: list[str] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """In JSON's types."""
        return {"from": str(self.before), "to": str(self.after), "page": self.page, "stale": self.stale}


def rename_run(path: PathLike, name: str, redraw: Callable[[Path], Any] | None = None) -> Renamed:
    """Rename a run's folder within its experiment, in one step, and draw its page anew, which says its name.

    path: the run folder; name: its new one; redraw: writes the page of a run, such as `write_report`.
    RunError where another process holds the run, where the name is taken or no name of a folder, and for a trial of a
    sweep, whose sweep.json knows it by its folder.
    """
    run = RunFolder.open(os.path.normpath(path) if Path(path).name else Path(path).resolve())
    place = run.path.parent / name
    RunFolder.refuse_taken(run.path.parent, name)
    if name[0] in ".-":
        raise RunError(f"run name '{name}': begins with '{name[0]}'; such folders are passed over, choose another name")
    refuse_trial(run.path)
    if held := [place for place in runs_below(run.path) if is_held(place)]:
        raise RunError(f"{held[0]}: lies below {run.path}, and a process holds it. Wait for it")
    run.lock()
    try:
        fsops.replace(run.path, place)
        fsops.sync(place.parent)
    finally:
        run.unlock()
    drawn = False
    if redraw is not None and (place / "report.html").exists():
        try:
            redraw(place)
            drawn = True
        except LearnerkitError as error:
            raise RunError(
                f"{place}: has its new name, and its page could not be drawn anew with it: {error}"
            ) from error
    stale = [str(page) for page in map(place.with_name, ABOUT_MANY) if _names(page, run.path.name)]
    return Renamed(run.path, place, drawn, stale)


def _names(page: Path, name: str) -> bool:
    return page.exists() and escape(name) in page.read_text(encoding="utf-8", errors="replace")


def refuse_trial(path: Path) -> None:
    """RunError where a run is a trial of a sweep above it."""
    if sweep := sweep_of(path):
        raise RunError(
            f"{path}: is a trial of the sweep in {sweep}, whose sweep.json knows it by this name; renamed, it would be "
            "trained again when the sweep goes on. Leave it, or copy the folder elsewhere first."
        )


def sweep_of(path: Path) -> Path | None:
    """The folder of the sweep that a run is a trial of; None where it is of none."""
    place = path.resolve()
    for above in place.parents:
        file = above / "sweep.json"
        if not file.is_file():
            continue
        try:
            names = {trial["trial"] for trial in read_json(file)["trials"]}
        except (KeyError, TypeError) as error:
            raise DataError(f"{file}: is damaged; whether {path.name} is a trial of it is not known") from error
        if place.relative_to(above).as_posix() in names:
            return above
    return None
