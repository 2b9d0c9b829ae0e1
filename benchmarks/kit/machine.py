"""The machine that figures were taken on, how busy others kept it, and the greatest memory of a process."""

import importlib.metadata
import os
import platform
import re
import time
from pathlib import Path

LIBRARIES = ("torch", "torchvision", "fastai", "timm", "pytorch-lightning", "kornia", "captum", "grad-cam")
LIBRARIES += ("torchmetrics", "pycocotools", "faster-coco-eval", "safetensors", "learnerkit")
TICKS = os.sysconf("SC_CLK_TCK")


def versions() -> dict[str, str | None]:
    """Python's and the libraries' versions; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine() -> dict[str, object]:
    """Processor, cores, memory."""
    cpu = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s+(\d+)", _read("/proc/meminfo"))
    return {
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20) if memory else None,
    }


class Others:
    """Cores that other processes than ours keep busy, over the time since it was made."""

    def __init__(self) -> None:
        self.began, self.busy, self.own = time.perf_counter(), _busy(), _own()

    def cores(self) -> float:
        """How many, on the average."""
        seconds = time.perf_counter() - self.began
        return max(0.0, round((_busy() - self.busy - (_own() - self.own)) / max(seconds, 1e-9), 2))


def peak_mb() -> float:
    """The greatest memory of this process so far, and what its children hold for themselves, in MB.

    By Linux: getrusage counts what the parent held at the fork.
    """
    own = int(re.search(r"VmHWM:\s+(\d+)", _read("/proc/self/status"))[1])
    children = _read(f"/proc/self/task/{os.getpid()}/children").split()
    held = (re.search(r"RssAnon:\s+(\d+)", _read(f"/proc/{child}/status")) for child in children)
    return round((own + sum(int(one[1]) for one in held if one)) * 1024 / 1e6, 1)


def _busy() -> float:
    """Seconds that all cores were at work since the start of the machine."""
    user, nice, system, _, _, irq, soft, steal = map(int, _read("/proc/stat").split("\n")[0].split()[1:9])
    return (user + nice + system + irq + soft + steal) / TICKS


def _own() -> float:
    """Seconds of work of this process, of all below it, and of those of them that are over."""
    spent, group = 0, os.getpgrp()
    for place in Path("/proc").glob("[0-9]*/stat"):
        fields = _read(place).rpartition(")")[2].split()
        if len(fields) > 14 and int(fields[2]) == group:
            spent += sum(map(int, fields[11:15]))
    return spent / TICKS


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # one that has ended meanwhile, or another system
        return ""
