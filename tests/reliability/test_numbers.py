"""Numbers that are not finite, and exceptions anywhere: the state is the last good one, and says so."""

import itertools
import random

import numpy as np
import pytest
import torch
from fastai.callback.core import event

from learnerkit.all import EMA, Callback, Guard
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.core.errors import TrainingError
from tests.conftest import assert_same_weights, make_toy_dls
from tests.reliability.toy import EPOCHS, build, digest, fit, run_fork

pytestmark = pytest.mark.reliability
PLACES = ("input", "loss", "gradient", "valid")


class Spoil(Callback):
    """Puts one bad number into the input, the loss, a gradient or a validation input, at one training step or batch."""

    order = -15  # before the guard, and before the weights see it

    def __init__(self, place, value, step):
        self.place, self.value, self.step, self.done = place, value, step, False

    def now(self, place, training=True):
        right = place == self.place and self.training == training and not self.done
        right = right and self.train_iter >= self.step
        self.done = self.done or right
        return right

    def before_batch(self):
        if self.now("input") or self.now("valid", training=False):
            self.learn.xb = (self.learn.xb[0].clone(),)
            self.learn.xb[0].view(-1)[7] = self.value

    def after_loss(self):
        if self.now("valid loss", training=False):
            self.learn.loss = self.learn.loss * self.value
        if self.now("loss"):
            self.learn.loss_grad = self.learn.loss_grad * self.value
            self.learn.loss = self.learn.loss_grad.detach().clone()

    def before_step(self):
        if self.now("gradient"):
            next(self.learn.model.parameters()).grad[0].fill_(self.value)


class Copies(Callback):
    """The complete state after each training step."""

    order = 79

    def before_fit(self):
        self.states = [snapshot(self.learn)]

    def after_batch(self):
        if self.training:
            self.states.append(snapshot(self.learn))


def snapshot(learn):
    moments = [
        item["momentum_buffer"].clone()
        for item in learn.opt.opt.state.values()
        if item.get("momentum_buffer") is not None
    ]
    weights = {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}
    return weights | {f"momentum {number}": moment for number, moment in enumerate(moments)}


def finite(learn):
    return all(torch.isfinite(t).all() for t in snapshot(learn).values() if t.is_floating_point())


