"""Who holds a run: asked of the system, without taking a lock, and told from a process that is gone."""

import subprocess
import sys

import pytest

from learnerkit.core.errors import RunError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.run_lock import is_held

HOLD = """
import sys
from learnerkit.core.run_folder import RunFolder
run = RunFolder(sys.argv[1])
run.lock()
run.set_status("running")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """A run folder that another process holds, and that process."""
    (tmp_path / "run.json").write_text("{}")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield RunFolder.open(tmp_path), process
    process.kill()
    process.communicate()


def test_a_run_that_goes_on_and_one_that_was_killed(held):
    run, process = held
    assert is_held(run.path)
    assert run.standing() == "running"
    with pytest.raises(RunError, match=f'is in use by {{"pid": {process.pid}'):
        run.lock()
    process.kill()
    process.wait()
    assert not is_held(run.path)
    assert run.standing() == "killed"
    run.lock()  # and is free
    run.unlock()


def test_asking_takes_no_lock_away(tmp_path):
    run = RunFolder(tmp_path)
    assert not is_held(tmp_path)
    run.lock()
    assert is_held(tmp_path)
    asked = "import sys, pathlib, learnerkit.core.run_lock as lock; print(lock.is_held(pathlib.Path(sys.argv[1])))"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", asked, str(tmp_path)], capture_output=True, text=True, check=True)
        assert done.stdout == "True\n"
        assert is_held(tmp_path)
    run.unlock()
    assert not is_held(tmp_path)


@pytest.mark.parametrize(("state", "standing"), [("created", "killed"), ("running", "killed"), ("done", "done")])
def test_a_state_without_an_owner(tmp_path, state, standing):
    run = RunFolder(tmp_path)
    assert run.standing() == ""
    run.set_status(state)
    assert run.standing() == standing
