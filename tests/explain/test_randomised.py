"""Weights drawn anew from the head down: which, how, in what order, and what stays untouched."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from learnerkit.all import ModelError, create_model, gradcam, randomisation_control, saliency_map
from learnerkit.explain.randomised import layer_order, own_weights, randomised, redraw


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before, model):
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}


def trained_like(model):
    """Weights that no layer is made with, so that every redraw is seen."""
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 + 0.05 * torch.rand_like(tensor))
    return model


def small():
    return trained_like(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 2))
    )


def test_layers_go_one_by_one_from_the_head_down():
    model = small()
    before = state(model)
    steps = list(randomised(model))
    assert [(step.depth, step.lowest) for step in steps] == [(1, "4"), (2, "1"), (3, "0")]
    assert changed(before, steps[0].model) == {"4.weight", "4.bias"}
    norm = {f"1.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
    assert changed(before, steps[1].model) | {"1.num_batches_tracked"} == {"4.weight", "4.bias"} | norm
    assert changed(before, steps[2].model) >= {"0.weight", "0.bias"}
    assert [step.part for step in steps] == pytest.approx([290 / 410, 298 / 410, 1])
    for later in steps[1:]:  # what was drawn stays as it was drawn
        assert torch.equal(later.model[4].weight, steps[0].model[4].weight)
    assert not changed(before, model) and len({id(step.model) for step in steps}) == 3


def test_a_norm_is_that_of_no_data():
    norm = trained_like(nn.BatchNorm2d(4))
    redraw(norm)
    assert norm.running_mean.tolist() == [0] * 4 and norm.running_var.tolist() == [1] * 4
    assert norm.weight.tolist() == [1] * 4 and norm.bias.tolist() == [0] * 4


def test_a_norm_without_weights_forgets_too():
    model = trained_like(nn.Sequential(nn.BatchNorm2d(4, affine=False)))
    (step,) = randomised(model)
    assert step.model[0].running_mean.tolist() == [0] * 4 and model[0].running_mean.min() > 0


def test_the_process_and_the_model_are_left_as_they_were():
    model, images = small().train(), torch.rand(2, 3, 8, 8)
    model[1].eval()
    model[0].weight.requires_grad_(False)
    generators = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    for step in randomised(model, images, seed=3):
        assert torch.equal(torch.get_rng_state(), generators[0])  # between the copies too
        assert step.model.training and not step.model[1].training
        assert not step.model[0].weight.requires_grad and step.model[4].weight.requires_grad
    assert np.random.get_state()[1].tolist() == generators[1] and random.getstate() == generators[2]
    assert model.training and not model[1].training and not model[0]._forward_pre_hooks


def test_a_frozen_layer_is_drawn_too():
    model = small().requires_grad_(False)
    before = state(model)
    (*_, last) = randomised(model)
    assert {name for name, _ in model.named_parameters()} <= changed(before, last.model)


def test_the_seed_decides():
    model = small()
    first, same, other = ([step.model for step in randomised(model, seed=seed)] for seed in (1, 1, 2))
    assert not changed(state(first[2]), same[2])
    assert {"0.weight", "0.bias", "4.weight", "4.bias"} == changed(state(first[2]), other[2])
    with torch.no_grad():
        model[0].weight.mul_(3)  # what another layer holds is no part of a draw
    (head, *_) = randomised(model, seed=1)
    assert torch.equal(head.model[4].weight, first[0][4].weight)


class Gated(nn.Module):
    """Weights that no `reset_parameters` knows: a gate of one number, a layer scale, a table of zeros, a counter."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Parameter(torch.tensor(0.5))
        self.scale = nn.Parameter(1e-4 * torch.ones(2000))
        self.zeros = nn.Parameter(torch.zeros(3))
        self.register_buffer("count", torch.tensor(7))


def test_what_has_no_way_of_its_own_keeps_its_scale():
    module = Gated()
    redraw(module)
    assert module.gate.item() != 0.5 and module.count == 7 and module.zeros.tolist() == [0, 0, 0]
    assert module.scale.square().mean().sqrt().item() == pytest.approx(1e-4, rel=0.1)
    assert module.scale.mean().item() == pytest.approx(0, abs=1e-5)
    attention = nn.MultiheadAttention(8, 2)
    before = state(attention)
    redraw(attention)
    assert changed(before, attention) == {"in_proj_weight"}


