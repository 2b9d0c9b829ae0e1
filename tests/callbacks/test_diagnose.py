"""While it trains: each sign on a small training that has it, none on a good one, and no training is changed."""

import json
import logging

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from torch import nn

from learnerkit.all import Guard, array_dls, detection_dls, image_learner
from learnerkit.callbacks.diagnose import Diagnose
from learnerkit.callbacks.run import RunKeeper
from learnerkit.classify.signs import ClassSigns
from learnerkit.core.errors import TrainingError
from learnerkit.core.run_folder import RunFolder
from learnerkit.detect.signs import BoxSigns
from learnerkit.runs.report import write_report
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_arrays, toy_learner
from tests.scenes import toy_detector, write_scenes


class Changed(Callback):
    """Training batches as a wrong transform would make them."""

    order, run_valid = -15, False

    def __init__(self, change):
        self.change = change

    def before_batch(self):
        batch, n = self.change((*self.learn.xb, *self.learn.yb)), len(self.learn.xb)
        self.learn.xb, self.learn.yb = batch[:n], batch[n:]


def told(learn):
    return [record["sign"] for record in learn.diagnose.records]


def many(n=1600, labels=None, **kwargs):
    """Toy images for enough steps of an epoch."""
    images, codes = toy_arrays(n=n, size=12)
    return array_dls(images, codes if labels is None else labels, bs=8, vocab=["top", "middle", "bottom"], **kwargs)


def test_a_good_training_has_no_sign():
    learn = toy_learner(dls=many())
    learn.fit_one_cycle(3, 0.05)
    assert told(learn) == [] and len(learn.recorder.losses) > 300


def test_a_first_epoch_of_a_few_steps_has_none():
    learn = toy_learner(lr=1e-8)
    learn.limit_batches = 2
    learn.fit(1)
    assert told(learn) == []


def test_the_training_is_bit_identical_with_it_and_without():
    runs = []
    for diagnose in (True, False):
        learn = toy_learner(dls=make_toy_dls(crop=2, rotate=15), diagnose=diagnose)
        assert hasattr(learn, "diagnose") is diagnose
        learn.fit_one_cycle(3, 0.1)
        runs.append((state_of(learn), learn.recorder.values[-1], learn.recorder.batch_losses))
    (first, figures, losses), (second, others, again) = runs
    assert_same_weights(first, second)
    assert figures == others and losses == again


class Remembering(nn.CrossEntropyLoss):
    """A loss that each call changes, and that draws a lot."""

    seen = 0.0

    def forward(self, pred, targets):
        loss = super().forward(pred, targets)
        self.seen = 0.9 * self.seen + 0.1 * loss.item()
        return loss * (1 + self.seen + 0.1 * torch.rand(()))


def test_a_loss_that_remembers_its_calls_is_not_disturbed():
    states = []
    for diagnose in (True, False):
        learn = image_learner(array_dls(*toy_arrays(64), bs=16), "tiny_cnn", loss_func=Remembering(), diagnose=diagnose)
        learn.fit(2, 0.01)
        states.append(state_of(learn))
    assert_same_weights(*states)


def test_nothing_stays_on_the_model():
    learn = toy_learner()
    learn.fit(1)
    assert not any(module._forward_hooks for module in learn.model.modules())


@pytest.mark.parametrize(("rate", "sign"), [(1e-9, "loss_at_chance"), (20.0, "rate_too_high")])
def test_rates(rate, sign):
    learn = toy_learner(dls=many())
    learn.fit(1, rate)
    assert sign in told(learn)


def test_a_training_that_the_guard_stops_says_why(tmp_path, caplog):
    learn = toy_learner([RunKeeper(tmp_path, "a")])
    with pytest.raises(TrainingError), caplog.at_level(logging.WARNING):
        learn.fit(3, 1e12)
    (record,) = RunFolder(tmp_path / "a").described()["diagnosis"]
    assert record["sign"] == "rate_too_high" and record["text"].endswith("then it was not finite")
    assert caplog.messages == [f"diagnosis: epoch 1: {record['text']}. Try: {record['try']}."]


