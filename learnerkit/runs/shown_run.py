"""One run on a screen: what it is, how it goes on, its figures, what was set, what lies in its folder. No torch."""

import shlex
from pathlib import Path
from typing import Any

from learnerkit.core.checkpoint import candidates
from learnerkit.core.described import all_settings, flat
from learnerkit.core.disk import bytes_of, shown_bytes
from learnerkit.core.duration import shown_duration
from learnerkit.core.errors import LearnerkitError
from learnerkit.core.files import PathLike
from learnerkit.core.labels import worded
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import one_line
from learnerkit.runs.index import is_run, read_row
from learnerkit.runs.listing import cell
from learnerkit.tasks import all_recipes

SHORT = {"wrong": "wrong", "signs": "signs", "goes on": "goes_on"}  # lines of a run that has some
STOPPED = ("killed", "interrupted", "failed")
EARLY = ("test_", "valid_", "best_")  # figures that stand first


def shown_run(path: PathLike) -> dict[str, Any]:
    """What is to be told of a run, in JSON's types; a damaged run tells what is wrong with it.

    path: the run folder. RunError where it is none.
    """
    run = RunFolder(path)
    if not is_run(run.path):
        run = RunFolder.open(path)
    row = read_row(run.path)
    content = row.content()
    described = {} if row.state == "damaged" else _described(run)
    resumes = described.get("resumes")
    page, fits = run.file("report.html"), [described, *(resumes if isinstance(resumes, list) else [])]
    return {
        **content,
        "bytes": bytes_of(run.path),
        "goes_on": goes_on(run, row.state, described),
        "differing": differing(described) if described else {},
        "files": files_of(run.path),
        "checkpoints": [one.name for one in candidates(run.checkpoints)],
        "evaluations": sorted(file.parent.name for file in run.path.glob("evaluations/*/results.json")),
        "page": str(page) if page.exists() else None,
        "commands": [str(one["command"]) for one in fits if isinstance(one, dict) and one.get("command")],
    }


def _described(run: RunFolder) -> dict[str, Any]:
    try:
        return run.described()
    except LearnerkitError:
        return {}


def goes_on(run: RunFolder, state: str, described: dict[str, Any]) -> str | None:
    """How a run that did not come to its end goes on: a command, or for a script words; None where nothing does.

    state: as `RunFolder.standing` has it; described: of run.json, {} where that cannot be read.
    """
    if state not in STOPPED or not described:
        return None
    if described.get("resolved") is None:
        return f"run its script again with Run({str(run.path.parent)!r}, {run.path.name!r}, resume=True)"
    before, found, _ = str(described.get("command") or "").partition(" train ")
    program = before if found else "learnerkit"
    return f"{program} train --resume {shlex.quote(str(run.path))}"


def differing(described: dict[str, Any]) -> dict[str, Any]:
    """The settings that differ from the defaults of the run's task; of a script all that it gave and that are not none.

    described: of run.json.
    """
    settings, recipes, task = all_settings(described), all_recipes(), str(described.get("task"))
    if described.get("resolved") is None or task not in recipes:
        return {key: value for key, value in settings.items() if value not in (None, ()) and "callbacks." not in key}
    defaults = flat(recipes[task]().model_dump(mode="json"))
    return {key: value for key, value in settings.items() if value != defaults.get(key) and key != "task"}


def files_of(folder: Path) -> dict[str, int]:
    """Bytes of each file of a folder, and of each folder in it, by name; the greatest first."""
    try:
        sizes = {entry.name: bytes_of(entry) if entry.is_dir() else entry.lstat().st_size for entry in folder.iterdir()}
    except FileNotFoundError:
        return {}
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def figure_texts(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, figure) of the results, those of the parts first."""

    def rank(key: str) -> int:
        return next((place for place, part in enumerate(EARLY) if key.startswith(part)), len(EARLY))

    order = sorted(figures, key=rank)
    return [(key, cell(key, figures[key])) for key in order if figures[key] is not None]


def run_lines(found: dict[str, Any], most_files: int = 12) -> list[str]:
    """A run in lines for a terminal.

    found: of `shown_run`; most_files: that are listed.
    """
    began, epochs = found["started"], f"{found['epochs']}/{found['n_epoch']}" if found["n_epoch"] else found["epochs"]
    lines = [f"{found['path']}", _line("what", " · ".join(filter(None, (found["title"], found["task"]))))]
    told = [found["state"], f"{epochs} epochs", f"begun {began}" if began else ""]
    lines.append(_line("state", ", ".join(filter(None, told))))
    if found["seconds"]:
        lines.append(_line("trained for", shown_duration(found["seconds"])))
    lines += [_line(name, found[key]) for name, key in SHORT.items() if found[key]]
    if found["best"] is not None:
        lines.append(_line("best", f"{found['monitor']} {cell('best', found['best'])}"))
    lines += _block("figures", figure_texts(found["figures"]))
    lines += _block("settings that differ from their defaults", [(k, worded(v)) for k, v in found["differing"].items()])
    files = list(found["files"].items())
    lines += _block(f"files, {shown_bytes(found['bytes'])}", [(name, shown_bytes(n)) for name, n in files[:most_files]])
    if len(files) > most_files:
        rest = sum(size for _, size in files[most_files:])
        lines.append(f"    and {len(files) - most_files} more with {shown_bytes(rest)}")
    lines += [_line(key, ", ".join(found[key])) for key in ("checkpoints", "evaluations") if found[key]]
    lines.append(_line("page", found["page"] or "none yet; `learnerkit report` makes it"))
    return lines


def _line(name: str, text: str) -> str:
    return f"  {name:<20} {one_line(str(text))}"


def _block(title: str, pairs: list[tuple[str, str]]) -> list[str]:
    if not pairs:
        return []
    wide = min(34, max(len(name) for name, _ in pairs))
    return [f"  {title}", *(f"    {one_line(name):<{wide}} {one_line(text)}" for name, text in pairs)]
