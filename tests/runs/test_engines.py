"""Where trials run: what of jobs is refused, read and asked for; submitit's local engine stands in for Slurm."""

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from learnerkit.core.errors import LearnerkitError, RecipeError, RunError
from learnerkit.core.files import append_line, read_json, read_ledger, to_json
from learnerkit.runs import slurm
from learnerkit.runs.engines import LocalEngine
from learnerkit.runs.processes import Started, Work, reason_of
from learnerkit.runs.slurm import JobProcess, Queue, SlurmEngine, chosen_engine, submitted_jobs
from learnerkit.runs.slurm_options import SlurmOptions, minutes_of, options_of
from learnerkit.runs.sweep import Sweep, run_sweep
from learnerkit.runs.trials import plan_trials


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("2h", 120),
        ("90s", 2),
        ("1d", 1440),
        ("1h30m", 90),
        ("90", 90),
        ("90:30", 91),
        ("2:00:00", 120),
        ("1-0", 1440),
        ("1-2", 1560),
        ("1-2:30", 1590),
        ("0-0:0:1", 1),
    ],
)
def test_times_as_people_and_as_sbatch_have_them(text, minutes):
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "soon", "0", "1:2:3:4", "a-1", "1-b", "-5", "1-", "0-0"])
def test_what_is_no_time_is_refused_by_name(text):
    with pytest.raises(RecipeError, match=r"--time .*: say 90m"):
        minutes_of(text)


def test_options_as_submitit_takes_them():
    options = SlurmOptions("gpu", "2h", 1, 4, options_of(["account=lab", "exclusive=true", "signal_delay_s=120"]))
    assert options.parameters() == {
        "time": 120,
        "partition": "gpu",
        "gpus_per_node": 1,
        "cpus_per_task": 4,
        "signal_delay_s": 120,
        "stderr_to_stdout": True,
        "srun_args": ["--cpus-per-task=4"],
        "additional_parameters": {"account": "lab", "exclusive": True},
    }
    for wrong, said in (
        (["lab"], "say name=value"),
        (["time=2h"], "is set by"),
        (["ntasks=2"], "is set by"),
        (["no_requeue=true"], "is set by"),
        (["signal_delay_s=x"], "whole seconds"),
    ):
        with pytest.raises(RecipeError, match=said):
            SlurmOptions(time="2h", others=options_of(wrong)).parameters()
    with pytest.raises(RecipeError, match="needs --time"):
        SlurmOptions().parameters()


def test_what_is_of_jobs_is_refused_without_them(tmp_path):
    for given, flag in (({"partition": "gpu"}, "partition"), ({"gpus": 1}, "gpus"), ({"slurm": ["a=b"]}, "slurm")):
        with pytest.raises(RecipeError, match=rf"--{flag}: is said of jobs; add --engine slurm"):
            run_sweep("digits", ["seed=1"], {}, tmp_path / "out", **given)


