"""Integrated gradients, SmoothGrad and DeepLIFT against captum called directly, and against values worked by hand."""

import pytest
import torch
from torch import nn

from learnerkit.all import (
    DataError,
    LearnerkitError,
    ModelError,
    create_model,
    deeplift,
    integrated_gradients,
    smoothgrad,
)
from learnerkit.core import optional as optional_module
from learnerkit.fuse.model import Fused

captum = pytest.importorskip("captum.attr")
CHEAP = {"integrated_gradients": {"n_steps": 4}, "smoothgrad": {"n_samples": 2}, "deeplift": {}}
METHODS = {"integrated_gradients": integrated_gradients, "smoothgrad": smoothgrad, "deeplift": deeplift}


def squares():
    """Class 0 is the sum of squared pixels, class 1 three times their sum."""

    class Squares(nn.Module):
        def forward(self, images):
            return torch.stack([(images**2).sum((1, 2, 3)), 3 * images.sum((1, 2, 3))], 1)

    return Squares()


def test_integrated_gradients_of_squares_are_the_squares():
    """From 0 to x the mean gradient of x**2 is x, so that a pixel adds x**2; from b it is b + x, and adds x**2-b**2."""
    images = torch.rand(2, 1, 3, 3)
    assert torch.allclose(integrated_gradients(squares(), images, 0), images**2, atol=1e-6)
    assert torch.allclose(integrated_gradients(squares(), images, 0, baseline=0.5), images**2 - 0.25, atol=1e-6)
    assert torch.allclose(integrated_gradients(squares(), images, [1, 1]), 3 * images, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "torchvision:resnet18"])
def test_integrated_gradients_are_captums(name):
    torch.manual_seed(0)
    model, images, codes = create_model(name, 3, 10).eval(), torch.randn(3, 3, 32, 32), torch.tensor([1, 5, 5])
    expected = captum.IntegratedGradients(model).attribute(images, target=codes, n_steps=16)
    for bs in (3, 32, 100):  # inner batches change nothing
        found = integrated_gradients(model, images, codes, n_steps=16, bs=bs)
        assert torch.allclose(found, expected, atol=1e-6 * float(expected.abs().max()) + 1e-8)


def test_attributions_add_up_to_the_difference_of_the_score(recwarn):
    torch.manual_seed(0)
    model, images = create_model("resnet18", 3, 10).eval(), torch.randn(3, 3, 32, 32)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, 0.2, 0.3)  # biases, without which every path is a straight line
    difference = model(images)[:, 4] - model(torch.zeros_like(images))[:, 4]
    for found in (integrated_gradients(model, images, 4), deeplift(model, images, 4)):
        assert found.sum((1, 2, 3)).tolist() == pytest.approx(difference.tolist(), rel=0.05)
    assert not recwarn.list


def test_a_gap_is_warned_of():
    class Step(nn.Module):
        """A steep rise that no point of a coarse path lies on."""

        def forward(self, images):
            return torch.sigmoid(200 * (images.mean((1, 2, 3)) - 0.62))[:, None].expand(-1, 2)

    with pytest.warns(UserWarning, match="integrated_gradients: 2 of 2 attributions do not add up .* more n_steps"):
        integrated_gradients(Step(), torch.tensor([[[[1.0, 0.9], [1.1, 1.0]]]] * 2), 0, n_steps=3)


def test_a_path_gets_more_points_where_its_sum_does_not_close(recwarn):
    """Image 0 rises evenly; image 1 crosses a step that 50 points do not resolve: it alone is looked at again."""

    class Steps(nn.Module):
        def forward(self, images):
            means = images.mean((1, 2, 3))
            return (means + 40 * torch.sigmoid(200 * (means - 1.13)))[:, None]

    images = torch.stack([torch.tensor([[[0.4, 0.6]]]), torch.tensor([[[2.0, 1.9]]])])
    found = integrated_gradients(Steps(), images, 0)
    captums = captum.IntegratedGradients(Steps()).attribute(images, target=0)
    assert torch.allclose(found[0], captums[0]) and not torch.allclose(found[1], captums[1], rtol=0.04)
    score = Steps()(images) - Steps()(torch.zeros_like(images))
    assert found.sum((1, 2, 3)).tolist() == pytest.approx(score[:, 0].tolist(), rel=0.05) and not recwarn.list


