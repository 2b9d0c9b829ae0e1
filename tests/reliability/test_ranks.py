"""Ranks that are killed: the others end soon, with one message, and the run goes on as if nothing had been."""

import random
import time

import pytest

from learnerkit.all import TrainingError, array_dls
from learnerkit.core import ranks
from learnerkit.core.run_folder import RunFolder
from tests.conftest import toy_arrays
from tests.reliability.test_commits import corrupt
from tests.reliability.toy import build, digest, fit
from tests.several import on_ranks, start

pytestmark = pytest.mark.reliability
SOON_S = 20


def uneven():
    images, labels = toy_arrays()
    return array_dls(images[:66], labels[:66], bs=9, crop=2, randaugment=(1, 5))


def whole(root, resume=False):
    """A run to its end, from wherever it is: the digest, or the message that it ends with."""
    try:
        learn = fit(build(root, resume=resume, dls=uneven()))
    except TrainingError as error:
        return [str(error)]
    return digest(learn) if ranks.is_first() else None


def test_a_rank_that_is_killed(tmp_path, gate):
    held = gate(
        "a rank of 2 or 3 killed with -9 at a random moment; 66 uneven samples",
        f"the others end within {SOON_S} s with one message that names it; the resume at as many is bit-identical",
        "vanilla fastai: 'Connection closed by peer', blamed on its Recorder; the epoch is lost",
        least=26,
    )
    rng, references = random.Random(5), {}
    for number in range(26):
        world = 2 if number < 20 else 3
        victim, root = number % world, tmp_path / str(number)
        if world not in references:
            begun = time.monotonic()
            references[world] = on_ranks(tmp_path, world, whole, tmp_path / f"reference-{world}")[0]
            lasts = time.monotonic() - begun
        children = start(tmp_path, world, whole, root)
        until = time.monotonic() + 30
        while not (root / "a" / "run.json").exists() and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, lasts / 3))
        children[victim].kill()
        killed = time.monotonic()
        ends = [child.wait() for child in children]
        took = time.monotonic() - killed
        said = {str(value) for rank, (_, value) in enumerate(ends) if rank != victim}
        names = len(said) == 1 and all(f"rank {victim} of {world} is gone" in one and f"--resume {root / 'a'}" in one for one in said)
        whole_again = not corrupt(root / "a" / "checkpoints")
        status = RunFolder(root / "a").standing()
        again = on_ranks(tmp_path, world, whole, root, True)[0]
        good = names and took < SOON_S and whole_again and status == ("killed" if victim == 0 else "failed")
        held.trial(good and again == references[world], f"trial {number}: {said} {took:.1f} s {status} {again[:9]}")
