"""What tests of runs share: a second process that holds the lock of a run."""

import subprocess
import sys

import pytest

HOLDS = """
import sys
from learnerkit.core.run_folder import RunFolder
run = RunFolder(sys.argv[1])
run.lock()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held_by_another():
    """A function that lets a second process hold a run's lock until the test ends."""
    begun = []

    def hold(folder):
        words = [sys.executable, "-c", HOLDS, str(folder)]
        begun.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert begun[-1].stdout.readline() == "held\n"
        return begun[-1]

    yield hold
    for process in begun:
        process.communicate("")
