"""What a run happened on: versions, device, threads, command."""

import contextlib
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("learnerkit", "fastai", "torch", "torchvision", "numpy", "scikit-learn", "safetensors")


def versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that decide a result; 'missing' where one is not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, thread count and command line of this process."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "versions": versions(),
        "device": {
            "type": device.type,
            "name": name,
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "capability": torch.backends.cpu.get_cpu_capability(),
        },
        "platform": platform.platform(),
        "command": command_line(),
    }


def command_line() -> str:
    """The command of this process as a shell takes it; `python -m learnerkit` as `learnerkit`."""
    name = os.path.basename(sys.argv[0])
    return shlex.join(["learnerkit" if name == "__main__.py" else name, *sys.argv[1:]])


def processor(device: torch.device) -> str:
    """The name of what computes: of the GPU, or the CPU's model with how many cores of it there are."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(named, '') or platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def usual_device() -> str:
    """A GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was given, so that a time that is taken is one of work and not of orders."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def threads_of(number: int | None) -> Iterator[None]:
    """Within the block torch computes with so many threads; with those that it has when None."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
