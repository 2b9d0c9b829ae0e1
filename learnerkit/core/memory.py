"""How much memory a process may still take."""

import contextlib
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")  # of a container, where there is one


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
