"""Ranks that are killed: the others end soon, with one message, and the run goes on as if nothing had been."""

import os
import random
import signal

import pytest

from learnerkit.all import Callback, TrainingError, array_dls
from learnerkit.core import ranks
from learnerkit.core.run_folder import RunFolder
from tests.conftest import toy_arrays
from tests.reliability.test_commits import corrupt
from tests.reliability.toy import build, digest, fit
from tests.several import on_ranks, start

pytestmark = pytest.mark.reliability
EVENTS = (
    "before_batch",
    "after_pred",
    "before_backward",
    "before_step",
    "after_batch",
    "before_validate",
    "after_epoch",
)


class Kill(Callback):
    """Kill the process at the n-th call of an event, on one rank."""

    def __init__(self, victim, event, n):
        self.victim, self.event, self.n = victim, event, n

    def __call__(self, event_name):
        self.n -= event_name == self.event
        if self.n == 0 and ranks.rank() == self.victim:
            os.kill(os.getpid(), signal.SIGKILL)


def uneven():
    images, labels = toy_arrays()
    return array_dls(images[:66], labels[:66], bs=9, crop=2, randaugment=(1, 5))


def whole(root, cbs=(), resume=False):
    """A run to its end, from wherever it is: the digest, or the message that it ends with."""
    try:
        learn = fit(build(root, cbs=cbs, resume=resume, dls=uneven()))
    except TrainingError as error:
        return str(error)
    return digest(learn) if ranks.is_first() else None


def test_a_rank_that_is_killed(tmp_path, gate):
    held = gate(
        "a rank of 2 or 3 killed with -9 at a random event of a fit; 66 uneven samples",
        "the others end by themselves with one message that names it; the resume at as many is bit-identical",
        "vanilla fastai: 'Connection closed by peer', blamed on its Recorder; the epoch is lost",
        least=14,
    )
    rng = random.Random(5)
    references = {n: on_ranks(tmp_path, n, whole, tmp_path / f"reference-{n}")[0] for n in (2, 3)}
    for number in range(14):
        world = 2 if number < 10 else 3
        victim, root, event = number % world, tmp_path / str(number), rng.choice(EVENTS)
        least = 1 if "batch" in event or event in ("after_pred", "before_backward", "before_step") else 0
        times = rng.randint(1, 15 if least else 3)
        ends = [child.wait() for child in start(tmp_path, world, whole, root, [Kill(victim, event, times)])]
        codes = [code for code, _ in ends]
        said = {value for rank, (_, value) in enumerate(ends) if rank != victim}
        right = len(said) == 1 and all(f"rank {victim} of {world} is gone" in one for one in said)
        right = right and all(f"--resume {root / 'a'}" in one for one in said)
        right = right and codes == [-9 if rank == victim else 0 for rank in range(world)]
        right = right and RunFolder(root / "a").standing() == ("killed" if victim == 0 else "failed")
        right = right and not corrupt(root / "a" / "checkpoints")
        again = on_ranks(tmp_path, world, whole, root, (), True)[0]
        held.trial(right and again == references[world], f"{number} {event} {times}: {ends} {again[:9]}")


def test_another_number_of_ranks(tmp_path, gate):
    held = gate(
        "a run of 2 ranks, killed, goes on with 1 or 3, and one of 1 with 2",
        "trained to the end; the folder and run.json say that the draws differ, and how many ranks went on",
        "",
        least=3,
    )
    for number, (before, after) in enumerate([(2, 1), (2, 3), (1, 2)]):
        root = tmp_path / str(number)
        start_at = [Kill(before - 1, "after_batch", 9)]
        for child in start(tmp_path, before, whole, root, start_at):
            child.wait()
        on_ranks(tmp_path, after, whole, root, (), True)
        run = RunFolder(root / "a")
        last, log = run.described()["resumes"][-1], (root / "a" / "training.log").read_text()
        told = f"trained on {before} rank(s) and goes on with {after}" in log and "differ" in log
        held.trial(run.standing() == "done" and len(run.history()) == 3 and told and last["ranks"] == after, str(last))
