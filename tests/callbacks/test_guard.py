"""The guard: what is not finite never reaches the weights."""

import gc

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.fp16 import MixedPrecision

from learnerkit.all import (
    EMA,
    EarlyStop,
    Guard,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core.errors import TrainingError
from learnerkit.ops.finite import all_finite
from tests.conftest import toy_learner


class Bad(Callback):
    """Puts NaN into the loss, or the input, of some training batches."""

    order = -15

    def __init__(self, batches, place="loss", valid=False):
        self.batches, self.place, self.valid = batches, place, valid

    def before_batch(self):
        if self.place == "input" and self.training != self.valid and self.iter in self.batches:
            self.learn.xb = (self.learn.xb[0] * float("nan"),)

    def after_loss(self):
        if self.place == "loss" and self.training and self.iter in self.batches:
            self.learn.loss_grad = self.learn.loss_grad * float("nan")
            self.learn.loss = self.learn.loss_grad.detach()


def finite(learn):
    states = [value for item in learn.opt.opt.state.values() for value in item.values() if torch.is_tensor(value)]
    return all(torch.isfinite(t).all() for t in [*learn.model.state_dict().values(), *states])


@pytest.mark.parametrize("place", ["loss", "input"])
@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_late_flags_before_the_first_step_of_an_accumulated_group(place, policy):
    learn = toy_learner([Bad([1], place), Guard(policy, late=True), Accumulate(2)])
    learn.fit(2)
    assert finite(learn) and learn.guard.skipped == 2


def test_a_rollback_drops_the_counts_of_the_group():
    learn = toy_learner([Bad([1]), Guard("rollback"), Accumulate(3)])
    seen = []
    learn.add_cb(Looker(seen))
    learn.fit(1)
    assert seen[-1] == (0, 0) and finite(learn)


class Looker(Callback):
    order = 7

    def __init__(self, seen):
        self.seen = seen

    def before_step(self):
        self.seen.append((self.learn.accumulate.count, self.learn.accumulate.samples))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_guard_is_on_again_after_a_broken_lr_find():
    class Break(Callback):
        def after_batch(self):
            if hasattr(self.learn, "lr_finder") and self.iter == 1:
                raise KeyboardInterrupt

    learn = toy_learner([breaking := Break()])
    with pytest.raises(KeyboardInterrupt):
        learn.lr_find(show_plot=False)
    learn.remove_cb(breaking)
    assert learn.guard.run
    with pytest.raises(TrainingError, match="batch 2"):
        learn.fit(1, cbs=Bad([1]))
    assert finite(learn)
    gc.collect()  # fastai's lr_find leaves a temporary folder open, which is said here and not in the next test


def test_inputs_of_any_structure_are_looked_at():
    good = {"a": [torch.ones(2), (torch.full((1,), 3.0), "text", None)]}
    assert all_finite(good) and all_finite([torch.ones(3, dtype=torch.int64)]) is None
    assert all_finite([torch.full((2,), 1e300, dtype=torch.float64), torch.full((1,), 6e4, dtype=torch.half)])
    assert not all_finite({**good, "b": torch.tensor([1.0, float("nan")])})
    assert not all_finite([torch.tensor([float("-inf")], dtype=torch.bfloat16)])


def test_a_fit_in_which_every_batch_is_passed_over_is_an_error():
    with pytest.raises(TrainingError, match="of every batch is not finite"):
        toy_learner([Bad(range(99)), Guard("skip")]).fit(1)


def test_skipped_batches_stand_in_the_ledger_and_are_said(tmp_path, caplog):
    learn = toy_learner([Bad([2]), Guard("skip", late=False), Run(tmp_path, "a")])
    learn.fit(2)
    assert [row["skipped"] for row in learn.run_folder.history()] == [1, 2]
    assert "guard: batch 3 of epoch 2 passed over, its loss is not finite" in caplog.text


@pytest.mark.parametrize("late", [False, True])
def test_bad_validation_inputs_stop_either_way(late):
    with pytest.raises(TrainingError, match="the input is not finite in validation batch 1"):
        toy_learner([Bad([0], "input", valid=True), Guard("skip", late=late)]).fit(1)


def test_a_guard_given_to_fit_takes_the_place_of_the_default():
    learn = toy_learner()
    default = learn.guard
    learn.fit(1, cbs=[skipping := Guard("skip"), Bad([1])])
    assert skipping.skipped == 1 and learn.guard is default and sum(isinstance(cb, Guard) for cb in learn.cbs) == 1
    assert sum(isinstance(cb, Guard) for cb in toy_learner([Guard]).cbs) == 1


def test_fastais_autocast_is_left():
    depth = [0]

    class Counting:
        def __enter__(self):
            depth[0] += 1

        def __exit__(self, *_):
            depth[0] -= 1

    class OnCpu(MixedPrecision):
        def before_fit(self):
            self.autocast, self.learn.scaler, self.scales = Counting(), torch.amp.GradScaler("cpu", enabled=False), []

    toy_learner([Bad([1]), Guard("skip"), OnCpu()]).fit(1)
    assert depth == [0]


def test_train_metrics_pass_over_a_bad_batch():
    learn = toy_learner([Bad([0], "input"), Guard("skip")])
    learn.recorder.train_metrics = True
    learn.fit(1)
    assert np.isfinite(learn.recorder.values[-1]).all()


def test_an_average_of_the_weights_reads_the_flags_at_once():
    learn = toy_learner([Bad([1]), Guard("skip", late=True), EMA(0.9)])
    learn.fit(1)
    assert not learn.guard.is_late and int(learn.ema.averaged.n_averaged) == 1 + 3


def test_predictions_within_a_fit_leave_the_fit_alone(tmp_path):
    class Predict(Callback):
        order = 82

        def after_epoch(self):
            self.learn.get_preds()

    learn = toy_learner([Predict(), EarlyStop("valid_loss", "min", 5), Guard("skip"), Bad([1]), Run(tmp_path, "a")])
    learn.fit(3)
    plain = toy_learner([EarlyStop("valid_loss", "min", 5), Guard("skip"), Bad([1])])
    plain.fit(3)
    assert learn.guard.skipped == 3 and len(learn.recorder.values) == 3
    assert learn.recorder.losses == plain.recorder.losses and len(learn.run_folder.history()) == 3
