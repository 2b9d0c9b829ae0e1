"""Processes that are killed, stopped or told to leave: nothing is corrupt, a resumed run is the uninterrupted one."""

import itertools
import os
import random
import signal
import time

import pytest

from learnerkit.all import (
    EMA,
    Autocast,
    Callback,
    CutMix,
    EarlyStop,
    SaveTopK,
    Schedule,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.core.run_folder import RunFolder
from tests.images import image_folder
from tests.reliability.test_commits import corrupt, newest_step
from tests.reliability.toy import EPOCHS, Child, build, digest, fit, run_fork, stream

pytestmark = pytest.mark.reliability


def whole(root, images=None, num_workers=0):
    """Fit to the end, from wherever the run in `root` is; the digest."""
    began = (root / "a" / "run.json").exists()
    dls = stream(images, num_workers) if images else None
    return digest(fit(build(root, resume=began, dls=dls)))


def test_kill_at_random_moments(tmp_path, gate):
    held = gate(
        "kill -9 at random moments, up to 3 a run; in memory and streaming with 0 and 2 workers",
        "0 corrupt checkpoints; weights, optimizer, rates, losses, metrics bit-identical to the uninterrupted run",
        "fastai: no state of epoch, order or schedule; a resumed fit replays epoch 0's order",
        least=100,
    )
    images = image_folder(tmp_path / "images")
    plans = [("memory", None, 0, 80), ("stream", images, 0, 8), ("stream", images, 2, 12)]
    rng, expected = random.Random(3), {}
    for kind, source, workers, runs in plans:
        begun = time.monotonic()
        reference = run_fork(whole, tmp_path / f"ref-{kind}-{workers}", source, workers)
        lasts = time.monotonic() - begun
        assert expected.setdefault(kind, reference) == reference, "the number of workers changes the result"
        for number in range(runs):
            root, kills = tmp_path / f"{kind}-{workers}-{number}", 0
            for _ in range(rng.randint(1, 3)):
                child = Child(whole, root, source, workers)
                time.sleep(rng.uniform(0, lasts))
                child.kill()
                code, _ = child.wait()
                kills += code == -signal.SIGKILL
                if corrupt(root / "a" / "checkpoints"):
                    break
            if (root / "a").exists() and not (root / "a" / "run.json").exists():
                (root / "a").rename(root / "killed before it began")
            good = not corrupt(root / "a" / "checkpoints")
            value = run_fork(whole, root, source, workers)
            left = [*(root / "a").rglob(".*.tmp"), *(root / "a").rglob(".tmp-*"), *(root / "a").rglob(".del-*")]
            held.trial(good and value == reference and not left, f"{root.name}: {kills} kills, {left}")


class StopAt(Callback):
    """Asks for a polite stop after one batch of one epoch, by a signal."""

    order = 70

    def __init__(self, step, *signals):
        self.step, self.signals = step, signals or (signal.SIGTERM,)

    def after_batch(self):
        if self.training and self.train_iter == self.step:
            for number in self.signals:
                os.kill(os.getpid(), number)


CALLBACKS = {
    "cutmix": lambda: [CutMix(p=0.5)],
    "accumulation": lambda: [Accumulate(2)],
    "EMA": lambda: [EMA(0.9)],
    "early stop": lambda: [EarlyStop("valid_loss", "min", 1)],
    "plateau": lambda: [Schedule("plateau", patience=0)],
    "top-k": lambda: [SaveTopK("accuracy", "max", 2)],
}


def polite(root, name, kind, step=None, resume=False):
    cbs = CALLBACKS[name]() + ([Autocast("bf16")] if kind == "bf16" else [])
    learn = build(root, cbs=[*cbs, *([StopAt(step)] if step else [])], resume=resume, run_args={"checkpoint_every": 2})
    if name == "plateau":
        learn.fit(EPOCHS, 0.05)
    else:
        learn.fit_one_cycle(EPOCHS, 0.05)
    return digest(learn)


def test_polite_stop_at_a_random_step(tmp_path, gate):
    held = gate(
        "polite stop at a random step x fp32, bf16 x CutMix, accumulation, EMA, early stop, plateau, top-k",
        "bit-identical after the resume, counters included",
        "fastai: no resume within an epoch; `fit_one_cycle(start_epoch=)` with SaveModelCallback raises IndexError",
        least=60,
    )
    rng = random.Random(5)
    for name, kind in itertools.product(CALLBACKS, ("fp32", "bf16")):
        root = tmp_path / f"{name}-{kind}"
        reference = run_fork(polite, root / "whole", name, kind)
        for step in rng.sample(range(1, 4 * EPOCHS), 5):
            code, value = Child(polite, root / str(step), name, kind, step).wait()
            status = RunFolder(root / str(step) / "a").status()["state"]
            if code == 0 and name == "early stop":  # had ended before
                held.trial(value == reference, f"{root.name} {step}")
                continue
            good = code == 143 and status == "interrupted"
            again = run_fork(polite, root / str(step), name, kind, None, True)
            held.trial(good and again == reference, f"{root.name} step {step}: exit {code}, {status}")


def signalled(root, step, *numbers):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    learn = build(root, cbs=[StopAt(step, *numbers)], run_args={"checkpoint_every": 2})
    try:
        fit(learn)
    finally:
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    return "not stopped"


def test_signals(tmp_path, gate):
    held = gate(
        "SIGINT, SIGTERM, double SIGINT at a random step",
        "step finished, state committed, status interrupted, exit 130/143; the second leaves at once; resume identical",
        "fastai: traceback, exit 1; nothing saved, no status",
        least=50,
    )
    rng = random.Random(7)
    reference = run_fork(signal_resume, tmp_path / "reference")
    kinds = [(signal.SIGINT,)] * 20 + [(signal.SIGTERM,)] * 20 + [(signal.SIGINT, signal.SIGINT)] * 10
    for number, signals in enumerate(kinds):
        root, step = tmp_path / str(number), rng.randint(1, 4 * EPOCHS - 1)
        code, value = Child(signalled, root, step, *signals).wait()
        status = RunFolder(root / "a").status()["state"]
        committed = newest_step(root / "a" / "checkpoints") == step or len(signals) == 2
        good = code == 128 + signals[0] and status == "interrupted" and committed
        good = good and not corrupt(root / "a" / "checkpoints")
        again = run_fork(signal_resume, root)
        held.trial(good and again == reference, f"{signals} at {step}: exit {code} {value} {status}")


def signal_resume(root):
    return digest(fit(build(root, resume=(root / "a").exists(), run_args={"checkpoint_every": 2})))


def test_the_digest_sees_a_resume_that_forgets_its_position(tmp_path):
    """The negative control: an order that is not a function of the position gives another digest."""

    def forgetful(root, resume):
        learn = build(root, cbs=[] if resume else [StopAt(6)], resume=resume)
        if resume:
            learn.positioned = lambda first: enumerate(learn.dl)
        return digest(fit(learn))

    reference = run_fork(whole, tmp_path / "whole")
    assert Child(forgetful, tmp_path / "cut", False).wait()[0] == 143
    assert run_fork(forgetful, tmp_path / "cut", True) != reference


def start_auto(root):
    return str(RunFolder.create(root).path)


def own(path, owned, refused):
    """Take the run until another process was refused; whether it was got, and how long that took.

    owned, refused: files by which this process says so, None for one that holds the run no longer than it asks.
    """
    begun = time.monotonic()
    try:
        run = RunFolder(path)
        run.lock()
    except Exception as error:
        refused.touch()
        return {"owner": False, "error": str(error), "seconds": time.monotonic() - begun}
    value = {"owner": run.path == path, "pid": os.getpid(), "seconds": time.monotonic() - begun}
    if owned is not None:
        owned.touch()
        seen(refused)
    return value


def seen(file, seconds=30):
    """Wait until a file is there."""
    until = time.monotonic() + seconds
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.01)
    return file.exists()