def test_a_frozen_norm_and_a_parametrised_weight_are_drawn():
    norm = trained_like(FrozenBatchNorm2d(4))
    before = state(norm)
    assert set(own_weights(norm)) == {"weight", "bias"}
    redraw(norm)
    assert changed(before, norm) == set(before) and norm.running_var.tolist() == [1] * 4
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 3)))
    before = state(model)
    (*_, last) = randomised(model)
    assert changed(before, last.model) == set(before)  # its own reset_parameters moves a product, and no weight
    assert not torch.equal(last.model[0].weight, model[0].weight)


def test_tied_layers_stay_tied():
    shared = nn.Linear(6, 6)
    model = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(6, 6))
    model[3].weight = shared.weight
    steps = list(randomised(model))
    assert [step.lowest for step in steps] == ["3", "0"]
    for step in steps:
        assert step.model[3].weight is step.model[0].weight and step.model[2] is step.model[0]
        assert not torch.equal(step.model[0].weight, shared.weight)
    assert steps[-1].part == 1


class Reversed(nn.Module):
    """Registered from the head on, run from the stem on."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.ones(3))
        self.head = nn.Linear(8, 2)
        self.body = nn.Sequential(nn.Linear(3, 8), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
        self.unused = nn.Linear(2, 2)

    def forward(self, images):
        return self.head(self.body((images.mean((2, 3)) + self.token)[:, None])[:, 0])


def test_the_order_is_that_in_which_they_run():
    model, images = Reversed(), torch.rand(2, 3, 4, 4)
    order = layer_order(model, images)
    assert order[0] == "head" and order[-2:] == ["unused", ""]  # the token acts before all else
    inner = [name.removeprefix("body.1.") for name in order if name.startswith("body.1")]
    assert inner.index("self_attn.out_proj") < inner.index("self_attn") and inner[0] == "norm2"
    assert layer_order(model)[0] == "unused" and set(layer_order(model)) == set(order)
    assert [step.lowest for step in randomised(model, images, depths=3)] == ["head", order[len(order) // 2], ""]
    (only,) = randomised(model, images, depths=1)
    assert only.part == 1


@pytest.mark.parametrize("name", ["tiny_cnn", "mobilenet_v3_small", "timm:test_vit", "timm:test_convnext"])
def test_models_of_the_libraries(name):
    model = trained_like(create_model(name, 3, 4, **({"img_size": 32} if "vit" in name else {})))
    before = state(model)
    (*_, last) = randomised(model, torch.rand(1, 3, 32, 32), depths=2)
    assert changed(before, last.model) >= {name for name, _ in model.named_parameters()}
    assert torch.isfinite(last.model.eval()(torch.rand(2, 3, 32, 32))).all()


def test_a_model_without_weights_is_refused():
    with pytest.raises(ModelError, match="Flatten: has no weights that could be drawn anew"):
        next(randomised(nn.Flatten()))


class Edges(nn.Module):
    """A map that knows the image and not the model."""

    def __call__(self, model, images, targets=None):
        return images.diff(dim=3).abs()


def test_the_control_tells_a_map_of_the_image_from_one_of_the_model():
    model, images = trained_like(create_model("tiny_cnn", 3, 4, width=4)), torch.rand(24, 3, 16, 16)
    rows = randomisation_control(model, images, Edges(), depths=3, bs=7)
    assert [row["depth"] for row in rows[::3]] == [1, 4, 8] or rows[0]["depth"] == 1
    assert all(row["mean"] == pytest.approx(1) and row["n"] == 24 for row in rows)  # unmoved at every depth: no good
    assert all(row["other_images"] < 0.5 for row in rows)
    before = copy.deepcopy(model)
    rows = randomisation_control(model, images, saliency_map, depths=2, seed=4)
    last = {row["measure"]: row for row in rows if row["redrawn"] == 1}
    assert last["spearman"]["mean"] < 0.7 and last["spearman"]["low"] <= last["spearman"]["mean"]
    assert rows == randomisation_control(model, images, saliency_map, depths=2, seed=4)
    assert rows != randomisation_control(model, images, saliency_map, depths=2, seed=5)
    assert not changed(state(before), model)


def test_the_copies_explain_what_the_model_tells():
    model, images, seen = small(), torch.rand(4, 3, 8, 8), []

    def noting(model, images, targets=None):
        seen.append(targets.tolist())
        return gradcam(model, images, layer=model[0], targets=targets)

    with torch.no_grad():
        told = model.eval()(images).argmax(1).tolist()
    randomisation_control(model, images, noting, depths=3)
    assert seen == [told] * 4
