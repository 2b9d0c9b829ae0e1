"""Arguments of a learner and its fits are honoured or refused: optimizers, rates, losses, classes."""

from functools import partial

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.mixup import CutMix as FastCutMix
from fastai.callback.mixup import MixUp as FastMixUp
from fastai.callback.schedule import ParamScheduler
from fastai.callback.tracker import ReduceLROnPlateau
from fastai.optimizer import SGD, Adam, ranger
from torch import nn

from learnerkit.all import Accumulate, CutMix, ImageInterpretation, MixUp, Schedule, create_model, image_learner
from learnerkit.core.errors import ModelError, RecipeError
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_learner

MOMENTA = {
    "sgd": "sgd",
    "adamw": "adamw",
    "rmsprop": "rmsprop",
    "muon": "muon",
    "torch.SGD": torch.optim.SGD,
    "torch.NAdam": torch.optim.NAdam,
    "partial": partial(torch.optim.SGD, dampening=0.1),
    "SGD": SGD,
    "Adam": Adam,
    "ranger": ranger,
}


def hypers(opt, **kwargs):
    """The hyper-parameters with which a fit trains."""
    learn = toy_learner(opt=MOMENTA.get(opt, opt), limit_batches=1, **kwargs)
    learn.fit(1, 0.01)
    return learn.opt.hypers[-1]


@pytest.mark.parametrize("opt", MOMENTA)
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_momentum_is_that_of_any_optimizer(opt, momentum):
    assert hypers(opt, momentum=momentum)["mom"] == momentum


def test_what_a_partial_of_an_optimizer_says_is_honoured():
    opt = partial(torch.optim.AdamW, weight_decay=0.25)
    assert hypers(opt)["wd"] == 0.25 and hypers(partial(torch.optim.SGD, momentum=0.5))["mom"] == 0.5
    learn = toy_learner(opt=partial(torch.optim.SGD, momentum=0.5), limit_batches=1)
    learn.fit_one_cycle(1, 0.01)
    assert learn.opt.hypers[-1]["mom"] == 0.5
    with pytest.raises(RecipeError, match=r"wd=0\.125: opt= says 0\.25 already"):
        toy_learner(opt=opt, wd=0.125)


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        (lambda learn: learn.fit(-1), r"fit\(n_epoch=-1\)"),
        (lambda learn: learn.fit(1, -0.05), r"fit\(lr=-0\.05\)"),
        (lambda learn: learn.fit(1, slice(-1, 1)), r"fit\(lr=-1\)"),
        (lambda learn: learn.fit_one_cycle(1, 0.1, pct_start=1.5), r"fit_one_cycle\(pct_start=1\.5\)"),
        (lambda learn: learn.fit_one_cycle(1, 0.1, div=0), r"fit_one_cycle\(div=0\)"),
        (lambda learn: learn.fit_flat_cos(1, -0.1), r"fit_flat_cos\(lr=-0\.1\)"),
        (lambda learn: learn.fit_sgdr(0, 1, 0.1), r"fit_sgdr\(n_cycles=0\)"),
    ],
)
def test_a_fit_refuses_what_is_out_of_range(fit, said):
    with pytest.raises(RecipeError, match=said):
        fit(toy_learner())


def test_numbers_of_other_libraries_are_numbers():
    learn = toy_learner(seed=np.int64(1), lr=np.float32(0.05), wd=torch.tensor(1e-3))
    learn.fit(1, np.float64(0.05))
    plain = toy_learner(lr=0.05, wd=float(torch.tensor(1e-3)))
    plain.fit(1, 0.05)
    assert_same_weights(state_of(learn), state_of(plain))


def test_a_search_for_a_rate_passes_over_what_sets_it():
    assert toy_learner([Schedule("cosine")]).lr_find(num_it=30, show_plot=False).valley > 0


def test_momentum_where_there_is_none_is_refused_and_none_is_plain_sgd():
    with pytest.raises(RecipeError, match=r"momentum=0\.5: Adagrad has none"):
        toy_learner(opt=torch.optim.Adagrad, momentum=0.5)
    assert "mom" not in hypers(torch.optim.Adagrad)
    assert hypers("sgd", momentum=0.0)["nesterov"] is False and hypers("sgd")["nesterov"] is True
    plain, wrapped = toy_learner(momentum=0.0), toy_learner(opt=torch.optim.SGD, momentum=0.0)
    for learn in (plain, wrapped):
        learn.fit(1, 0.05)
    assert_same_weights(state_of(plain), state_of(wrapped))


def test_what_sets_hypers_sets_the_optimizer():
    learn = toy_learner()
    learn.create_opt()
    for group in learn.opt.hypers:
        group["lr"], group["mom"] = 0.125, 0.25
    group = learn.opt.opt.param_groups[0]
    assert group["lr"] == 0.125 and group["momentum"] == 0.25
    adam = toy_learner(opt="adam")
    adam.create_opt()
    adam.opt.hypers[0]["mom"] = 0.5
    assert adam.opt.opt.param_groups[0]["betas"] == (0.5, 0.999)