def test_an_input_that_is_not_finite_is_no_matter_of_the_rate():
    learn = toy_learner()

    def spoil(batch):
        return (batch[0] * float("nan"), batch[1])

    learn.add_cb(Changed(spoil))
    with pytest.raises(TrainingError, match="the input is not finite"):
        learn.fit(1)
    assert told(learn) == []


class OneClass(nn.Module):
    """Says the first class whatever it sees, by a bias that no step changes."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
        self.register_buffer("bias", torch.tensor([50.0, 0, 0]))

    def forward(self, x):
        return self.net(x) + self.bias


def test_one_class_predicted():
    learn = image_learner(many(), OneClass(), lr=1e-4, seed=1)
    learn.logger = lambda row: None
    learn.fit(2)
    assert {"one_class_predicted", "loss_at_chance"} <= {*told(learn)}


def test_one_class_in_the_targets():
    learn = toy_learner(dls=many())

    def all_top(batch):
        return batch[0], torch.zeros_like(batch[1])

    learn.add_cb(Changed(all_top))
    learn.fit(1)
    assert "one_class_trained" in told(learn)


class Dying(nn.Module):
    """Its one map is below 0 whatever it sees."""

    def __init__(self):
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(8, 3)
        nn.init.constant_(self.conv.bias, -100.0)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).mean(dim=(2, 3)))


def test_dead_units_and_what_gets_no_gradient():
    learn = image_learner(many(), Dying(), lr=1e-3, wd=0, seed=1)
    learn.logger = lambda row: None
    learn.fit(2)
    signs = {record["sign"]: record for record in learn.diagnose.records}
    assert signs["dead_units"]["text"].startswith("8 of 8 channels after act")
    assert "conv.weight, conv.bias and 1 more had no gradient" in signs["frozen"]["text"]


def test_an_overfitted_training_and_noise():
    images, _ = toy_arrays(n=600, size=12)
    noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
    labels = np.random.default_rng(1).integers(0, 3, 600)
    dls = array_dls(noise, labels, bs=8, vocab=["top", "middle", "bottom"], split=(0.5, 0.5, 0))
    learn = toy_learner(dls=dls, wd=0)
    learn.fit_one_cycle(12, 0.05)
    assert "valid_at_chance" in told(learn) or "overfit" in told(learn)


def test_inputs_normalised_twice_and_not_at_all():
    for change, sign in ((lambda x: x * 4 - 2, "normalised_twice"), (lambda x: x * 0.25 + 1.5, None)):
        learn = toy_learner()
        learn.add_cb(Changed(lambda batch, change=change: (change(batch[0]), batch[1])))
        learn.fit(1)
        assert told(learn) == ([sign] if sign else ["not_normalised"])


class Probabilities(nn.Module):
    """A network that ends in a softmax."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3), nn.Softmax(dim=1))

    def forward(self, x):
        return self.net(x)


def of_probabilities(pred, targets):
    return nn.functional.nll_loss(pred.clamp_min(1e-9).log(), targets)


@pytest.mark.parametrize(("loss", "is_one"), [(None, True), (of_probabilities, False)])
def test_a_loss_of_probabilities(loss, is_one):
    learn = image_learner(make_toy_dls(), Probabilities(), loss_func=loss, lr=0.01, seed=1)
    learn.logger = lambda row: None
    learn.fit(1)
    assert ("loss_of_probabilities" in told(learn)) is is_one


def test_a_frozen_head():
    learn = toy_learner(dls=many())
    for name, parameter in learn.model.named_parameters():
        parameter.requires_grad_(name not in learn.head_names)
    learn.fit(1)
    (text,) = [record["text"] for record in learn.diagnose.records if record["sign"] == "frozen"]
    assert "of the last layer is set not to train" in text


