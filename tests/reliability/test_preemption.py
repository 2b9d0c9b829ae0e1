"""Jobs that a cluster takes the machine from: the traps in which others lost trainings, each with what naive code does.

A cluster is played by a process group: what it sends reaches the job, its trial and the workers that load the data.
"""

import contextlib
import errno
import itertools
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from learnerkit.core import fsops
from learnerkit.core.checkpoint import candidates
from learnerkit.core.files import read_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.signals import ASKS, PoliteStop
from learnerkit.runs import job as jobs
from learnerkit.runs.job import TrialJob
from learnerkit.runs.processes import Work
from tests.images import image_folder
from tests.reliability.test_commits import corrupt
from tests.reliability.toy import EPOCHS, Child, build, digest, fit, run_fork, stream

pytestmark = pytest.mark.reliability
REQUEUED = 144
SIGNALS = ("USR2", "USR1", "TERM", "INT", "HUP")


def trained(root, images=None, workers=0, pause=0.0, until=None):
    """Train to the end from wherever the run in `root` is; the digest, which stands beside the run too.

    pause: seconds that each batch takes longer; until: a file that batches after the first epoch wait for.
    """
    dls = stream(images, workers) if images else None
    learn = build(root, resume=(root / "a" / "run.json").exists(), dls=dls)
    one_batch = learn.one_batch

    def waits(*args):
        time.sleep(pause)
        while until and learn.epoch and not until.exists():
            time.sleep(0.01)
        one_batch(*args)

    learn.one_batch = waits
    found = digest(fit(learn))
    (root / "digest").write_text(found)
    return found


@dataclass(frozen=True)
class Forked(Work):
    """A trial that is forked, which takes no seconds to begin. args: of `trained`; before: called in it."""

    args: tuple = ()
    before: object = None

    def start(self):
        return Trial(self)


class Trial(Child):
    """A forked trial, with the parts of `subprocess.Popen` that a job uses."""

    def __init__(self, work):
        root = work.path.parent
        super().__init__(lambda: (work.before and work.before(), trained(root, *work.args))[1])
        (root / "begun").write_text("")  # the test waits for it

    def wait(self):
        return super().wait()[0]


def a_job(root, preempts, args=(), before=None, deaf=True):
    """The exit code of a job, in a process group of its own as a cluster has it."""
    os.setpgid(0, 0)
    if not deaf:
        jobs.deaf = lambda numbers: contextlib.nullcontext()
    jobs.SECOND_SIGNAL_S = 0
    return TrialJob(Forked(root / "log", {}, root / "a", args=args, before=before), preempts, REQUEUED)()


def begin(root, preempts="USR2", args=(), **more):
    """Start a job and wait until its trial has begun."""
    root.mkdir(exist_ok=True)
    (root / "begun").unlink(missing_ok=True)
    child = Child(lambda: a_job(root, preempts, args, **more))
    wait_for(lambda: (root / "begun").exists())
    return child


def wait_for(ready, seconds=60):
    until = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < until, "too late"
        time.sleep(0.002)
    return found


def send(child, name, times=1):
    """What a cluster does: a signal to every process of the job."""
    for _ in range(times):
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(child.pid, getattr(signal, f"SIG{name}"))


def code_of(child):
    """The exit code of a job, or -signal; that of a trial that ended by itself."""
    code, value = child.wait()
    return value if code == 0 else code


def epochs_of(root):
    return len(RunFolder(root / "a").history()) if (root / "a" / "history.jsonl").exists() else 0


