"""Seconds until a command or an import is there, each in a new process.

python benchmarks/startup.py [--rounds 5]
"""

import resource
import subprocess
import sys
import time
from functools import partial

from kit.command import main
from kit.question import Contender, Setting, Table


def started(words, setting: Setting):
    """A process that does that and ends; its memory is the greatest of all that were started."""
    command = [sys.executable, *words]

    def run():
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        return {"figure": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6}

    return run


def imported(name):
    """An import in a new process, of a package that is there."""

    def make(setting: Setting):
        if subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode:
            raise ModuleNotFoundError(name=name)
        return started(["-c", f"import {name}"], setting)

    return make


KIT, FASTAI = "import learnerkit.all", "import fastai.vision.all"
TABLES = {
    "startup": Table(
        title="Start-up",
        asks="How long until a command answers, or an import is done, in a new process with files in the disk's cache?",
        unit="s",
        contenders={
            "python -c pass": Contender(partial(started, ["-c", "pass"])),
            "learnerkit --help": Contender(partial(started, ["-m", "learnerkit.cli", "--help"])),
            "import torch": Contender(imported("torch")),
            FASTAI: Contender(imported("fastai.vision.all")),
            "import pytorch_lightning": Contender(imported("pytorch_lightning")),
            KIT: Contender(imported("learnerkit.all")),
        },
        base=FASTAI,
        warm=False,  # whether it is there was tried
    )
}

if __name__ == "__main__":
    sys.exit(main("startup"))
