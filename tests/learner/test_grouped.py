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
    ("name", "head", "starts"),
    [
        ("tiny_cnn", "5", "0.0 1.0 2.0 5"),
        ("simple_cnn", "11", "0.0 3.0 6.0 11"),
        ("wrn_10_1", "8", "0 1.bn1 2.bn1 3.bn1 8"),
        ("resnet18", "fc", "conv1 layer1.0.conv1 layer2.0.conv1 layer3.0.conv1 layer4.0.conv1 fc"),
        ("resnet18_imagenet", "fc", "conv1 layer1.0.conv1 layer2.0.conv1 layer3.0.conv1 layer4.0.conv1 fc"),
        ("vgg11_bn", "classifier.6", "features.0 features.4 features.8 features.15 features.22 classifier.0"),
        (
            "mobilenet_v3_small",
            "classifier.3",
            "features.0.0 features.1.block.0.0 features.2.block.0.0 features.4.block.0.0 features.9.block.0.0 "
            "classifier.0",
        ),
        ("fuse:tiny_cnn", "body.5", "body.0.0 body.1.0 body.2.0 body.5"),
        ("timm:test_resnet", "fc", "conv1.0 layer1.0.conv1 layer2.0.conv1 layer3.0.conv1 layer4.0.conv1 fc"),
        ("timm:test_vit", "head", "cls_token blocks.0.norm1 ... head"),
        (
            "torchvision:squeezenet1_1",
            "classifier.1",
            "features.0 features.3.squeeze features.6.squeeze features.9.squeeze classifier.1",
        ),
        (
            "detect:timm:test_resnet",
            "net.roi_heads.box_predictor.cls_score",
            "net.backbone.body.conv1.0 net.backbone.body.layer1.0.conv1 net.backbone.body.layer2.0.conv1 "
            "net.backbone.body.layer3.0.conv1 net.backbone.body.layer4.0.conv1 net.backbone.fpn.inner_blocks.0.0",
        ),
    ],
)
def test_groups_are_stem_stages_and_head(name, head, starts):
    """starts: the first layer of each group; '...' stands for those between."""
    if "timm:" in name:
        pytest.importorskip("timm")
    model = create_model(name, 3, 4)
    assert {f"{head}.weight", f"{head}.bias"} <= head_names(model)
    groups = parameter_groups(model)
    names = {id(p): key.removesuffix(".weight") for key, p in model.named_parameters()}
    found, expected = [names[id(group[0])] for group in groups], starts.split()
    if "..." in expected:
        found[expected.index("...") : -1] = ["..."]
    assert found == expected
    assert [id(p) for group in groups for p in group] == [id(p) for p in model.parameters()]  # as one group has them


def test_groups_of_two_streams_go_by_stage_and_hold_all_once():
    model = create_model("detect:mit_b0", 5, 2)
    groups = parameter_groups(model)
    body = model.net.backbone.body
    assert len(groups) == 5
    for number, group in enumerate(groups[:4]):
        parts = (body.rgb, body.other, body.rectify, body.merge)
        assert {id(p) for p in group} == {id(p) for part in parts for p in part[number].parameters()}
    assert sorted(id(p) for group in groups for p in group) == sorted(id(p) for p in model.parameters())


def test_what_a_fusion_learns_is_in_the_first_group():
    model = create_model("fuse:resnet18", 3, 4, fusion="gated")
    first, *_, last = parameter_groups(model)
    assert first[0] is model.gate and {id(p) for p in last} == {id(p) for p in model.body.fc.parameters()}


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
    *body, head = ({id(p) for p in group} for group in parameter_groups(learn.model))
    body = set().union(*body)
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
        rates = list(map(max, zip(*seen, strict=True)))
        assert rates[-1] == pytest.approx(1e-2, rel=0.05), fit
        steps = [rates[-1] / 100 ** (1 - number / 3) for number in range(4)]  # equal factors from group to group
        assert rates == pytest.approx(steps), fit
    learn = toy_learner()
    learn.fit(1, slice(1e-2))
    assert [group["lr"] for group in learn.opt.hypers] == [*[pytest.approx(1e-3)] * 3, pytest.approx(1e-2)]


def rates_seen(seen):
    return Callback(after_step=lambda self: seen.append([group["lr"] for group in self.opt.hypers]))


def test_groups_of_one_rate_train_as_one_group_does():
    """The optimizer's momentum survives the grouping: bit for bit."""
    one, grouped = toy_learner(), toy_learner()
    for learn in (one, grouped):
        learn.fit(1, 0.05)
        if learn is grouped:
            learn.make_groups()
            assert len(learn.opt.param_lists) == 4
        learn.fit(1, 0.05)
    assert len(one.opt.param_lists) == 1
    assert_same_weights(state_of(one), state_of(grouped))


@pytest.mark.parametrize("opt", ["sgd", "adamw"])
def test_fine_tune_trains_the_head_first(opt):
    learn = toy_learner(opt=opt)
    before = state_of(learn)
    learn.fine_tune(1, 1e-2)
    assert moved(before, learn) == {name for name, _ in learn.model.named_parameters()}
    assert len(learn.opt.param_lists) == 4


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


@pytest.mark.slow
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