def test_runs_side_by_side(tmp_path, gate):
    held = gate(
        "40 starts at once without a name", "40 distinct folders", "fastai: one folder, files overwritten", least=40
    )
    children = [Child(start_auto, tmp_path / "auto") for _ in range(40)]
    outcomes = [child.wait() for child in children]
    paths = [value for code, value in outcomes if code == 0]
    for path in paths:
        held.trial(paths.count(path) == 1, path)

    held = gate(
        "two processes on one run folder",
        "one owner; the other told its pid in under 2 s",
        "fastai: 6 of 6 pairs end with one run holding the other's weights, silently",
        least=20,
    )
    for number in range(20):
        run = RunFolder.create(tmp_path / "pairs", str(number))
        run.unlock()
        owned, refused = tmp_path / f"owned {number}", tmp_path / f"refused {number}"
        pair = [Child(own, run.path, owned, refused) for _ in range(2)]
        values = [child.wait()[1] for child in pair]
        owners = [value for value in values if value["owner"]]
        others = [value for value in values if not value["owner"]]
        good = len(owners) == len(others) == 1 and str(owners[0]["pid"]) in others[0]["error"]
        held.trial(good and others[0]["seconds"] < 2, str(values))

    held = gate("owner killed with -9", "the folder is free within 1 s", least=10)
    for number in range(10):
        run = RunFolder.create(tmp_path / "killed", str(number))
        run.unlock()
        owned, refused = tmp_path / f"killed {number} owned", tmp_path / "never"
        child = Child(own, run.path, owned, refused)
        assert seen(owned)
        child.kill()
        child.wait()
        value = Child(own, run.path, None, refused).wait()[1]
        held.trial(value["owner"] and value["seconds"] < 1, str(value))