def test_smoothgrad_is_the_mean_over_noise_and_is_seeded():
    """The gradient of x**2 is 2x: the mean over noise of 2(x + noise) nears 2x, signs kept until the end."""
    images = torch.rand(2, 1, 4, 4) + 0.5
    torch.manual_seed(9)
    before = torch.get_rng_state()
    found = smoothgrad(squares(), images, 0, n_samples=400, noise=0.1)
    assert torch.allclose(found, 2 * images, atol=0.03) and not torch.equal(found, 2 * images)
    assert torch.equal(found, smoothgrad(squares(), images, 0, n_samples=400, noise=0.1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(smoothgrad(squares(), images, 0, n_samples=2, noise=0.0), 2 * images)


@pytest.mark.filterwarnings("ignore:Setting forward")  # of captum called directly
def test_deeplift_of_shared_activations_is_that_of_separate_ones():
    """The blocks of both libraries use one ReLU twice, ours a function: captum alone refuses or overlooks them."""

    class Apart(nn.Module):
        def __init__(self, shared):
            super().__init__()
            self.one, self.two, self.three, self.shared = nn.Linear(4, 5), nn.Linear(5, 2), nn.Linear(5, 2), shared
            self.first, self.second, self.third = nn.ReLU(), nn.ReLU(), nn.ReLU()

        def forward(self, images):
            values = self.one(images.flatten(1))
            if self.shared:
                return self.first(self.two(self.first(values))) + self.three(values.relu())
            return self.second(self.two(self.first(values))) + self.three(self.third(values))

    torch.manual_seed(3)
    shared = Apart(True)
    apart = Apart(False)
    apart.load_state_dict(shared.state_dict())
    images = torch.randn(2, 1, 2, 2)
    found = deeplift(shared, images, [0, 1])
    codes = torch.tensor([0, 1])
    expected = captum.DeepLift(apart).attribute(images.requires_grad_(), torch.zeros_like(images), target=codes)
    assert torch.allclose(found, expected.detach(), atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_a_pair_has_an_attribution_for_each_map(name):
    pair = Fused(squares(), "add", 1)
    first, second = torch.rand(2, 1, 3, 3), torch.rand(2, 1, 3, 3)
    found = METHODS[name](pair, (first, second), 1, **CHEAP[name])
    expected = [first, second] if name != "smoothgrad" else [torch.ones_like(first)] * 2
    assert all(torch.allclose(one, 3 * values, atol=1e-5) for one, values in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_the_extra_is_named_where_captum_is_missing(name, monkeypatch):
    def missing(module):
        raise ImportError(f"No module named '{module}'")

    monkeypatch.setattr(optional_module, "import_module", missing)
    with pytest.raises(LearnerkitError, match=rf"{name} needs captum .*pip install 'learnerkit\[explain\]'"):
        METHODS[name](squares(), torch.rand(1, 1, 3, 3))


@pytest.mark.parametrize("name", METHODS)
def test_targets_are_those_of_the_images(name):
    with pytest.raises(DataError, match="targets: 2 is no class"):
        METHODS[name](squares(), torch.rand(2, 1, 3, 3), [0, 2], **CHEAP[name])
    with pytest.raises(DataError, match=r"targets of shape \(3,\)"):
        METHODS[name](squares(), torch.rand(2, 1, 3, 3), [0, 1, 1], **CHEAP[name])


def test_baselines_that_do_not_fit_are_refused():
    images = torch.rand(2, 1, 3, 3)
    with pytest.raises(DataError, match=r"baseline: .* a tensor that fits images of \[2, 1, 3, 3\]"):
        integrated_gradients(squares(), images, 0, baseline=torch.zeros(2, 1, 4, 4))
    with pytest.raises(DataError, match="baseline: 2 for 1 inputs"):
        integrated_gradients(squares(), images, 0, baseline=[torch.zeros(2, 1, 3, 3)] * 2)


def test_what_cannot_be_traced_names_another_method():
    class Branches(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :2] * (2 if images.sum() > 0 else 3)

    with pytest.raises(ModelError, match=r"(?s)Branches: cannot be traced.*integrated_gradients"):
        deeplift(Branches(), torch.rand(2, 1, 3, 3), 0)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16], ids=str)
def test_models_in_half_precision_are_explained(name, kind):
    torch.manual_seed(0)
    model, images = create_model("tiny_cnn", 3, 10), torch.randn(2, 3, 32, 32)
    expected = METHODS[name](model, images, [1, 2], **CHEAP[name])
    found = METHODS[name](model.to(kind), images, [1, 2], **CHEAP[name])
    assert found.dtype == torch.float32 and found.shape == expected.shape
    assert float(torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1]) > 0.9
