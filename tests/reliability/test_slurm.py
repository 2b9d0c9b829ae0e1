"""Sweeps in a real Slurm of one node: arrays, pre-emption by any signal and by Slurm itself, sweeps that are ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from learnerkit.core.files import read_json, read_ledger
from learnerkit.core.yaml import to_yaml
from learnerkit.runs.processes import Work
from learnerkit.runs.recipes import load_recipe
from learnerkit.runs.slurm import SlurmEngine
from learnerkit.runs.slurm_options import SlurmOptions
from tests.reliability.cluster import Cluster, missing
from tests.reliability.test_commits import corrupt

pytestmark = [pytest.mark.reliability, pytest.mark.slurm]
SETTINGS = {"epochs": "40", "limit": "400", "arch": "tiny_cnn", "bs": "16", "checkpoint_every": "4", "dropout": "null"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if lost := missing():
        assert not os.environ.get("CI"), lost
        pytest.skip(f"Slurm: {lost}")
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    with Cluster(tmp_path_factory.mktemp("slurm"), cpus=8) as one, pytest.MonkeyPatch.context() as patch:
        for name, value in {**one.environment, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}.items():
            patch.setenv(name, value)
        yield one


def work_in(out, **more):
    """The training of a trial; where it runs is another's affair."""
    (out / "logs").mkdir(parents=True)
    (out / "recipe.yaml").write_text(to_yaml(load_recipe("digits", {**SETTINGS, **more}).model_dump(mode="json")))
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return Work(out / "logs" / "a.log", environment, out / "a", out / "recipe.yaml")


@pytest.fixture(scope="module")
def whole(cluster, tmp_path_factory):
    """The trial as a process of this machine, left alone."""
    work = work_in(tmp_path_factory.mktemp("whole"))
    assert work.start().wait() == 0, work.log.read_text()
    return work.path


def wait_for(ready, what, seconds=120):
    until = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < until, what() if callable(what) else what
        time.sleep(0.05)
    return found


def trains(work):
    """Whether a trial has ended an epoch and is in another."""
    return (work.path / "history.jsonl").exists() and len(read_ledger(work.path / "history.jsonl")) > 0


def submitted(work, preempts="USR2", partition="usual"):
    engine = SlurmEngine(work.log.parents[1], 1, SlurmOptions(partition, "20m"))
    engine.preempts = preempts
    return engine.start([work])[0]


def went_on(work, process, whole, times=1):
    """What is wrong with a trial that was to go back to the queue so many times; '' where nothing is."""
    code = process.wait(200)
    log = work.log.read_text()
    resumes = len(read_json(work.path / "run.json").get("resumes", [])) if work.resumes else 0
    names = [f"{name}.safetensors" for name in ("best_model", "final_model")]
    same = code == 0 and all((work.path / name).read_bytes() == (whole / name).read_bytes() for name in names)
    right = same and resumes == times == log.count("goes back to the queue") and not corrupt(work.path / "checkpoints")
    return "" if right else f"exit {code}, {resumes} resumes, same {same}\n{log}"


def test_preempted_trials_end_as_one_left_alone(cluster, whole, tmp_path, gate):
    held = gate(
        "Slurm: every process of a running job is sent the signal that submitit is set to: USR2, USR1, TERM",
        "saved at a step's end, requeued, resumed from there; weights bit-identical to those of the uninterrupted run",
        "a trial that hears the signals of its job dies of USR1 and USR2, and of TERM twice, without a checkpoint",
        least=3,
    )
    works = {name: work_in(tmp_path / name) for name in ("USR2", "USR1", "TERM")}
    jobs = {name: submitted(work, name) for name, work in works.items()}
    for name, work in works.items():
        wait_for(lambda work=work: trains(work), cluster.logs)
        cluster.ask("scancel", f"--signal={name}", jobs[name].job.job_id)
    for name, work in works.items():
        wrong = went_on(work, jobs[name], whole)
        held.trial(not wrong, f"{name}: {wrong}")