def test_every_process_of_a_job_hears_the_signal_and_one_saves(tmp_path, gate):
    held = gate(
        "trap 1, a signal to every process of a job, once or twice: USR2, USR1, TERM, INT, HUP x 0, 2 forked workers",
        "1 process saves, at a step's end; requeued; the end bit-identical to that of an uninterrupted run",
        "a handler that workers inherit: 3 of 3 processes save; a trial that is not deaf dies of USR2 unsaved",
        least=10,
    )
    images, rng = image_folder(tmp_path / "images"), random.Random(4)
    plans = [(None, 0, 0.01), (images, 2, 0.02)]
    expected = [run_fork(trained, tmp_path / f"whole-{plan[1]}", *plan[:2]) for plan in plans]
    for number, (name, (kind, plan)) in enumerate(itertools.product(SIGNALS, enumerate(plans))):
        root, code, preempted = tmp_path / f"{number}", REQUEUED, 0
        while code == REQUEUED:
            child = begin(root, name, plan)
            if preempted < 2:
                time.sleep(rng.uniform(0, 0.5))
                send(child, name, times=1 + number % 2)
            code = code_of(child)
            if code == REQUEUED:
                preempted += 1
            if code == REQUEUED and epochs_of(root):
                state = RunFolder(root / "a").status()
                told = state["state"] == "done" or state == {**state, "state": "interrupted", "signal": ASKS}
                held.trial(told, f"{root}: {state}")
            if corrupt(root / "a" / "checkpoints"):
                break
            unbegun(root)
        good = code == 0 and (root / "digest").read_text() == expected[kind] and not corrupt(root / "a" / "checkpoints")
        held.trial(good, f"{root}, {name}: exit {code} after {preempted}\n{(root / 'log').read_text()}")
    assert len(saves_of_naive_code(tmp_path)) == 3
    child = begin(tmp_path / "heard", "USR2", (None, 0, 0.05), deaf=False)
    wait_for(lambda: epochs_of(tmp_path / "heard"))
    send(child, "USR2")
    code_of(child)
    assert RunFolder(tmp_path / "heard" / "a").status()["state"] == "running"  # it could say nothing


def unbegun(root):
    """A trial that was killed before it had a run.json is moved out of the way, as `Work.command` does."""
    if not (root / "a" / "run.json").exists():
        jobs.Work(root / "log", path=root / "a").command()


class Slow(torch.utils.data.Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        time.sleep(0.05)
        return index


def saves_of_naive_code(root):
    """The processes that save where a handler is installed before the workers are forked, as scripts do it."""
    file = root / "saves"

    def script():
        os.setpgid(0, 0)
        signal.signal(signal.SIGUSR2, lambda *_: file.open("a").write(f"{os.getpid()}\n"))
        for number, _ in enumerate(torch.utils.data.DataLoader(Slow(), 4, num_workers=2)):
            if number == 1:
                (root / "loads").write_text("")
            if (root / "enough").exists():
                break

    child = Child(script)
    wait_for(lambda: (root / "loads").exists())
    send(child, "USR2")
    time.sleep(0.5)
    (root / "enough").write_text("")
    child.wait()
    return set(file.read_text().split())


def stale(parent):
    """The pointer says an older one than the newest, as a kill between the two writes leaves it."""
    write_json(parent / "last.json", {"checkpoint": candidates(parent)[1].name})


def flipped(parent):
    """A byte of the newest has changed."""
    file = candidates(parent)[0] / "state.pt"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)


def cut(parent):
    """The newest's weights are half there."""
    file = candidates(parent)[0] / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def unsealed(parent):
    """The newest has no manifest."""
    (candidates(parent)[0] / "MANIFEST.json").unlink()


def half_written(parent):
    """A later one that was never committed, and no pointer."""
    (parent / ".tmp-epoch_099_step_000999-1").mkdir()
    (parent / "last.json").unlink()


DAMAGE = (flipped, cut, unsealed)


def test_a_requeued_job_goes_on_from_the_newest_whole_checkpoint(tmp_path, gate):
    held = gate(
        "trap 2, before the requeue: a stale pointer, flipped or cut files, no manifest, one half written",
        "goes on from the newest whole one, says what it passed over; the end bit-identical",
        "what last.json points at: older than the newest, or damaged, in every trial of these kinds",
        least=10,
    )
    expected, rng = run_fork(trained, tmp_path / "whole"), random.Random(5)
    for number, spoil in enumerate((stale, *DAMAGE, half_written) * 2):
        root = tmp_path / f"{number}"
        child = begin(root, "USR2", (None, 0, 0.03))
        wait_for(lambda root=root: epochs_of(root) > 1)
        time.sleep(rng.uniform(0, 0.05))
        send(child, "USR2")
        code = code_of(child)
        parent = root / "a" / "checkpoints"
        newest, before = candidates(parent)[:2]
        spoil(parent)
        if spoil is stale or spoil in DAMAGE:
            pointed = read_json(parent / "last.json")["checkpoint"]
            assert pointed != newest.name or corrupt(parent)  # what naive code takes
        whole = before if spoil in DAMAGE else newest
        again = code_of(begin(root, "USR2"))
        resumed = read_json(root / "a" / "run.json")["resumes"][-1]["from"]
        told = "checkpoint passed over" in (root / "a" / "training.log").read_text()
        good = (code, again) == (REQUEUED, 0) and resumed == whole.name and told == (spoil in DAMAGE)
        good = good and (root / "digest").read_text() == expected
        held.trial(good, f"{root}, {spoil.__name__}: {code}, {again}, from {resumed}, told {told}")


