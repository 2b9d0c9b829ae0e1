"""How the threads of a CPU wait, and whether there are cores for them."""

import os
import time
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # by which a user says how threads wait
STAT = Path("/proc/stat")
SAMPLE_S = 0.1


def wait_passively() -> None:
    """Let threads without work sleep instead of spin, unless the environment says how they wait.

    OpenMP reads it when torch is imported, so that this comes before. Spinning threads take the cores that others need:
    two trainings on two cores, or one beside a sweep, cost many times what their work does.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def cores_of_others(seconds: float = SAMPLE_S) -> float:
    """How many cores other processes computed on while this one slept for so many seconds; 0 where nothing says it."""
    before, own = _busy_s(), time.process_time()
    if before is None:
        return 0.0
    start = time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - start
    return max(0.0, (_busy_s() - before - (time.process_time() - own)) / passed)


def crowded(threads: int, others: float, cores: int) -> str:
    """A line for a training that will have to share its cores; '' for one that has enough.

    threads: that it computes with; others: cores that other processes take; cores: of the machine.
    """
    if threads + others < cores + 0.7 or others < 0.5:
        return ""
    free = max(1, round(cores - others))
    if free >= threads:
        return ""  # with fewer it cannot do
    return (
        f"other processes take {others:.1f} of {cores} cores, and this training has {threads} threads; both slow down. "
        f"OMP_NUM_THREADS={free} before the command leaves them room; its last digits depend on that number"
    )


def _busy_s() -> float | None:
    """Seconds that the machine's cores have computed since it was started; None where that is not told."""
    try:
        words = STAT.read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _, _, irq, soft = map(int, words[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")