def programs(folder, monkeypatch, **texts):
    """Shell scripts in place of programs, and nothing else beside the system's own."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin")


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    with pytest.raises(RunError, match="sbatch, squeue, scontrol, srun not found"):
        SlurmEngine(tmp_path, 1, SlurmOptions(time="1h"))
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(LearnerkitError, match=r"needs submitit .*learnerkit\[slurm\]"):
        SlurmEngine(tmp_path, 1, SlurmOptions(time="1h"))


def test_a_queue_that_does_not_answer_ends_nothing(tmp_path, monkeypatch):
    """The states stand as they were last known; where they must be known, the sweep is refused."""
    queue, job = Queue(), SimpleNamespace(job_id="7_1")
    programs(tmp_path / "bin", monkeypatch, squeue="echo 7_0 RUNNING; echo 7_1 PENDING")
    assert queue.state(job) == "PENDING"
    programs(tmp_path / "bin", monkeypatch, squeue="echo no controller >&2; exit 1")
    queue.ask()
    assert queue.state(job) == "PENDING"
    with pytest.raises(RunError, match="squeue: no controller; whether trials are queued cannot be told"):
        queue.ask(must=True)


def test_a_job_ends_by_its_result_or_by_leaving_the_queue(tmp_path, monkeypatch):
    states, clock = {"7": "RUNNING"}, [100.0]
    monkeypatch.setattr(slurm.time, "monotonic", lambda: clock[0])
    result = tmp_path / "result.pkl"
    paths = SimpleNamespace(result_pickle=result, stdout="a.out")
    job = SimpleNamespace(job_id="7", paths=paths, exception=lambda: None, result=lambda: 5)
    queue = SimpleNamespace(state=lambda job: states.get(job.job_id))
    process = JobProcess(job, queue)
    assert process.poll() is None
    states.clear()  # between two lives of a requeued job, or before its result is seen
    assert process.poll() is None
    states["7"] = "PENDING"
    assert process.poll() is None
    states.clear()
    clock[0] += slurm.LATE_S + 1
    assert process.poll() is None  # out of the queue since now
    clock[0] += slurm.LATE_S + 1
    assert process.poll() == 1
    result.write_text("")
    assert JobProcess(job, queue).poll() == 5
    job.exception = lambda: ValueError("trace:\n---\nRunError: a full disk\n---\nsee the logs")
    lost = JobProcess(job, queue)
    assert lost.poll() == 1 and lost.why == "RunError: a full disk"
    reason = reason_of(Started(lost, 0, 0), tmp_path / "none.log")
    assert reason == "no output; RunError: a full disk (exit 1)"


def test_what_sbatch_refuses_is_said(tmp_path, monkeypatch):
    texts = {"sbatch": "echo invalid partition >&2; exit 1", "squeue": "true", "scontrol": "true", "srun": "true"}
    programs(tmp_path / "bin", monkeypatch, **texts)
    engine = SlurmEngine(tmp_path, 2, SlurmOptions("nowhere", "1h"))
    with pytest.raises(RunError, match=r"sbatch: .*invalid partition.*nothing was submitted"):
        engine.start([Work(tmp_path / "a.log"), Work(tmp_path / "b.log")])


def test_a_job_is_in_the_queue_though_nobody_answers_after_its_submission(tmp_path, monkeypatch):
    texts = {"sbatch": "echo Submitted batch job 7", "squeue": "true", "scontrol": "true", "srun": "true"}
    programs(tmp_path / "bin", monkeypatch, **texts)
    engine = SlurmEngine(tmp_path, 2, SlurmOptions("usual", "1h"))
    programs(tmp_path / "bin", monkeypatch, squeue="exit 1")
    (process,) = engine.start([Work(tmp_path / "a.log")])
    assert engine.waits(process) and process.poll() is None and process.left is None
    programs(tmp_path / "bin", monkeypatch, squeue="true")
    engine.queue.ask()
    assert not engine.waits(process)


def test_room_keeps_to_the_jobs(tmp_path):
    """An array limits itself; what comes later may only fill up."""
    engine = SimpleNamespace(local=False, jobs=4)
    assert [SlurmEngine.room(engine, running) for running in (0, 1, 4, 9)] == [slurm.LARGEST_ARRAY, 3, 0, 0]
    assert [LocalEngine(2).room(running) for running in (0, 1, 2, 3)] == [2, 1, 0, 0]


def test_a_trial_in_the_queue_is_found_and_never_started_here(tmp_path, monkeypatch):
    for trial, job in (("seed-1", "3_0"), ("seed-2", "3_1"), ("seed-1", "9")):
        append_line(tmp_path / "sweep.jsonl", to_json({"trial": trial, "event": "submitted", "job": job}, indent=None))
    append_line(tmp_path / "sweep.jsonl", to_json({"trial": "seed-3", "event": "started", "pid": 1}, indent=None))
    assert submitted_jobs(tmp_path) == {"seed-1": "9", "seed-2": "3_1"}
    texts = dict.fromkeys(("sbatch", "scontrol", "srun"), "exit 1")
    programs(tmp_path / "bin", monkeypatch, squeue="echo 3_0 RUNNING; echo 9 RUNNING", **texts)
    engine = SlurmEngine(tmp_path, 1, SlurmOptions(time="1h"))
    found = {name: engine.find(name) for name in ("seed-1", "seed-2", "seed-3")}
    assert found["seed-1"].job.job_id == "9" and found["seed-2"] is found["seed-3"] is None
    assert not engine.waits(found["seed-1"]) and engine.find("seed-1") is None  # once: it may be started after its end
    with pytest.raises(RunError, match=r"1 of its trials are queued or run in Slurm.*scancel 9"):
        chosen_engine("local", tmp_path, 1, None, SlurmOptions())
    programs(tmp_path / "bin", monkeypatch, squeue="true")
    assert isinstance(chosen_engine("local", tmp_path, 1, None, SlurmOptions())[0], LocalEngine)


def test_what_a_trial_is_started_with(tmp_path):
    work = Work(tmp_path / "log", path=tmp_path / "out" / "a", recipe=tmp_path / "a.yaml")
    begins = ["train", str(tmp_path / "a.yaml"), "--out", str(tmp_path / "out"), "--name", "a"]
    assert work.command() == begins and not work.resumes
    work.path.mkdir(parents=True)
    (work.path / "status.json").write_text("{}")  # killed before it had a run.json
    assert work.command() == begins and not work.path.exists()
    work.path.mkdir()
    (work.path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"is not a run, and holds notes\.txt"):
        work.command()
    (work.path / "run.json").write_text("{}")
    assert work.command() == ["train", "--resume", str(work.path), "--allow", "threads"] and work.resumes
    assert Work(tmp_path / "log", words=("profile", "a")).command() == ["profile", "a"]


@pytest.mark.slow
def test_a_sweep_through_submitits_local_engine(tmp_path, monkeypatch):
    """Signalled in the midst of training, as submitit does it: requeued by its controller, and done."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]))
    flags = {"epochs": "30", "limit": "400", "bs": "16", "arch": "tiny_cnn", "dropout": "null"}
    out = tmp_path / "out"
    trials, _ = plan_trials("digits", ["seed=1"], flags, out)
    engine = SlurmEngine(out, 1, SlurmOptions(time="10m"), cluster="local")
    told = []

    def show(trials):
        (started,) = sweep.running.values() or [None]
        if started and not told and trials[0].progress()[0] > 1:
            told.append(started.process.job)
            controller = told[0]._process.pid
            (task,) = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
            os.kill(int(task), signal.SIGUSR2)

    sweep = Sweep(trials, out, 1, 1, engine=engine)
    sweep.run(show)
    log = (out / "logs" / "seed-1.log").read_text()
    assert trials[0].state == "done" and "goes back to the queue" in log, log
    assert len(read_json(trials[0].path / "run.json")["resumes"]) == 1
    rows = read_ledger(out / "sweep.jsonl")
    assert [row["event"] for row in rows] == ["submitted", "done"] and rows[0]["job"]
