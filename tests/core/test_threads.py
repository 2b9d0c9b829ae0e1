"""How threads wait, and what is said of a crowded machine."""

import os
import subprocess
import sys

import pytest

from learnerkit.core import threads
from learnerkit.core.threads import cores_of_others, crowded, wait_passively


@pytest.mark.parametrize("said", [None, *threads.WAITING])
def test_threads_wait_passively_unless_the_user_says_how(said, monkeypatch):
    for name in threads.WAITING:
        monkeypatch.delenv(name, raising=False)
    if said:
        monkeypatch.setenv(said, "7")
    wait_passively()
    assert os.environ.get("OMP_WAIT_POLICY") == {None: "PASSIVE", "OMP_WAIT_POLICY": "7"}.get(said)


def test_the_command_line_says_how_before_torch_is_there():
    code = (
        "import os, sys; from learnerkit.cli import main; main(['--version']); "
        "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key not in threads.WAITING}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert said.stdout.splitlines()[-1] == "PASSIVE False"


@pytest.mark.parametrize(
    ("own", "others", "cores", "free"),
    [
        (2, 0.0, 2, None),
        (2, 0.4, 2, None),
        (1, 1.0, 2, None),
        (2, 1.0, 2, 1),
        (2, 2.0, 2, 1),
        (1, 1.8, 2, None),
        (8, 5.2, 8, 3),
    ],
)
def test_a_crowded_machine_is_told_with_what_is_free(own, others, cores, free):
    said = crowded(own, others, cores)
    assert said == "" if free is None else f"OMP_NUM_THREADS={free} " in said


def test_cores_of_others_are_what_the_machine_computed_less_our_own(monkeypatch, tmp_path):
    ticks = os.sysconf("SC_CLK_TCK")
    file = tmp_path / "stat"
    file.write_text("cpu  100 0 0 900 0 0 0 0\n")
    monkeypatch.setattr(threads, "STAT", file)

    def sleep(seconds):
        clock.append(clock[-1] + seconds)
        file.write_text(f"cpu  {100 + 3 * ticks} {2 * ticks} {ticks} 900 0 0 0 0\n")  # six seconds of work

    clock = [0.0]
    monkeypatch.setattr(threads.time, "sleep", sleep)
    monkeypatch.setattr(threads.time, "perf_counter", lambda: clock[-1])
    monkeypatch.setattr(threads.time, "process_time", lambda: clock[-1] / 2)  # of them one ours
    assert cores_of_others(2.0) == pytest.approx(2.5)
    monkeypatch.setattr(threads, "STAT", tmp_path / "none")
    assert cores_of_others(2.0) == 0.0