def test_not_finite(tmp_path, gate):
    held = gate(
        "NaN, Inf in input, loss, gradient, valid at random steps; flags read at once and late",
        "state is the last good step's bit for bit, batch norm too; error gives epoch, batch, files; best is finite",
        "fastai: fit returns normally with all 244 weights NaN; TerminateOnNaNCallback stops after the step",
        least=80,
    )
    rng = random.Random(11)
    clean = build(tmp_path / "clean", cbs=[Copies()])
    fit(clean)
    for place, value, late in itertools.product(PLACES, (float("nan"), float("inf")), (False, True)):
        for number in range(6):
            step = rng.randrange(1 if late else 0, 4 * EPOCHS)
            root = tmp_path / f"{place}-{value}-{late}-{number}"
            learn = build(root, cbs=[Spoil(place, value, step), Guard("stop", late=late)])
            try:
                fit(learn)
                held.trial(place == "valid" and step > 8, f"{root.name} at {step}: trained through")
                continue
            except TrainingError as error:
                text, code = str(error), error.exit_code
            good = code == 1 and "is not finite in" in text and "epoch" in text
            exact = place in ("input", "valid") and not late
            good = good and ("The bad input(s): " in text or (not exact and "The batch: " in text))
            trained = step if place != "valid" else 4 * -(-max(step, 1) // 4)
            expected = clean.copies.states[trained]
            same = all(torch.equal(expected[name], tensor) for name, tensor in snapshot(learn).items())
            released = learn.xb is None or learn.xb == (None,)
            released = released and all(p.grad is None for p in learn.model.parameters())
            status = learn.run_folder.status()
            best = learn.run_log.best
            good = (
                good
                and status["state"] == "failed"
                and "Traceback" in learn.run_folder.file("training.log").read_text()
            )
            good = good and (best is None or np.isfinite(best)) and finite(learn)
            held.trial(good and same and released, f"{root.name} at {step}: same {same}, released {released}, {text}")


def test_without_the_guard_the_weights_are_lost(tmp_path):
    """The negative control."""
    learn = build(tmp_path, cbs=[Spoil("input", float("nan"), 2)])
    learn.remove_cb(learn.guard)
    with pytest.raises(TrainingError, match="the loss became nan"):
        fit(learn)
    assert not finite(learn)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("policy", ["skip", "rollback"])
@pytest.mark.parametrize("place", ["input", "loss", "gradient", "valid"])
def test_training_goes_on_where_asked(tmp_path, place, policy, late):
    extras = [Spoil(place, float("inf"), 5), Guard(policy, late=late), EMA(0.9)]
    if place == "gradient":
        extras.append(Accumulate(2))
    learn = build(tmp_path, cbs=extras)
    if place == "valid":
        with pytest.raises(TrainingError, match="validation batch"):
            fit(learn)
        return
    fit(learn)
    assert finite(learn) and learn.run_folder.status()["state"] == "done"
    assert learn.guard.skipped == (place != "valid") and learn.guard.rolled == (
        policy == "rollback" and place != "valid"
    )
    losses = np.array(learn.recorder.losses)
    assert len(losses) == 4 * EPOCHS and np.isfinite(losses).all()


def test_skipping_leaves_the_rest_as_it_was(tmp_path):
    """A skipped batch is a batch without a step: the state after it is the state before."""
    learn = build(tmp_path, cbs=[Spoil("loss", float("nan"), 5), Guard("skip"), Copies()])
    fit(learn)
    before, after = learn.copies.states[5], learn.copies.states[6]
    assert_same_weights(before, after)
    assert np.isnan(learn.recorder.batch_losses[5]) and np.isfinite(learn.recorder.batch_losses[6])


def test_rollbacks_are_limited(tmp_path):
    learn = build(tmp_path, cbs=[Guard("rollback", rollbacks=2)], dls=make_toy_dls())

    def spoil():
        learn.loss = learn.loss * float("nan")

    learn.cast_to_tensor.after_loss = spoil
    learn.cast_to_tensor.order = -12
    with pytest.raises(TrainingError, match=r"after 2 rollback\(s\)"):
        fit(learn)


class Throw(Callback):
    """Raises at one event of the second epoch."""

    order = 90

    def __init__(self, name, error):
        self.error = error
        setattr(self, name, self._throw)

    def _throw(self):
        if getattr(self, "epoch", 0) == 1:
            raise self.error


EVENTS = [name for name in vars(event) if not name.startswith("_") and "cancel" not in name]
EVENTS = [name for name in EVENTS if name not in ("after_create", "before_fit", "after_fit")]


def interrupted_by(root, kind, name):
    """Train until something raises in the second epoch; what is left, and the digest after a resume."""
    error = torch.OutOfMemoryError("CUDA out of memory") if kind == "memory" else ValueError("a bug")
    learn = build(root, cbs=[Throw(name, error)] if name in EVENTS else [])
    if name == "forward":
        plain = learn.model.forward
        learn.model.forward = lambda x: fail_in_epoch(learn, error) or plain(x)
    elif name == "backward":
        next(learn.model.parameters()).register_hook(lambda g: fail_in_epoch(learn, error))
    elif name == "step":
        plain_step = learn.opt_func

        def opt_func(*args, **kwargs):
            opt = plain_step(*args, **kwargs)
            plain = opt.step
            opt.step = lambda *a, **k: fail_in_epoch(learn, error) or plain(*a, **k)
            return opt

        learn.opt_func = opt_func
    try:
        fit(learn)
    except (ValueError, TrainingError) as raised:  # of too little memory our own says what to do
        assert raised is error or raised.__cause__ is error
    else:
        return {"raised": False}
    status, log = learn.run_folder.status(), learn.run_folder.file("training.log").read_text()
    released = learn.xb in (None, (None,)) and all(p.grad is None for p in learn.model.parameters())
    learn.run_folder.unlock()
    again = fit(build(root, resume=True))
    return {
        "raised": True,
        "status": status["state"],
        "log": "Traceback" in log,
        "released": released,
        "digest": digest(again),
    }


def fail_in_epoch(learn, error):
    if learn.epoch == 1:
        raise error


def reference(root):
    return digest(fit(build(root)))


def test_exceptions_everywhere(tmp_path, gate):
    held = gate(
        "out of memory in forward, backward, step, and an exception in every callback event",
        "status failed, traceback kept, batch and gradients released, last good checkpoint resumes bit-identically",
        "fastai: batch and gradients stay held, no status, no checkpoint of the run",
        least=30,
    )
    expected = run_fork(reference, tmp_path / "reference")
    trials = [("memory", name) for name in ("forward", "backward", "step", *EVENTS)] + [
        ("bug", name) for name in EVENTS
    ]
    for kind, name in trials:
        value = run_fork(interrupted_by, tmp_path / f"{kind}-{name}", kind, name)
        good = value["raised"] and value["status"] == "failed" and value["log"] and value["released"]
        held.trial(good and value["digest"] == expected, f"{kind} in {name}: {value}")


def test_the_run_keeps_no_nan_as_best(tmp_path):
    learn = build(
        tmp_path,
        cbs=[Spoil("valid loss", float("nan"), 0), Guard("skip", late=True)],
        run_args={"monitor": "valid_loss", "mode": "min"},
    )
    fit(learn)
    rows = learn.run_folder.history()
    assert rows[0]["valid_loss"] is None and not rows[0]["is_best"] and np.isfinite(learn.run_log.best)
