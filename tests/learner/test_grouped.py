"""Freezing and rates by group, on models of our own, of libraries, and of two inputs; a default has one group."""

import pytest
import torch
from torch import nn

from learnerkit.all import Callback, Run, create_model, fusion_learner, image_learner
from learnerkit.core.errors import ModelError
from learnerkit.models.groups import head_names, parameter_groups
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_learner
from tests.pairs import make_pair_dls
from tests.scenes import toy_detector


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("tiny_cnn", "5"),
        ("resnet18", "fc"),
        ("fuse:tiny_cnn", "body.5"),
        ("timm:test_vit", "head"),
        ("torchvision:squeezenet1_1", "classifier.1"),
        ("detect:timm:test_resnet", "net.roi_heads.box_predictor.cls_score"),
    ],
)
def test_the_head_is_what_names_the_classes(name, head):
    if "timm:" in name:
        pytest.importorskip("timm")
    model = create_model(name, 3, 4)
    assert {f"{head}.weight", f"{head}.bias"} <= head_names(model)
    groups = parameter_groups(model)
    assert len(groups) == 2 and min(map(len, groups)) > 0
    assert [id(p) for group in groups for p in group] == [id(p) for p in model.parameters()]  # as one group has them


def moved(before, learn):
    return {name for name, tensor in learn.model.named_parameters() if not torch.equal(before[name], tensor)}


def is_norm(learn, name):
    return isinstance(learn.model.get_submodule(name.rpartition(".")[0]), nn.BatchNorm2d | nn.LayerNorm)


MAKE = {
    "classify": lambda tmp: toy_learner(),
    "fuse": lambda tmp: fusion_learner(make_pair_dls(), "tiny_cnn", seed=1, lr=0.05),
    "detect": lambda tmp: toy_detector(tmp / "set"),
    "timm": lambda tmp: image_learner(make_toy_dls(), "timm:test_vit", model_args={"img_size": 16}),
}


@pytest.mark.parametrize("kind", MAKE)
def test_freeze_trains_the_last_group_and_norms_alone(kind, tmp_path):
    learn = MAKE[kind](tmp_path)
    learn.logger = lambda row: None
    learn.freeze()
    body, head = ({id(p) for p in group} for group in parameter_groups(learn.model))
    names = {name: id(p) for name, p in learn.model.named_parameters()}
    before = state_of(learn)
    learn.fit(1, 1e-3)
    changed = moved(before, learn)
    assert {name for name in changed if names[name] in head}
    assert not [name for name in changed if names[name] in body and not is_norm(learn, name)]
    learn.unfreeze()
    before = state_of(learn)
    learn.fit(1, 1e-3)
    assert [name for name in moved(before, learn) if names[name] in body and not is_norm(learn, name)]


def test_a_slice_gives_each_group_its_rate():
    for fit, rate in (("fit", "lr"), ("fit_one_cycle", "lr_max"), ("fit_flat_cos", "lr"), ("fit_sgdr", "lr_max")):
        learn = toy_learner()
        seen = []
        learn.add_cb(rates_seen(seen))
        call = (1, 1) if fit == "fit_sgdr" else (1,)
        getattr(learn, fit)(*call, **{rate: slice(1e-4, 1e-2)})
        low, high = map(max, zip(*seen, strict=True))
        assert high == pytest.approx(1e-2, rel=0.05) and low == pytest.approx(high / 100), fit
    learn = toy_learner()
    learn.fit(1, slice(1e-2))
    assert [group["lr"] for group in learn.opt.hypers] == [pytest.approx(1e-3), pytest.approx(1e-2)]


def rates_seen(seen):
    return Callback(after_step=lambda self: seen.append([group["lr"] for group in self.opt.hypers]))


def test_groups_of_one_rate_train_as_one_group_does():
    """The optimizer's momentum survives the grouping: bit for bit."""
    one, grouped = toy_learner(), toy_learner()
    for learn in (one, grouped):
        learn.fit(1, 0.05)
        if learn is grouped:
            learn.make_groups()
            assert len(learn.opt.param_lists) == 2
        learn.fit(1, 0.05)
    assert len(one.opt.param_lists) == 1
    assert_same_weights(state_of(one), state_of(grouped))


@pytest.mark.parametrize("opt", ["sgd", "adamw"])
def test_fine_tune_trains_the_head_first(opt):
    learn = toy_learner(opt=opt)
    before = state_of(learn)
    learn.fine_tune(1, 1e-2)
    assert moved(before, learn) == {name for name, _ in learn.model.named_parameters()}
    assert len(learn.opt.param_lists) == 2


@pytest.mark.parametrize(
    ("arch", "settings", "said"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3)), {}, "its model"),
        ("tiny_cnn", {"splitter": lambda model: [list(model.parameters())]}, "splitter="),
    ],
    ids=["model", "splitter"],
)
def test_one_group_is_refused_by_name(arch, settings, said):
    learn = image_learner(make_toy_dls(), arch, **settings)
    learn.logger = lambda row: None
    for act in (learn.freeze, lambda: learn.freeze_to(1), lambda: learn.fit(1, slice(1e-4, 1e-2))):
        with pytest.raises(ModelError, match=f"{said}.* one group.*splitter="):
            act()
    learn.unfreeze()
    learn.fit(1)


def thirds(model):
    return [list(part.parameters()) for part in (model[:2], model[2:4], model[4:])]


def test_ones_own_splitter_decides():
    learn = toy_learner(splitter=thirds)
    learn.freeze_to(1)
    trained = [all(p.requires_grad for p in model.parameters()) for model in (learn.model[0][0], learn.model[2][0])]
    assert trained == [False, True] and len(learn.opt.param_lists) == 3


def test_a_fit_of_groups_resumes_bit_for_bit(tmp_path):
    def learner(name, stop=None, resume=False):
        cbs = [Run(tmp_path, name, checkpoint_every=1, resume=resume)]
        cbs += [Callback(before_epoch=lambda self: stop_at(self, stop))] if stop else []
        learn = toy_learner(cbs)
        learn.freeze()
        return learn

    def stop_at(cb, epoch):
        if cb.epoch == epoch:
            raise RuntimeError("stopped")

    whole = learner("whole")
    whole.fit_one_cycle(3, slice(1e-3, 1e-2))
    cut = learner("cut", stop=2)
    with pytest.raises(RuntimeError, match="stopped"):
        cut.fit_one_cycle(3, slice(1e-3, 1e-2))
    cut.run_folder.unlock()
    again = learner("cut", resume=True)
    again.fit_one_cycle(3, slice(1e-3, 1e-2))
    assert_same_weights(state_of(whole), state_of(again))