@pytest.mark.parametrize("opt", ["sgd", "adamw", torch.optim.SGD, Adam])
def test_fastais_reduction_of_the_rate_reduces_it(opt):
    learn = toy_learner(opt=opt)
    learn.fit(3, 0.1, cbs=ReduceLROnPlateau("valid_loss", min_delta=1e9, patience=1))
    steps = len(learn.dls.train)
    assert [float(rate) for rate in learn.recorder.lrs[::steps]] == pytest.approx([0.1, 0.1, 0.01])


@pytest.mark.parametrize(
    "fit",
    [
        lambda learn: learn.fit_one_cycle(1, 0.05, cbs=Schedule("cosine")),
        lambda learn: learn.fit_one_cycle(1, 0.05, cbs=ReduceLROnPlateau()),
        lambda learn: learn.fit(1, 0.05, cbs=[Schedule("step"), Schedule("cosine")]),
        lambda learn: learn.fit(1, 0.05, cbs=[Schedule("step"), ParamScheduler({"lr": lambda pct: 0.1})]),
        lambda learn: learn.fit_flat_cos(1, 0.05, cbs=Schedule("cosine")),
    ],
)
def test_two_that_set_the_rate_are_refused(fit):
    learn = toy_learner()
    before = state_of(learn)
    with pytest.raises(RecipeError, match=r"the learning rate would be set by .* and one would undo the other"):
        fit(learn)
    assert_same_weights(before, state_of(learn))


@pytest.mark.parametrize("settings", [{}, {"pct_start": 0.5, "div": 5.0}, {"moms": (0.95, 0.85, 0.95)}])
def test_the_schedule_one_cycle_is_fit_one_cycle(settings):
    cycle, schedule = toy_learner(), toy_learner()
    cycle.fit_one_cycle(2, 0.1, **settings)
    schedule.fit(2, 0.1, cbs=Schedule("one_cycle", **settings))
    assert_same_weights(state_of(cycle), state_of(schedule))
    assert cycle.recorder.lrs == schedule.recorder.lrs


@pytest.mark.parametrize(("period", "said"), [(1, False), (2, False), (5, False), (8, True)])
def test_a_period_in_steps_is_said_to_count_epochs(period, said, recwarn):
    learn = toy_learner()
    assert len(learn.dls.train) * 2 == 8
    learn.fit(2, 0.1, cbs=Schedule("cosine", T_max=period))
    assert said == any("counts epochs, and the fit has 2" in str(warning.message) for warning in recwarn)


# losses and classes


def test_smoothing_beside_a_loss_of_ones_own_is_refused():
    with pytest.raises(RecipeError, match=r"label_smoothing=0\.1.*of the default loss"):
        toy_learner(label_smoothing=0.1, loss_func=nn.CrossEntropyLoss())


@pytest.mark.parametrize("loss_func", [nn.CrossEntropyLoss(), nn.functional.cross_entropy, nn.NLLLoss()])
def test_predictions_are_probabilities_whatever_the_loss(loss_func, toy_dls):
    body = create_model("tiny_cnn", n_out=3, width=4)
    model = nn.Sequential(body, nn.LogSoftmax(dim=1)) if isinstance(loss_func, nn.NLLLoss) else body
    learn = image_learner(toy_dls, model, loss_func=loss_func, seed=1)
    learn.logger = lambda row: None
    learn.fit(1)
    seen = ImageInterpretation.from_learner(learn)
    assert torch.allclose(seen.preds.sum(dim=1), torch.ones(len(seen.preds)), atol=1e-5) and (seen.preds >= 0).all()
    logits = learn.get_preds(act=lambda pred: pred)[0]
    assert torch.allclose(seen.preds, logits.softmax(dim=1), atol=1e-6)


@pytest.mark.parametrize("n_out", [2, 5])
def test_a_model_with_other_outputs_than_classes_is_refused(n_out, toy_dls):
    with pytest.raises(ModelError, match=f"gives {n_out} figures an image, and the data have 3 classes"):
        image_learner(toy_dls, create_model("tiny_cnn", n_out=n_out))
    with pytest.raises(RecipeError, match="n_out follow from the data"):
        image_learner(toy_dls, "tiny_cnn", model_args={"n_out": n_out})
    with pytest.raises(ModelError, match=f"has {n_out} class weights, and the data have 3 classes"):
        toy_learner(loss_func=nn.CrossEntropyLoss(weight=torch.ones(n_out)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.float32])