def disk_full():
    """From the moment at which the trial is asked to save, the disk takes nothing."""
    hears = PoliteStop._on_signal

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def then_full(self, *args):
        for name in ("make_folder", "write", "append", "sync", "replace"):
            setattr(fsops, name, refuse)
        hears(self, *args)

    PoliteStop._on_signal = then_full


@dataclass
class FailsToSave:
    """What submitit's users write: a callable that saves by itself. begun: file that it makes when it begins."""

    begun: Path

    def __call__(self):
        self.begun.write_text("")
        time.sleep(60)

    def checkpoint(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_save_that_fails_does_not_keep_a_job_from_the_queue(tmp_path, gate):
    held = gate(
        "trap 3, the disk is full from the signal on: every write fails",
        "requeued all the same; the last good checkpoint is whole, and the end from there bit-identical",
        "submitit: a `checkpoint()` that raises ends the job, which is not requeued",
        least=6,
    )
    expected, rng = run_fork(trained, tmp_path / "whole"), random.Random(6)
    for number in range(6):
        root = tmp_path / f"{number}"
        child = begin(root, "USR2", (None, 0, 0.02), before=disk_full)
        wait_for(lambda root=root: epochs_of(root) > 0)
        time.sleep(rng.uniform(0, 0.2))
        send(child, "USR2")
        code, bad = code_of(child), corrupt(root / "a" / "checkpoints")
        again = code_of(begin(root, "USR2")) if code == REQUEUED else code
        good = code in (REQUEUED, 0) and again == 0 and not bad and (root / "digest").read_text() == expected
        held.trial(good, f"{root}: {code}, {again}, {bad}\n{(root / 'log').read_text()}")
    said = naive_job(tmp_path / "naive")
    assert "failed during processing" in said and "No space left" in said


def naive_job(folder):
    """What becomes of a job of submitit's whose save fails."""
    submitit = pytest.importorskip("submitit")
    executor = submitit.LocalExecutor(folder)
    executor.update_parameters(timeout_min=1)
    job = executor.submit(FailsToSave(folder / "begun"))
    wait_for((folder / "begun").exists)
    (task,) = Path(f"/proc/{job._process.pid}/task/{job._process.pid}/children").read_text().split()
    os.kill(int(task), signal.SIGUSR2)
    return str(job.exception())


def test_two_jobs_of_one_run_wait_for_each_other(tmp_path, gate):
    held = gate(
        "a requeued job begins while the earlier one still trains, which then ends or is killed",
        "the second says that it waits; it goes on when the first is gone; nothing lost, bit-identical",
        "without the lock both train into one folder: files torn or rows twice",
        least=6,
    )
    expected = run_fork(trained, tmp_path / "whole")
    for number in range(6):
        root = tmp_path / f"{number}"
        first = begin(root, "USR2", (None, 0, 0, root / "told"))
        wait_for(lambda root=root: epochs_of(root) > 0)
        second = Child(lambda root=root: a_job(root, "USR2"))
        wait_for(lambda root=root: (root / "log").exists() and "waits:" in (root / "log").read_text())
        if killed := number % 2:
            send(first, "KILL")
        (root / "told").write_text("")
        codes = code_of(first), code_of(second)
        good = codes == (-signal.SIGKILL if killed else 0, 0)
        good = good and not corrupt(root / "a" / "checkpoints") and epochs_of(root) == EPOCHS
        good = good and (not killed or (root / "digest").read_text() == expected)
        held.trial(good, f"{root}: exits {codes}\n{(root / 'log').read_text()}")
    assert any(without_lock(tmp_path / f"unlocked-{number}") for number in range(5))


def without_lock(root):
    """What goes wrong where two processes train one run and nothing keeps them apart; '' where nothing did."""

    def unlocked():
        RunFolder.lock = lambda self: None
        jobs.is_held = lambda path: False

    def second():
        unlocked()
        return a_job(root, "USR2", (None, 0, 0.02), before=unlocked)

    first = begin(root, "USR2", (None, 0, 0.02), before=unlocked)
    wait_for(lambda: epochs_of(root) > 0)
    codes = code_of(Child(second)), code_of(first)
    rows = epochs_of(root)
    return f"{codes}, {rows} rows" if codes != (0, 0) or rows != EPOCHS else ""
