"""`diff_runs`: what differs between two runs of one task, from their files alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from learnerkit.core.changed import (
    SEED,
    SETTING,
    Change,
    MemberChanges,
    changed_data,
    changed_environment,
    changed_members,
    changed_settings,
)
from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.files import PathLike
from learnerkit.core.labels import key_names
from learnerkit.core.members import read_members
from learnerkit.core.parted import Course, contradictions, course_of, read_batches
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import some
from learnerkit.data.loaders import KitLoaders
from learnerkit.pages.changes import Changes, Measured
from learnerkit.runs.load import rebuild_dls
from learnerkit.task import Task
from learnerkit.tasks import task_of

SHOWN = 24  # pictures of each kind of flip
DAMAGED = (LearnerkitError, KeyError, TypeError, ValueError, AttributeError, IndexError)
T = TypeVar("T")


@dataclass
class Side:
    """One of the two runs: its folder, what it is called, run.json, results, ledger and state."""

    run: RunFolder
    name: str
    described: dict[str, Any]
    results: dict[str, Any]
    history: list[dict[str, Any]]
    state: str


@dataclass
class Difference:
    """What differs between two runs, A and B.

    settings: the most telling first; environment, data: see `core.changed`; members: None where a run names none.
    course: where the losses part; changes: what they predict otherwise; notes: what could not be compared, and why.
    """

    first: Side
    second: Side
    task: Task
    settings: list[Change]
    environment: list[Change]
    data: list[Change]
    members: MemberChanges | None
    course: Course
    changes: Changes
    notes: list[str] = field(default_factory=list)

    @property
    def sides(self) -> tuple[Side, Side]:
        """A and B."""
        return self.first, self.second

    @property
    def telling(self) -> list[Change]:
        """The settings that differ, the seed last among them: neither what follows from them nor bookkeeping."""
        return [change for change in self.settings if change.kind in (SETTING, SEED)]

    @property
    def headline(self) -> str:
        """The difference in a line: the setting, where one alone differs."""
        telling = self.telling
        names = dict(
            zip((change.key for change in telling), key_names([change.key for change in telling]), strict=True)
        )
        said = [f"{names[change.key]} {' -> '.join(change.words)}" for change in telling]
        others = [name for name, found in (("data", self.data), ("environment", self.environment)) if found]
        if not telling:
            text = f"No setting differs; the {' and the '.join(others)} does" if others else ""
            return f"{text}." if text else "No setting differs, and neither do environment and data."
        if len(telling) == 1:
            return f"One setting differs, A -> B: {said[0]}."
        return f"{len(telling)} settings differ, A -> B: {some(said, 4)}."


def diff_runs(first: PathLike, second: PathLike, data: PathLike | None = None, samples: int = SHOWN) -> Difference:
    """What differs between two runs of one task: recipe, environment, data, course, figures, samples.

    first, second: run folders, A and B.
    data: where the data are now, for pictures that neither run kept; where they were when None.
    samples: how many pictures of each kind of flip, at most.
    A run that is not finished or not measured is compared in what it has, and `notes` say so. RunError for what is no
    run, one run twice, or runs of different tasks.

    Examples:
        >>> for lr in (0.1, 0.2):
        ...     learn = image_learner(digits_dls(limit=64), "tiny_cnn", lr=lr, cbs=Run("runs", f"{lr}", report=False))
        ...     with learn.no_bar(), learn.no_logging():
        ...         learn.fit(1)
        >>> diff_runs("runs/0.1", "runs/0.2").settings[0].key
        'learner.args.lr'
    """
    notes: list[str] = []
    a, b = _sides(Path(first), Path(second), notes)
    task = _common_task(a, b)
    read = [_noted(notes, side, lambda side=side: read_members(side.run.path), None) for side in (a, b)]
    batches = [read_batches(side.run.file("batch_metrics.csv")) for side in (a, b)]
    for side, found in zip((a, b), batches, strict=True):
        notes += [
            f"{side.name}: its history contradicts itself: {line}" for line in contradictions(side.history, found)
        ]
        notes += [f"{side.name}: has no batch_metrics.csv, so that no step is compared"] * (not found)
        lost = [name for call in side.described["recipe"].values() for name in (call or {}).get("lost", ())]
        notes += [f"{side.name}: was built with {some(lost)}, which no file records; it is not compared"] * bool(lost)
    return Difference(
        a,
        b,
        task,
        changed_settings(a.described, b.described),
        changed_environment(a.described, b.described),
        changed_data(a.described, b.described),
        None if None in read else changed_members(*read),
        course_of(*batches),
        _changes(task, a, b, data, samples, notes),
        notes,
    )


def _sides(first: Path, second: Path, notes: list[str]) -> tuple[Side, Side]:
    """Both runs, read; RunError where one is no run, or they are one."""
    for path in (first, second):
        if path.is_file():
            held = path.parent if path.name != "run.json" and (path.parent / "run.json").exists() else None
            advice = (
                f"give the run's folder, {held or path.parent}" if held or path.name == "run.json" else "give folders"
            )
            raise RunError(f"{path}: is a file, and a diff reads run folders; {advice}")
        if not path.is_dir():
            raise RunError(f"{path}: no such folder; give the folders of two runs")
    if first.resolve() == second.resolve():
        raise RunError(f"{first} and {second}: are one run; give two, such as diff runs/digits/a runs/digits/b")
    return _side(first, "A", notes), _side(second, "B", notes)


def _side(path: Path, name: str, notes: list[str]) -> Side:
    run = RunFolder.open(path)
    side = Side(run, name, run.described(), {}, [], "")
    side.state = _noted(notes, side, run.standing, "")
    side.results = _noted(notes, side, run.results, {})
    side.history = _noted(notes, side, run.history, [])
    if side.state != "done":
        asked = side.described.get("n_epoch")
        of = f" of {asked}" if asked else ""
        notes.append(
            f"{name}: is {side.state or 'of no state'} after {len(side.history)}{of} epochs; compared in what it has"
        )
    return side


def _noted(notes: list[str], side: Side, read: Callable[[], T], otherwise: T) -> T:
    """What is read of a run; where it is damaged, a note and something in its place."""
    try:
        return read()
    except DAMAGED as error:
        notes.append(f"{side.name}: {_said(error)}")
        return otherwise


def _said(error: Exception) -> str:
    """What was wrong, in words: what is no error of learnerkit's comes of a file that holds something else."""
    return str(error) if isinstance(error, LearnerkitError) else f"a file is damaged ({type(error).__name__}: {error})"


