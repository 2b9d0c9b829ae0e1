"""Which runs can be compared: those below some folders, each once; others are left out by name, with the reason."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.files import read_json
from learnerkit.core.finished import Finished
from learnerkit.core.profiles import read_summary
from learnerkit.core.run_folder import RunFolder
from learnerkit.tasks import task_of


@dataclass
class Candidates:
    """What was found below some folders.

    root: the one folder, or the one that holds them all; runs: what can be read, in the order of the folders.
    left_out: what else there is, a line each; unfinished: those of them that did not come to their end.
    """

    root: Path
    runs: list[Finished] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


def find_candidates(roots: Sequence[Path]) -> Candidates:
    """The finished runs below folders, each named by its place below what holds them all; a run may be given itself."""
    found, seen = Candidates(root := _common(roots)), set()
    for given in roots:
        folders = sorted(path.parent for path in given.rglob("run.json")) if given.is_dir() else []
        if not folders:
            found.left_out.append(f"{given}: " + ("holds no run" if given.is_dir() else "no such folder"))
        for folder in folders:
            if (key := folder.resolve()) in seen:
                continue
            seen.add(key)
            try:
                found.runs.append(_read(RunFolder.open(folder), _name(folder, root)))
            except (LearnerkitError, KeyError, TypeError, AttributeError, IndexError) as error:
                found.unfinished.append(f"{_name(folder, root)}: {error}")
        found.unfinished += [line for line in _never_begun(given, root) if line not in found.unfinished]
    found.left_out += found.unfinished
    return found


def _common(roots: Sequence[Path]) -> Path:
    """The one folder, or the one that holds them all; relative where they are."""
    if len(roots) == 1:
        return roots[0]
    root = os.path.commonpath([path.absolute() for path in roots])
    return Path(root if any(path.is_absolute() for path in roots) else os.path.relpath(root))


def _name(folder: Path, root: Path) -> str:
    name = os.path.relpath(folder.absolute(), root.absolute())
    return folder.name if name == "." else name


def _read(run: RunFolder, name: str) -> Finished:
    described, status = run.described(), read_json(run.file("status.json"))
    if status.get("state") != "done":
        raise RunError(unfinished(run.standing(), status.get("error")))
    finished = task_of(described, run.path).ranking.read(run, described)
    finished.name, finished.profile = name, read_summary(run.path)
    return finished


def unfinished(state: str, reason: str | None = None) -> str:
    """Why a run does not count: 'failed: out of memory', 'was killed', 'is running'.

    state: as `RunFolder.standing` has it; reason: of a failure, where it is known.
    """
    known = {"failed": "failed", "killed": "was killed", "interrupted": "was interrupted", "": "has no state"}
    text = known.get(state, f"is {state}")
    return f"{text}: {reason}" if reason else text


def _never_begun(given: Path, root: Path) -> Iterator[str]:
    """The trials of sweeps below a folder that have no run."""
    for file in sorted(given.rglob("sweep.json")) if given.is_dir() else []:
        for trial in _trials(file):
            folder = file.parent / str(trial.get("trial"))
            if trial.get("state") != "done" and not (folder / "run.json").exists():
                said = unfinished(str(trial.get("state")), trial.get("reason"))
                yield f"{_name(folder, root)}: {said}; it has no run"


def _trials(file: Path) -> list[dict[str, Any]]:
    try:
        return [trial for trial in read_json(file)["trials"] if isinstance(trial, dict)]
    except (LearnerkitError, KeyError, TypeError):
        return []


def comparable(found: Candidates) -> list[Finished]:
    """The most runs of one task that were measured on the same samples; the first of equally many.

    What is not among them is added to what was left out. RunError where no run is finished, or no two can be compared.
    """
    if not found.runs:
        detail = ":\n  " + "\n  ".join(found.left_out) if found.left_out else ""
        raise RunError(f"{found.root}: holds no finished run that was evaluated{detail}")
    groups: dict[tuple[str, str, str], list[Finished]] = {}
    for run in found.runs:
        groups.setdefault((run.described["task"], run.part, run.samples), []).append(run)
    chosen = max(groups.values(), key=len)
    if len(groups) > 1 and len(chosen) == 1:
        listed = "\n  ".join(f"{', '.join(key[:2])} {key[2]}: {runs[0].name}" for key, runs in groups.items())
        tasks = sorted({task for task, _, _ in groups})
        if len(tasks) == len(groups):
            how, advice = f"are of different tasks ({', '.join(tasks)})", "Compare the runs of each task apart."
        else:
            how = f"were measured on different {chosen[0].part} samples"
            advice = "Train them with one split_seed and one set, or compare the groups apart."
        raise RunError(f"{found.root}: these runs {how} and cannot be ranked:\n  {listed}\n{advice}")
    others = [run for runs in groups.values() if runs is not chosen for run in runs]
    found.left_out += [f"{run.name}: {_unlike(run, chosen[0])}" for run in others]
    return chosen


def _unlike(run: Finished, first: Finished) -> str:
    """Why a run cannot stand beside another."""
    if run.described["task"] != first.described["task"]:
        return f"is of the task {run.described['task']}, the others of {first.described['task']}"
    if run.part != first.part:
        return f"was measured on {run.part}, the others on {first.part}"
    return f"was measured on other {run.part} samples ({run.n:,}) than the {first.n:,} of {first.name}"
