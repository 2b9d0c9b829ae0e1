"""Every callback and schedule, ours and fastai's, resumes to the unbroken run: after kill -9; pairs, after a stop."""

import os
import random
import signal
from itertools import combinations, product

import pytest
from fastai.callback.core import Callback
from fastai.callback.tracker import EarlyStoppingCallback, ReduceLROnPlateau, SaveModelCallback
from fastai.callback.training import GradientAccumulation, GradientClip

from learnerkit.all import EMA, Accumulate, CutMix, EarlyStop, Guard, MixUp, SaveTopK, Schedule
from tests.conftest import make_toy_dls
from tests.reliability.test_kills import StopAt
from tests.reliability.toy import Child, build, digest, run_fork

pytestmark = pytest.mark.reliability
EPOCHS, STEPS = 5, 4  # of a fit, of an epoch
COUNTED = ("early_stopping", "reduce_l_r_on_plateau", "save_model", "gradient_accumulation")


def scheduled(kind, **options):
    return lambda learn: learn.fit(EPOCHS, 0.05, cbs=Schedule(kind, **options))


FITS = {
    "fit_one_cycle": lambda learn: learn.fit_one_cycle(EPOCHS, 0.05),
    "one_cycle": scheduled("one_cycle", pct_start=0.4),
    "torch_one_cycle": scheduled("torch_one_cycle"),
    "cosine": scheduled("cosine"),
    "step": scheduled("step", step_size=2),
    "multistep": scheduled("multistep", milestones=[1, 3]),
    "exponential": scheduled("exponential", gamma=0.7),
    "plateau": scheduled("plateau", patience=0, threshold=0.5),
    "constant": scheduled("constant"),
    "ReduceLROnPlateau": lambda learn: learn.fit(EPOCHS, 0.05, cbs=ReduceLROnPlateau(min_delta=0.1, patience=1)),
    "fit_flat_cos": lambda learn: learn.fit_flat_cos(EPOCHS, 0.05),
}
CALLBACKS = {
    "EMA": lambda: EMA(0.8),
    "CutMix": lambda: CutMix(p=0.5),
    "MixUp": lambda: MixUp(p=0.5),
    "Accumulate": lambda: Accumulate(3),
    "GradientAccumulation": lambda: GradientAccumulation(40),  # whose groups go over the ends of epochs
    "EarlyStop": lambda: EarlyStop("valid_loss", patience=1, min_delta=0.05),
    "EarlyStoppingCallback": lambda: EarlyStoppingCallback("valid_loss", min_delta=0.05, patience=2),
    "SaveTopK": lambda: SaveTopK("valid_loss", k=2, optimizer=True),
    "SaveModelCallback": lambda: SaveModelCallback("valid_loss"),
    "GradientClip": lambda: GradientClip(0.5),
    "skip": lambda: Guard("skip"),
    "rollback": lambda: Guard("rollback"),
}


class KillAt(Callback):
    """Ends the process as kill -9 does, at the first batch of an epoch."""

    def __init__(self, epoch):
        self.at = epoch

    def before_batch(self):
        if self.training and self.epoch == self.at and self.iter == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def train(root, fit, names, further=(), resume=False):
    """A fit into root/a; its digest, the counts of fastai's callbacks among it."""
    cbs = [*(CALLBACKS[name]() for name in names), *further]
    dls = make_toy_dls(crop=2)
    learn = build(root, cbs=cbs, resume=resume, dls=dls, path=root)
    FITS[fit](learn)
    counted = [
        {key: float(vars(cb)[key]) for key in ("best", "wait", "count") if key in vars(cb)}
        for cb in learn.cbs
        if cb.name in COUNTED
    ]
    return digest(learn), counted, len(learn.recorder.values)


def after_kill(tmp_path, fit, names, epoch=2):
    whole = run_fork(train, tmp_path / "whole", fit, names)
    assert Child(train, tmp_path / "cut", fit, names, [KillAt(epoch)]).wait()[0] == -signal.SIGKILL
    assert run_fork(train, tmp_path / "cut", fit, names, [], True) == whole


@pytest.mark.parametrize("fit", FITS)
def test_every_schedule_after_kill_9(fit, tmp_path):
    after_kill(tmp_path, fit, [])


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_callback_after_kill_9(name, tmp_path):
    after_kill(tmp_path, "step", [name])


@pytest.mark.parametrize("name", ["EarlyStop", "EarlyStoppingCallback"])
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_what_counts_epochs_ends_at_the_same_one(name, epoch, tmp_path):
    whole = run_fork(train, tmp_path / "whole", "constant", [name])
    code, _ = Child(train, tmp_path / "cut", "constant", [name], [KillAt(epoch)]).wait()
    if code:  # else it had ended before
        assert run_fork(train, tmp_path / "cut", "constant", [name], [], True) == whole


# pairs

FACTORS = {
    "fit": ["fit_one_cycle", "cosine", "step", "plateau", "ReduceLROnPlateau"],
    "mix": [None, "CutMix", "MixUp"],
    "accumulate": [None, "Accumulate", "GradientAccumulation"],
    "stop": [None, "EarlyStop", "EarlyStoppingCallback"],
    "keep": [None, "SaveTopK", "SaveModelCallback"],
    "guard": [None, "skip", "rollback"],
    "average": [None, "EMA"],
    "clip": [None, "GradientClip"],
}


def pairs_of(trial):
    return set(combinations(trial.items(), 2))


def covering_array(factors, seed=0):
    """Trials in which every pair of levels of two factors comes at least once, built greedily."""
    rng, names = random.Random(seed), list(factors)
    left = {
        pair
        for a, b in combinations(names, 2)
        for pair in product(((a, x) for x in factors[a]), ((b, y) for y in factors[b]))
    }
    trials = []
    while left:
        drawn = [{name: rng.choice(factors[name]) for name in names} for _ in range(300)]
        for trial in drawn[:60]:
            for name in rng.sample(names, len(names)):
                trial[name] = max(factors[name], key=lambda level: len(pairs_of({**trial, name: level}) & left))
        trials.append(max(drawn, key=lambda trial: len(pairs_of(trial) & left)))
        left -= pairs_of(trials[-1])
    return trials


TRIALS = covering_array(FACTORS, seed=20)


def test_the_trials_cover_every_pair():
    assert len(TRIALS) <= 20
    found = set().union(*map(pairs_of, TRIALS))
    for a, b in combinations(FACTORS, 2):
        for x, y in product(FACTORS[a], FACTORS[b]):
            assert ((a, x), (b, y)) in found


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: "-".join(str(level) for level in trial.values() if level))
def test_pairs_resume_after_a_stop_within_the_process(trial, tmp_path):
    fit, *names = (level for level in trial.values() if level)
    whole = train(tmp_path / "whole", fit, names)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", fit, names, [StopAt(STEPS + 2)])
    assert train(tmp_path / "cut", fit, names, resume=True) == whole
