"""What pairs and sweeps take at three sizes each, from which nbs/scale.md works out larger ones.

    python benchmarks/scale.py

Pairs: a process a size, one thread; bytes of the files and of the pack, seconds of processor of the first read, of a
later open and of one pass over the training part, and the memory of its own that opening takes (RssAnon, less that
after the imports). Sweeps: trials of the digits whose engine ends at once, by the clock.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pairs import generate

PAIRS, SWEEPS = (1050, 4200, 16_800), (65, 250, 1000)
OPENED = """
import sys, time, torch
from learnerkit.all import saliency_dls
torch.set_num_threads(1)
def own_mb():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3
def cost(work):
    start = time.process_time()
    return work(), time.process_time() - start
before = own_mb()
dls, seconds = cost(lambda: saliency_dls(sys.argv[1], bs=64, cache=sys.argv[2]))
held = own_mb() - before
_, passed = cost(lambda: sum(1 for _ in dls.train))
print(seconds, held, passed)
"""


def opened(pairs: Path, cache: Path) -> tuple[float, float, float]:
    """Seconds until a set is open, megabytes that it takes then, seconds of a pass."""
    command = [sys.executable, "-c", OPENED, str(pairs), str(cache)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return tuple(map(float, said[-3:]))


def megabytes(folder: Path) -> float:
    """Of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


class AtOnce:
    """A process that has ended well."""

    returncode = 0

    def poll(self) -> int:
        return 0


class Engine:
    """Trials that end as they begin."""

    starts = ""

    def room(self, running: int) -> int:
        return 1000 - running

    def start(self, works: list) -> list[AtOnce]:
        return [AtOnce() for _ in works]

    def id_of(self, process: AtOnce) -> dict:
        return {}

    def find(self, name: str) -> None:
        return None

    def waits(self, process: AtOnce) -> bool:
        return False

    def stop(self, processes: list) -> None:
        return None


def swept(trials: int, out: Path) -> tuple[float, float, float]:
    """Seconds to plan, seconds of the bookkeeping, megabytes of the sweep's own files."""
    from learnerkit.runs.sweep import Sweep
    from learnerkit.runs.trials import plan_trials

    seeds = ",".join(str(seed) for seed in range(trials // 5))
    start = time.perf_counter()
    planned, _ = plan_trials("digits", ["lr=.02,.05,.1,.2,.3", f"seed={seeds}"], {}, out)
    middle = time.perf_counter()
    Sweep(planned, out, jobs=1000, engine=Engine()).run(lambda *_, **__: None)
    return middle - start, time.perf_counter() - middle, megabytes(out)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for n in PAIRS:
            generate(root / f"{n}", n)
            first, held, _ = opened(root / f"{n}", root / f"cache{n}")
            later, held, passed = opened(root / f"{n}", root / f"cache{n}")
            sizes = f"{megabytes(root / f'{n}'):.0f} MB of files, {megabytes(root / f'cache{n}'):.0f} MB packed"
            times = f"first read {first:.2f} s, later opens {later:.2f} s, a pass {passed:.2f} s"
            print(f"{n:,} pairs: {sizes}, {times}, {held:.1f} MB of memory", flush=True)
        for n in SWEEPS:
            planned, kept, size = swept(n, root / f"sweep{n}")
            print(f"{n:,} trials: planned in {planned:.1f} s, kept in {kept:.1f} s, {size:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