def test_class_weights_of_another_float_type_are_cast(dtype):
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=dtype)
    learn, plain = (toy_learner(loss_func=nn.CrossEntropyLoss(weight=given)) for given in (weights, weights.float()))
    for one in (learn, plain):
        one.fit(1)
    assert_same_weights(state_of(learn), state_of(plain))


@pytest.mark.parametrize("unit", ["batches", "samples"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_weights_and_accumulation_agree(unit, smoothing):
    weights = torch.tensor([1.0, 5.0, 0.2])

    def trained(bs, cbs):
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
        nn.init.zeros_(model[1].weight)
        nn.init.zeros_(model[1].bias)
        loss = nn.CrossEntropyLoss(weight=weights, label_smoothing=smoothing)
        learn = image_learner(make_toy_dls(bs=bs), model, loss_func=loss, cbs=cbs, seed=1, momentum=0.0, wd=0.0)
        learn.logger = lambda row: None
        learn.limit_batches = 32 // bs
        learn.fit(1, 0.01)
        return state_of(learn)

    whole = trained(32, [])
    split = trained(8, Accumulate(4 if unit == "batches" else 32, unit))
    for name in whole:
        torch.testing.assert_close(split[name], whole[name], rtol=1e-5, atol=1e-6)


class Focal(nn.Module):
    """A loss whose weight is no class weight of a weighted mean."""

    def __init__(self, weight):
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, pred, target):
        return (self.weight.flatten()[0] * nn.functional.cross_entropy(pred, target, reduction="none")).mean()


@pytest.mark.parametrize(
    "loss",
    [
        Focal(torch.tensor(0.5)),
        Focal(torch.rand(64, 3)),
        nn.MultiMarginLoss(weight=torch.tensor([1.0, 5.0, 0.2])),
        nn.CrossEntropyLoss(reduction="sum"),
        nn.CrossEntropyLoss(ignore_index=1),
        nn.CrossEntropyLoss(ignore_index=1, weight=torch.tensor([1.0, 5.0, 0.2])),
    ],
)
def test_any_loss_accumulates_to_that_of_the_whole_batch(loss):
    def trained(bs, cbs):
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
        nn.init.zeros_(model[1].weight)
        nn.init.zeros_(model[1].bias)
        learn = image_learner(make_toy_dls(bs=bs), model, loss_func=loss, cbs=cbs, seed=1, momentum=0.0, wd=0.0)
        learn.logger = lambda row: None
        learn.limit_batches = 32 // bs
        learn.fit(1, 1e-3)
        return state_of(learn)

    whole, split = trained(32, []), trained(8, Accumulate(4))
    for name in whole:
        torch.testing.assert_close(split[name], whole[name], rtol=1e-5, atol=1e-6)


def test_outputs_beside_the_classes_have_no_train_accuracy(toy_dls):
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = create_model("tiny_cnn", 3, 3, width=4)

        def forward(self, images):
            pred = self.body(images)
            return (pred, pred) if self.training else pred

    def loss(pred, target):
        return nn.functional.cross_entropy(pred[0] if isinstance(pred, tuple) else pred, target)

    learn = image_learner(toy_dls, Auxiliary(), loss_func=loss, metrics=[])
    learn.logger = lambda row: None
    learn.fit(1)
    assert learn.train_accuracy.epoch_columns() == {}


@pytest.mark.parametrize("mix", [FastCutMix, FastMixUp, CutMix, MixUp])
def test_under_any_mixing_the_larger_share_counts_and_is_called_so(mix):
    seen = []

    def count(self):
        if self.training:
            right = self.pred.argmax(dim=1)
            cb = next(cb for cb in self.learn.cbs if isinstance(cb, mix))
            lam = torch.as_tensor(cb.lam, device=right.device).reshape(-1).expand(len(right))
            others = (vars(cb).get("yb1") or vars(cb).get("other_targets"))[0]
            seen.append((right == torch.where(lam >= 0.5, self.y, others)).float().mean().item())

    given = mix(p=1.0) if mix in (CutMix, MixUp) else mix()
    learn = toy_learner([given, Callback(after_loss=count)])
    learn.fit(1)
    assert learn.train_accuracy.epoch_columns() == {"train_accuracy_mixed": pytest.approx(sum(seen) / len(seen))}


def test_train_loss_is_the_mean_of_the_batches_and_train_accuracy_that_of_the_passes(toy_dls):
    right = []

    def count(self):
        if self.training:
            right.append((self.pred.argmax(dim=1) == self.y).float().mean().item())

    learn = toy_learner([Callback(after_loss=count)])
    learn.fit(2)
    steps = len(learn.dls.train)
    for epoch, row in enumerate(learn.recorder.values):
        losses = learn.recorder.batch_losses[epoch * steps : (epoch + 1) * steps]
        assert row[0] == pytest.approx(sum(losses) / steps)
    assert learn.train_accuracy.epoch_columns() == {"train_accuracy": pytest.approx(sum(right[steps:]) / steps)}