def _common_task(a: Side, b: Side) -> Task:
    tasks = [side.described["task"] for side in (a, b)]
    if tasks[0] != tasks[1]:
        changed = changed_environment(a.described, b.described)
        same = f"differ in {some([change.key for change in changed])}" if changed else "are the same"
        raise RunError(
            f"{a.run.path} is of the task {tasks[0]}, {b.run.path} of {tasks[1]}: their settings, courses and samples "
            f"are not of one kind, and there is nothing to compare but their environments, which {same}. Give two runs "
            "of one task."
        )
    return task_of(a.described, a.run.path)


def _changes(task: Task, a: Side, b: Side, data: PathLike | None, samples: int, notes: list[str]) -> Changes:
    """What the task finds, and its measures from results.json where it finds no figures."""
    found = Changes()
    unmeasured = [side for side in (a, b) if not side.run.file("predictions.npz").exists()]
    if task.changes is not None and not unmeasured:
        try:
            found = task.changes(a.run, b.run, samples, _loaders((a, b), data, notes))
        except DAMAGED as error:
            notes.append(f"figures, classes and samples are not compared: {_said(error)}")
    elif unmeasured:
        for side in unmeasured:
            notes.append(
                f"{side.name}: has no predictions.npz, so that neither classes nor samples are compared; "
                f"`learnerkit evaluate {side.run.path}` measures it"
            )
    for part in ("valid", "test"):
        measures = [f"{name}_tta" for name in task.measures[:1]]
        measures = [*task.measures, *measures] if not found.figures or not found.shared else measures
        for name in measures:
            values = [side.results.get(f"{part}_{name}") for side in (a, b)]
            if values != [None, None] and (None not in values or not name.endswith("_tta")):
                found.figures.append(Measured(part, name, 0, *values))
    notes += found.notes
    return found


def _loaders(sides: tuple[Side, Side], data: PathLike | None, notes: list[str]) -> Callable[[], KitLoaders | None]:
    """A function that reads the data of the first run that allows it; None, and a note, where neither does."""

    def read() -> KitLoaders | None:
        errors = []
        for side in sides:
            try:
                return rebuild_dls(side.run.path, data)
            except DAMAGED as error:
                errors.append(_said(error))
        notes.append(f"pictures that no run kept cannot be read from the data: {errors[0]}")
        return None

    return read
