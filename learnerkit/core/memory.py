"""How much memory a training may still take, and how much has been taken."""

import contextlib
import os
import resource
import sys
from pathlib import Path

import torch

CGROUP = Path("/sys/fs/cgroup")  # of a container, where there is one


def free_bytes(device: torch.device) -> int | None:
    """Bytes that a training on a device may still take; None where nobody says."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free_memory() if device.type == "cpu" else None


def free_memory() -> int:
    """Bytes that are free, or hold what can be read again; no more than a container leaves."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):  # Linux alone says it
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    with contextlib.suppress(OSError, ValueError, StopIteration):  # 'max' is no number: no limit
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        cached = next(
            int(line.split()[1])
            for line in (CGROUP / "memory.stat").read_text().splitlines()
            if line.startswith("file ")
        )
        free = min(free, limit - used + cached)
    return max(0, free)


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