def test_slurms_own_preemption(cluster, whole, tmp_path, gate):
    held = gate(
        "Slurm takes the node for a job of another partition: TERM, a time of grace, and no signal of submitit's",
        "saved, requeued, resumed from there; weights bit-identical",
        "submitit passes TERM over: the trial trains on and is killed when the grace is over",
        least=1,
    )
    work = work_in(tmp_path / "out")
    process = submitted(work)
    wait_for(lambda: trains(work), cluster.logs)
    cluster.ask("sbatch", "-p", "urgent", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")
    wrong = went_on(work, process, whole)
    held.trial(not wrong, wrong)


def test_a_cancelled_job_saves_and_does_not_come_back(cluster, whole, tmp_path, gate):
    held = gate(
        "scancel, where the signal agreed on is USR2 and where it is TERM",
        "saved, ended, not requeued; goes on bit-identically when it is submitted again",
        "requeued at every TERM, a job cannot be cancelled",
        least=2,
    )
    works = {name: work_in(tmp_path / name) for name in ("USR2", "TERM")}
    jobs = {name: submitted(work, name) for name, work in works.items()}
    for name, work in works.items():
        wait_for(lambda work=work: trains(work), cluster.logs)
        cluster.ask("scancel", jobs[name].job.job_id)
    codes = {name: job.wait(120) for name, job in jobs.items()}
    again = {name: submitted(work, name) for name, work in works.items()}
    for name, work in works.items():
        stopped = "goes back" not in work.log.read_text() and read_json(work.path / "run.json")
        code = again[name].wait(120)
        same = (work.path / "final_model.safetensors").read_bytes() == (whole / "final_model.safetensors").read_bytes()
        resumed = read_json(work.path / "run.json").get("resumes", [])
        good = codes[name] == 1 and code == 0 and stopped and len(resumed) == 1 and same
        held.trial(good, f"{name}: {codes[name]}, {code}, same {same}\n{work.log.read_text()}")


def sweep(out, *options):
    """A sweep's process, in which Ctrl-C is heard."""
    settings = [part for key, value in SETTINGS.items() for part in (f"--{key.replace('_', '-')}", value)]
    command = [sys.executable, "-m", "learnerkit.cli", "sweep", "digits", "--grid", "seed=1,2", *settings]
    return subprocess.Popen(
        [*command, "--out", str(out), "--jobs", "2", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def events(out):
    rows = read_ledger(out / "sweep.jsonl") if (out / "sweep.jsonl").exists() else []
    return [(row["trial"], row["event"]) for row in rows]


def test_a_sweep_that_is_ended_finds_its_jobs_again(cluster, tmp_path):
    """Nothing is submitted twice, and nothing that is in the queue is trained here."""
    asks = {"engine": "slurm", "time": "20m", "cpus": 2, "threads": 1, "slurm": "comment=a sweep"}
    out, slurm = tmp_path / "out", [str(part) for key, value in asks.items() for part in (f"--{key}", value)]
    cluster.ask("scontrol", "update", "PartitionName=usual", "State=DOWN")  # jobs wait
    with sweep(out, *slurm) as first:
        wait_for(lambda: len(events(out)) == 2 or first.poll() is not None, cluster.logs)
        first.send_signal(signal.SIGINT)
        text = first.communicate(timeout=90)[0]
    assert first.returncode == 130 and "go on in Slurm" in text, text
    with sweep(out) as here:
        text = here.communicate(timeout=90)[0]
    assert here.returncode == 2 and "2 of its trials are queued or run in Slurm" in text, text
    with sweep(out, *slurm) as second:
        wait_for(lambda: len(events(out)) == 4 or second.poll() is not None, cluster.logs)
        cluster.ask("scontrol", "update", "PartitionName=usual", "State=UP")
        text = second.communicate(timeout=200)[0]
    assert second.returncode == 0 and "2 of 2 trials are done" in text, text
    assert [event for _, event in events(out)] == ["submitted"] * 2 + ["found in the queue"] * 2 + ["done"] * 2
    (script,) = (out / "jobs").glob("[0-9]*.sh")
    asked = script.read_text()
    assert "--array=0-1%2" in asked and "--cpus-per-task=2" in asked and "--comment='a sweep'" in asked
