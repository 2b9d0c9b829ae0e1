"""What `learnerkit doctor` examines: the installation, the device, the disk and, with a path, the data."""

import shutil
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from learnerkit.core.errors import LearnerkitError

NEEDED = ("torch", "torchvision", "fastai", "numpy", "matplotlib", "scikit-learn", "safetensors", "pydantic")
Line = tuple[bool | None, str]


def examine(data: Path | None = None, bad: str = "refuse", figures: Path | None = None) -> tuple[list[Line], bool]:
    """Lines of (good, text), good None for a warning, and whether none is bad.

    data: a data set to check as well; bad: 'skip' and 'clip' tell its faults as what they would leave out and cut.
    figures: a folder for pictures of what was found in the data.
    """
    checks: list[Callable[[], list[Line]]] = [_packages, _device, _training_step, _disk]
    if data is not None:
        checks.append(partial(_data, data, bad))
    if data is not None and figures is not None:
        checks.append(partial(_figures, data, figures))
    lines: list[Line] = []
    for check in checks:
        try:
            lines += check()
        except LearnerkitError as error:
            lines.append((False, str(error)))
        except Exception as error:  # a broken install may raise anything; the doctor names it and goes on
            lines.append((False, f"{getattr(check, '__name__', 'data').strip('_')}: {type(error).__name__}: {error}"))
    return lines, all(good is not False for good, _ in lines)


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


def _data(path: Path, bad: str) -> list[Line]:
    if not path.exists():
        return [(False, f"{path}: no such file or folder")]
    return import_module("learnerkit.tasks").find_task(path).verb("examine")(path, bad)


def _figures(path: Path, folder: Path) -> list[Line]:
    if not path.exists():
        return []
    drawn = import_module("learnerkit.tasks").find_task(path).verb("draw_examined")(path)
    files = import_module("learnerkit.pages.figure").write_figures(folder, drawn)
    return [(True, f"drawn: {file}") for file in files.values()] or [(None, f"{path}: there is nothing to draw")]
