"""What `learnerkit doctor` examines: the installation, the device, the disk and, with a path, the data."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from learnerkit import __version__
from learnerkit.core.errors import LearnerkitError, RecipeError
from learnerkit.core.files import to_json
from learnerkit.core.levels import Line, level_of, told_lines

NEEDED = ("torch", "torchvision", "fastai", "numpy", "matplotlib", "scikit-learn", "safetensors", "pydantic")


@dataclass
class Diagnosis:
    """What `doctor` found.

    installation: lines of (good, text), good None for a warning; said: such lines of a set.
    path, task, data: of that set; its task and `Examined` are None where it cannot be examined.
    pictures: files of a written report, below its folder.
    """

    installation: list[Line] = field(default_factory=list)
    said: list[Line] = field(default_factory=list)
    path: Path | None = None
    task: str | None = None
    data: Any = None
    pictures: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[Line]:
        """All lines in the order in which they are told."""
        return [*self.installation, *self.said]

    def exit_code(self, strict: bool = False) -> int:
        """0 clean, 2 with a fault; 1 with warnings alone where they count. strict: whether they do."""
        return {"ok": 0, "warn": int(strict), "fault": 2}[level_of(self.lines)]

    def facts(self) -> dict[str, Any]:
        """All of it; its keys stand in nbs/json.md."""
        return {
            "data": self.path,
            "task": self.task,
            "level": level_of(self.lines),
            "installation": told_lines(self.installation),
            "lines": told_lines(self.said),
            "facts": {} if self.data is None else self.data.facts,
            "pictures": self.pictures,
        }

    def json(self) -> str:
        """All of it as one JSON document, as a written report has it."""
        return to_json({"learnerkit": __version__, **self.facts()})


def examine(data: Path | None = None, bad: str = "refuse") -> Diagnosis:
    """Examine the installation and, with a path, the data; whatever fails is a line.

    data: a data set to check as well; bad: 'skip' and 'clip' tell its faults as what they would leave out and cut.
    """
    found = Diagnosis(path=data)
    for check in (_packages, _device, _training_step, _disk):
        found.installation += _tried(check)
    if data is not None:
        found.said = _tried(partial(_data, found, data, bad))
    return found


def _data(found: Diagnosis, path: Path, bad: str) -> list[Line]:
    """Enter the task and what it says of the data."""
    task = import_module("learnerkit.tasks").find_task(path)
    found.task, record = task.name, import_module("learnerkit.pages.examined").Examined
    try:
        given = task.verb("examine")(path, bad)
    except LearnerkitError as error:  # what did not arrive may be why
        left = import_module("learnerkit.data.leftovers").unfinished_downloads(path)
        return [(False, str(fault)) for fault in (error, *left)]
    if not isinstance(given, (record, list)):
        raise RecipeError(
            f"task '{task.name}': its examine gave a {type(given).__name__}; an Examined, or a list of (good, text)"
        )
    found.data = record(given) if isinstance(given, list) else given  # a task may tell lines alone
    return found.data.lines


def _tried(check: Callable[[], list[Line]]) -> list[Line]:
    """What a check says, or a line of what it raises."""
    try:
        return check()
    except LearnerkitError as error:
        return [(False, str(error))]
    except Exception as error:  # a broken install may raise anything; the doctor names it and goes on
        return [(False, f"{getattr(check, '__name__', 'data').strip('_')}: {type(error).__name__}: {error}")]


def _packages() -> list[Line]:
    lines: list[Line] = [(sys.version_info >= (3, 11), f"python {sys.version.split()[0]}")]
    for package in NEEDED:
        try:
            lines.append((True, f"{package} {version(package)}"))
        except PackageNotFoundError:
            lines.append((False, f"{package} is not installed; `pip install learnerkit`"))
    return lines


def _device() -> list[Line]:
    torch = import_module("torch")
    if torch.cuda.is_available():
        return [(True, f"device: {torch.cuda.get_device_name()} ({torch.cuda.device_count()} GPU)")]
    return [(True, f"device: CPU, {torch.get_num_threads()} threads")]


def _training_step() -> list[Line]:
    create = import_module("learnerkit.models.create")
    torch = import_module("torch")
    model = create.create_model("tiny_cnn")
    model(torch.zeros(2, 3, 32, 32)).sum().backward()
    import_module("learnerkit.all")
    return [(True, "a forward and backward pass, and `learnerkit.all`")]


def _disk() -> list[Line]:
    free = shutil.disk_usage(Path.cwd()).free
    return [(free > 2**30, f"disk here: {free / 2**30:.1f} GiB free")]
