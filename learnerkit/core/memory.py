"""How much memory there is, and how much a process has taken."""

import resource
import sys
from pathlib import Path

import torch


def free_bytes(device: torch.device) -> int | None:
    """Bytes that a training on a device may still take; None where nobody says."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    known = [value for value in (_available(), _left_of_the_group()) if value is not None]
    return min(known) if device.type == "cpu" and known else None


def peak_memory(device: torch.device) -> int:
    """The most that was taken: of a GPU since `forget_peak`, by the tensors; else by this process in all its life."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak(device: torch.device) -> None:
    """Begin to look anew for the most that is taken, where that is possible."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _available() -> int | None:
    """What Linux says may be taken without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _left_of_the_group() -> int | None:
    """What the control group of a container may still take, its file cache counted as free."""
    group = Path("/sys/fs/cgroup")
    try:
        most, taken = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # none, or 'max' for no limit
        return None
    return most - taken + int(stat.get("inactive_file", 0))
