"""Our Learner beside fastai's: same events, same order, same weights, same records."""

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler, combined_cos
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import Adam, ranger

from learnerkit.learner.kit import KitLearner
from learnerkit.learner.make import make_opt_func
from learnerkit.learner.schedule import one_cycle
from learnerkit.models.create import create_model
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_learner

EVENTS = [
    "before_fit before_epoch before_train before_batch after_pred after_loss before_backward after_backward",
    "before_step after_step after_batch after_train before_validate after_validate after_epoch after_fit",
    "after_cancel_batch after_cancel_train after_cancel_fit",
]


class Spy(Callback):
    """Writes down every event with what it sees."""

    order = 55

    def __init__(self):
        self.seen = []


for name in " ".join(EVENTS).split():
    setattr(Spy, name, lambda self, name=name: self.seen.append((name, bool(getattr(self.learn, "training", False)))))


def both(opt="sgd", cbs=lambda: [], fit=lambda learn: learn.fit_one_cycle(2, 0.05)):
    """The same training by fastai's Learner and by ours, from the same start; returns both learners."""
    trained = []
    for cls in (Learner, KitLearner):
        torch.manual_seed(3)
        dls = make_toy_dls()
        dls.train.rng.seed(7)
        model = create_model("tiny_cnn", n_out=3, width=4).to(dls.device)
        settings = {"opt_func": make_opt_func(opt), "loss_func": CrossEntropyLossFlat(), "metrics": accuracy}
        learn = cls(dls, model, cbs=cbs(), moms=(0.9, 0.8, 0.9), wd=1e-3, **settings)
        learn.logger = lambda row: None
        torch.manual_seed(4)
        with learn.no_bar():
            fit(learn)
        trained.append(learn)
    return trained


@pytest.mark.parametrize("opt", ["sgd", "adamw", Adam, ranger, torch.optim.Adagrad])
def test_same_weights_losses_rates_and_metrics(opt):
    fastai, ours = both(opt) if opt != torch.optim.Adagrad else both(opt, fit=lambda learn: learn.fit(2, 0.05))
    assert_same_weights(state_of(fastai), state_of(ours))
    assert ours.recorder.lrs == pytest.approx([float(rate) for rate in fastai.recorder.lrs], abs=0)
    losses = [float(loss) for loss in fastai.recorder.losses]
    assert ours.recorder.losses == pytest.approx(losses, abs=2e-6)
    batches = np.array(ours.recorder.batch_losses).reshape(2, -1)
    for row, expected, losses in zip(ours.recorder.values, fastai.recorder.values, batches, strict=True):
        assert list(row) == pytest.approx([losses.mean(), *expected[1:]], abs=2e-6)  # fastai's first is smoothed
    assert ours.recorder.metric_names == fastai.recorder.metric_names
    assert ours.recorder.iters == fastai.recorder.iters
    if hasattr(fastai.recorder, "hps"):
        for key, values in fastai.recorder.hps.items():
            assert ours.recorder.hps[key] == pytest.approx([float(value) for value in values], abs=0)


def test_same_events_in_the_same_order():
    fastai, ours = both(cbs=lambda: [Spy()])
    assert ours.spy.seen == fastai.spy.seen and len(ours.spy.seen) > 80


def test_fastais_own_scheduler_and_one_cycle_agree_with_ours():
    def with_fastais(learn):
        learn.create_opt()
        learn.fit(2, 0.05, cbs=ParamScheduler({"lr": lambda pct: 0.05 * (1 - pct)}))

    fastai, ours = both(fit=with_fastais)
    assert_same_weights(state_of(fastai), state_of(ours))


def test_every_callback_added_or_removed_later_is_seen():
    learn = toy_learner()
    seen = []
    callback = Callback(before_batch=lambda self: seen.append(1))
    learn.fit(1)
    learn.add_cb(callback)
    learn.fit(1)
    count = len(seen)
    assert count == len(learn.dls.train) + len(learn.dls.valid)
    learn.remove_cb(callback)
    learn.fit(1)
    assert len(seen) == count


def test_errors_in_callbacks_name_callback_and_event():
    class Broken(Callback):
        def after_pred(self):
            raise ValueError("broken on purpose")

    with pytest.raises(ValueError, match=r"(?s)`Broken`.*`after_pred`.*broken on purpose"):
        toy_learner(Broken()).fit(1)
    with pytest.raises(AttributeError, match="missing before_lunch"):
        toy_learner()("before_lunch")


def test_seeded_training_repeats_and_leaves_the_global_generator_alone():
    first, second, other = toy_learner(), toy_learner(), toy_learner(seed=2)
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    first.fit(2)
    assert torch.equal(torch.rand(1), expected)
    second.fit(2)
    other.fit(2)
    assert_same_weights(state_of(first), state_of(second))
    assert not torch.equal(first.model[0][0].weight, other.model[0][0].weight)


def test_order_differs_by_epoch_and_not_by_what_else_drew():
    orders = []
    for noise in (False, True):
        learn = toy_learner()
        seen = []
        learn.add_cb(Callback(before_batch=lambda self, seen=seen: self.training and seen.append(self.y.tolist())))
        if noise:
            torch.rand(100)
            learn.dls.train.one_batch()
        learn.fit(2)
        orders.append(seen)
    assert orders[0] == orders[1]
    half = len(orders[0]) // 2
    assert orders[0][:half] != orders[0][half:]


def test_limit_batches():
    learn = toy_learner(limit_batches=2)
    learn.fit(2)
    assert len(learn.recorder.losses) == 4 and len(learn.recorder.values) == 2


def test_fine_tune_freeze_and_lr_find_work():
    learn = toy_learner()
    before = state_of(learn)
    suggestion = learn.lr_find(num_it=30, show_plot=True)
    assert suggestion.valley > 0
    assert_same_weights(before, state_of(learn))
    learn.fit_flat_cos(1, 0.01)
    assert len(learn.recorder.lrs) == len(learn.dls.train)


def test_a_second_fit_draws_anew_and_lr_find_does_not_count():
    def orders(first):
        learn, seen = toy_learner(), []
        watch = Callback(before_batch=lambda self: self.training and seen.append(self.y.tolist()))
        if first == "lr_find":
            learn.lr_find(num_it=6, show_plot=False)
        elif first:
            learn.fit(first)
        learn.add_cb(watch)
        learn.fit(1)
        return seen

    assert orders(0) == orders("lr_find") != orders(1)


def test_a_fit_after_a_broken_fit_starts_at_its_first_epoch():
    class Broken(Callback):
        def after_train(self):
            raise ValueError("x")

    learn = toy_learner()
    with pytest.raises(ValueError, match="x"):
        learn.fit(2, cbs=Broken())
    learn.fit(2)
    assert len(learn.recorder.values) == 2


def test_the_one_cycle_curve_is_fastais_at_every_step_bit_for_bit():
    for pct in (0.0, 0.1, 0.25, 0.3, 1 / 3, 0.77):
        for start, top, end in (
            (0.004, 0.1, 1e-6),
            (0.95, 0.85, 0.95),
            (np.array([0.1, 0.2]), np.array([1.0, 3.0]), 0.0),
        ):
            ours, fastais = one_cycle(pct, start, top, end), combined_cos(pct, start, top, end)
            for done in [pct, 1.0, *(step / steps for steps in (7, 1000) for step in range(steps))]:
                assert np.array_equal(ours(done), fastais(done))
    assert one_cycle(1.0, 0.0, 1.0, 0.5)(1.0) == 0.5  # where fastai's is nan