def test_a_frozen_body_is_how_one_begins_from_other_weights():
    learn = image_learner(many(), "simple_cnn", seed=1, lr=0.01)
    learn.logger = lambda row: None
    learn.freeze()
    learn.fit(1)
    assert "frozen" not in told(learn)


def test_the_guard_passes_over_batches():
    learn = toy_learner([Guard("skip")], dls=many())

    def spoil(batch):
        return (batch[0] * float("nan"), batch[1]) if torch.rand(()) < 0.3 else batch

    learn.add_cb(Changed(spoil))
    learn.fit(1)
    assert "guard_trips" in told(learn)


def test_it_is_told_on_the_page_and_in_the_log(tmp_path, caplog):
    learn = toy_learner([RunKeeper(tmp_path, "a")])
    learn.add_cb(Changed(lambda batch: (batch[0] * 4 - 2, batch[1])))
    with caplog.at_level(logging.WARNING):
        learn.fit(2)
    described = json.loads((tmp_path / "a" / "run.json").read_text())
    (record,) = described["diagnosis"]
    assert record.keys() == {"epoch", "sign", "text", "try", "passed"} and record["epoch"] == 1
    line = f"epoch 1: {record['text']}. Try: {record['try']}."
    assert caplog.messages == [f"diagnosis: {line}"]
    assert line in (tmp_path / "a" / "training.log").read_text()
    page = write_report(tmp_path / "a").read_text()
    assert "Signs of a bad training" in page and record["text"] in page


def test_a_good_run_says_that_there_is_none(tmp_path):
    toy_learner([RunKeeper(tmp_path, "a")]).fit(1)
    assert RunFolder(tmp_path / "a").described()["diagnosis"] == []
    assert "Signs of a bad training" not in write_report(tmp_path / "a").read_text()


def test_a_resume_goes_on_with_what_was_told(tmp_path):
    def train(name, epochs, resume=False):
        learn = toy_learner([RunKeeper(tmp_path, name, checkpoint_every=1, resume=resume, allow=("epochs",))])
        learn.add_cb(Changed(lambda batch: (batch[0] * 4 - 2, batch[1])))
        learn.fit(epochs)
        return learn, RunFolder(tmp_path / name).described()["diagnosis"]

    _, whole = train("whole", 3)
    train("cut", 1)
    learn, again = train("cut", 3, resume=True)
    assert again == whole and len(whole) == 1
    learn.remove_cb(Diagnose)
    other = toy_learner([RunKeeper(tmp_path, "cut", resume=True, allow=("epochs",))], diagnose=False)
    other.fit(4)  # a resume without it goes on as well


def test_a_detector_without_boxes_and_with_boxes_that_are_off(tmp_path):
    write_scenes(tmp_path / "scenes", n=24)

    def signs(change):
        learn = toy_detector(None, dls=detection_dls(tmp_path / "scenes", bs=4), limit_batches=4)
        learn.add_cb(Changed(change))
        learn.fit(1)
        return told(learn)

    def shares(batch):
        boxes = batch[2].clone()
        boxes[:, :, :4] /= 64
        boxes[:, :, 2:4] += 1e-2
        return *batch[:2], boxes

    def empty(batch):
        boxes = batch[2].clone()
        boxes[:, :, 4] = -1
        return *batch[:2], boxes

    assert signs(lambda batch: batch) == []
    assert signs(shares) == ["boxes_off"]
    assert signs(empty) == ["empty_targets"]


def test_the_callbacks_of_tasks_are_left_out_with_it(tmp_path):
    kinds = {type(cb) for cb in toy_learner(diagnose=False).cbs}
    assert not kinds & {Diagnose, ClassSigns}
    write_scenes(tmp_path / "scenes")
    detector = toy_detector(tmp_path / "scenes", diagnose=False)
    assert not {type(cb) for cb in detector.cbs} & {Diagnose, BoxSigns}
