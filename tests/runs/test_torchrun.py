"""`torchrun -m learnerkit train`, as a user starts it: one run folder, that goes on where it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import load_weights

pytestmark = pytest.mark.slow
FIELDS = ["digits", "--limit", "200", "--epochs", "4", "--arch", "tiny_cnn", "--bs", "30", "--out", "runs"]


def launch(folder, *words):
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    start += ["-m", "learnerkit", "train", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    pipe = subprocess.PIPE
    return subprocess.Popen(start, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_a_run_by_torchrun_and_one_that_is_stopped_and_goes_on(tmp_path):
    whole = launch(tmp_path, *FIELDS, "--name", "whole", "--json")
    out, err = whole.communicate(timeout=180)
    assert whole.returncode == 0, err
    assert json.loads(out)["state"] == "done"  # the first rank's document, and nothing else
    assert err.count("2 ranks: 15 + 15 of each 30 samples") == 1
    run = RunFolder(tmp_path / "runs" / "whole")
    assert run.described()["ranks"] == {"number": 2, "backend": "gloo", "bs": [15, 15]}
    assert [row["epoch"] for row in run.history()] == [1, 2, 3, 4] and run.file("report.html").exists()

    stopped = launch(tmp_path, *FIELDS, "--name", "stopped")
    ledger = tmp_path / "runs" / "stopped" / "history.jsonl"
    until = time.monotonic() + 120
    while not (ledger.exists() and ledger.read_text()) and stopped.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    stopped.send_signal(signal.SIGINT)
    _, err = stopped.communicate(timeout=120)
    run = RunFolder(tmp_path / "runs" / "stopped")
    if run.standing() != "done":  # it may have been at its end
        assert err.count("error: stopped.") == 1 and run.standing() == "interrupted"
    again = launch(tmp_path, "--resume", "runs/stopped")
    _, err = again.communicate(timeout=180)
    assert again.returncode == 0, err
    files = (tmp_path / "runs" / name / "final_model.safetensors" for name in ("whole", "stopped"))
    first, second = map(load_weights, files)
    assert all(value.equal(second[key]) for key, value in first.items())


def test_a_wrong_value_is_told_once(tmp_path):
    wrong = launch(tmp_path, *FIELDS, "--guard", "ignore")
    _, err = wrong.communicate(timeout=180)
    assert wrong.returncode == 1 and not (tmp_path / "runs").exists()
    assert err.count("error: ") == 1 and "guard" in err, err
