"""Norms folded into convolutions say the same, of every family; what cannot be folded is left as it is."""

import pytest
import torch
from torch import nn

from learnerkit._fastai import Callback
from learnerkit.all import image_learner
from learnerkit.classify.evaluate import predict_part
from learnerkit.learner.measure import quick_to_predict
from learnerkit.models.create import create_model
from learnerkit.models.folded import folded
from tests.conftest import make_toy_dls

FAMILIES = ["simple_cnn", "resnet18", "se_resnet", "hybrid_resnet", "wrn_10_1", "vgg16_bn", "mobilenet_v3_small"]


def trained(model):
    """A model whose norms have statistics of their own."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    return model.eval()


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_a_folded_model_says_the_same(name):
    model = trained(create_model(name, 3, 7))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    quick = folded(model)
    x = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(quick(x), model(x), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not torch.equal(quick(x), torch.zeros_like(quick(x)))


class Twice(nn.Module):
    """One convolution before two norms."""

    def __init__(self):
        super().__init__()
        self.conv, self.first, self.second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.second(self.conv(self.first(self.conv(x))))


class Looked(nn.Module):
    """A norm whose weights are used once more."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.conv(x)) * self.norm.weight.sum()


class TwoNames(nn.Module):
    """One norm by two names, the second of which is called."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.other = self.norm

    def forward(self, x):
        return self.other(self.conv(x))


class Keeping(nn.Module):
    """Keeps its last map, draws numbers, and has a layer that its forward does not call."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.spare = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.last = None

    def forward(self, x):
        self.last = self.norm(self.conv(x))
        return self.last + torch.rand(1)


def test_a_folded_copy_is_of_the_models_class_and_runs_its_code():
    model = trained(Keeping())
    quick, x = folded(model), torch.randn(2, 3, 4, 4)
    assert model.last is None and isinstance(quick, Keeping)
    assert isinstance(quick.norm, nn.Identity) and isinstance(quick.spare, nn.BatchNorm2d)
    assert not torch.equal(quick(x), quick(x))  # what is drawn is drawn anew
    model(x)
    torch.testing.assert_close(quick.last, model.last, rtol=1e-4, atol=1e-4)


class Branching(nn.Module):
    """What it does depends on the values."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

    def forward(self, x):
        return self.net(x) if x.sum() > 0 else x


def hooked():
    model = create_model("simple_cnn").eval()
    model[0].register_forward_hook(lambda *args: None)
    return model


OTHERS = {
    "in training": lambda: create_model("simple_cnn").train(),
    "a layer used twice": lambda: trained(Twice()),
    "weights looked into": lambda: trained(Looked()),
    "a layer of two names": lambda: trained(TwoNames()),
    "no traceable code": lambda: trained(Branching()),
    "no norms": lambda: create_model("vgg11").eval(),
    "norms that follow no convolution": lambda: trained(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1))),
    "hooks": hooked,
    "half precision": lambda: create_model("simple_cnn").eval().bfloat16(),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_not_folded(what):
    assert folded(OTHERS[what]()) is None


def test_predictions_of_a_learner_are_those_of_its_own_model_which_callbacks_see():
    seen = []

    class Looks(Callback):
        def before_batch(self):
            seen.append(self.learn.model)

    learn = image_learner(make_toy_dls(), "simple_cnn", seed=1, cbs=Looks())
    trained(learn.model)
    plain, targets = learn.get_preds(act=nn.Softmax(-1))
    names = list(learn.model.state_dict())
    with quick_to_predict(learn):
        assert "forward" in vars(learn.model) and list(learn.model.state_dict()) == names
    predicted, truth = predict_part(learn, learn.dls.valid)
    torch.testing.assert_close(torch.from_numpy(predicted), plain, rtol=1e-4, atol=1e-5)
    assert truth.tolist() == targets.tolist() and "forward" not in vars(learn.model)
    assert all(model is learn.model for model in seen)
