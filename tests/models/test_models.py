"""Every registered model by the same laws, and the families against reference implementations."""

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import StochasticDepth

from learnerkit.all import image_learner
from learnerkit.core.errors import ModelError
from learnerkit.models.create import create_model, list_models
from learnerkit.models.info import model_info
from learnerkit.models.inputs import inputs_for
from learnerkit.models.registry import families, register_model
from learnerkit.models.summary import layers_of
from learnerkit.runs.export import export_model, load_model
from tests.conftest import make_toy_dls

NAMES = [name for name in list_models() if "_D_" not in name and ":" not in name] + ["wrn_10_1", "wrn_16_2"]
LARGE = [name for name in NAMES if name.startswith("vgg")]  # 500 MB each: never written to the disk
PARAMETERS = {
    "tiny_cnn": 24_346,
    "simple_cnn": 288_746 - 576,
    "resnet18": 11_173_962 - 1_152,
    "resnet34": 21_282_122 - 1_152,
    "se_resnet": 2_820_390 - 576,
    "hybrid_resnet": 2_820_390 - 576,
}
OF_TORCHVISION = {  # our names of its models
    **{name: name for name in LARGE},
    **{f"resnet{depth}_imagenet": f"resnet{depth}" for depth in (18, 34, 50, 101)},
    **{name: name for name in ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")},
}


@pytest.mark.parametrize("name", NAMES)
def test_forward_and_backward_at_any_size(name):
    model = create_model(name, n_in=2, n_out=42)
    for size in (32,) if name in LARGE else (32, 27):  # 32 is the least of a VGG
        model.zero_grad()
        out = model(torch.randn(2, 2, size, size))
        assert out.shape == (2, 42) and out.dtype == torch.float32
        out.square().sum().backward()
        without = [key for key, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
        assert not without
    model.eval()
    for size in (64, 97):
        with torch.no_grad():
            out = model(torch.randn(2, 2, size, size))
        assert out.shape == (2, 42) and torch.isfinite(out).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE])
def test_state_round_trip_and_spec(name, tmp_path):
    model = create_model(name, n_in=1, n_out=5).eval()
    again = load_model(export_model(model, tmp_path))
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(model(x), again(x))
    assert again.spec == {"name": name, "n_in": 1, "n_out": 5}


@pytest.mark.parametrize("name", LARGE)
def test_large_models_are_rebuilt_by_their_spec_and_state(name):
    model = create_model(name, n_in=1, n_out=5).eval()
    with torch.device("meta"):
        again = create_model(**model.spec).eval()
    again.load_state_dict(model.state_dict(), assign=True)
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(model(x), again(x))


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_parameter_counts(name):
    n_in = 3 if name == "tiny_cnn" else 1
    assert model_info(create_model(name, n_in=n_in, n_out=10))["parameters"] == PARAMETERS[name]


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_parameter_counts_equal_torchvisions(name):
    with torch.device("meta"):
        assert count(create_model(name, 3, 1000)) == count(torchvision.models.get_model(OF_TORCHVISION[name]))


def test_parameter_counts_of_other_forms_equal_torchvisions():
    stem = 64 * 3 * (7 * 7 - 3 * 3)  # of the first convolution's kernel
    with torch.device("meta"):
        for name in ("resnet18", "resnet34", "resnet50", "resnet101"):
            assert count(create_model(name, 3, 1000)) == count(torchvision.models.get_model(name)) - stem, name
        small = create_model("mobilenet_v2_small", 3, 1000)
        assert count(small) == count(torchvision.models.mobilenet_v2(width_mult=0.75)) == 2_636_424
        assert count(create_model("tiny_cnn", 3, 1000)) < 1_000_000


def test_dropout_is_an_argument_of_families_that_have_one():
    for name in ("vgg11", "mobilenet_v2", "mobilenet_v3_small"):
        with torch.device("meta"):
            model = create_model(name, dropout=0.25)
        assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.25}
    with pytest.raises(ModelError, match="unknown key 'dropout'"):
        create_model("resnet18_imagenet", dropout=0.1)


def test_operations_of_known_models():
    with torch.device("meta"):
        info = model_info(create_model("resnet50_imagenet", 3, 1000), 224)
    assert info["multiply_adds"] == 4_089_184_256 and info["operations"] == 2 * info["multiply_adds"]
    assert info["parameters"] == info["trainable_parameters"] == 25_557_032
    assert info["uncounted"]["relu_"] == 49 and info["uncounted"]["max_pool2d_with_indices"] == 1
    assert not {"convolution", "addmm", "view", "empty"} & info["uncounted"].keys()


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("vgg11", 16, "16x16 pixels are too small; the least size is 32"),
        ("timm:vit_tiny_patch16_224", 32, "takes no images of 32x32 pixels"),
    ],
)
def test_what_a_size_costs_that_a_model_does_not_take(name, size, said):
    with pytest.raises(ModelError, match=said):
        model_info(create_model(name), size)


def test_model_info_of_a_network_counted_by_hand():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    model[0].requires_grad_(False)
    model.train()
    info = model_info(model, 4)
    assert (info["parameters"], info["trainable_parameters"]) == (20 + 27, 27)
    assert info["multiply_adds"] == 4 * 4 * 2 * 9 + 24
    assert info["activations"] == 32 + 32 + 8 + 8 + 3 and info["activation_megabytes"] == round(83 * 4 / 1e6, 2)
    assert info["uncounted"] == {"relu": 1, "max_pool2d_with_indices": 1}
    assert model.training and not model[0]._forward_hooks


def test_figures_of_the_issue():
    assert model_info(create_model("wrn_28_10"))["parameters"] == 36_479_194
    info = model_info(create_model("se_resnet"))
    assert info["parameters"] == 2_820_390 and info["operations"] == 2 * info["multiply_adds"] == 278_642_176


def test_resnet18_equals_torchvisions_with_the_same_weights():
    reference = torchvision.models.resnet18(num_classes=10)
    reference.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    reference.maxpool = nn.Identity()
    model = create_model("resnet18")
    model.load_state_dict(reference.state_dict())
    x = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(model(x), reference(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_in", [3, 1])
def test_resnet50_equals_torchvisions_with_the_same_weights(n_in):
    reference = torchvision.models.resnet50(num_classes=10)
    reference.conv1 = nn.Conv2d(n_in, 64, 3, 1, 1, bias=False)
    reference.maxpool = nn.Identity()
    model = create_model("resnet50", n_in)
    model.load_state_dict(reference.state_dict())
    x = torch.randn(4, n_in, 33, 33)
    torch.testing.assert_close(model(x), reference(x), rtol=1e-4, atol=1e-4)
    assert sum(isinstance(m, StochasticDepth) for m in model.modules()) == 16


def test_wrn_equals_a_plain_restatement():
    model = create_model("wrn_16_2", dropout=0.3).eval()
    x = torch.randn(3, 3, 32, 32)
    layers = list(model)
    out = layers[0](x)
    for block in layers[1:7]:
        active = torch.relu(block.bn1(out))
        branch = block.conv2(torch.relu(block.bn2(block.conv1(active))))
        out = branch + (out if block.shortcut is None else block.shortcut(active))
    out = torch.relu(layers[7](out)).mean((2, 3))
    torch.testing.assert_close(model(x), layers[-1](out), rtol=1e-5, atol=1e-5)


def test_wrn_refuses_other_depths_with_the_two_nearest():
    with pytest.raises(ModelError, match="nearest are 22 and 28"):
        create_model("wrn_27_10")


def test_hybrid_has_linear_rates_and_starts_as_its_shortcuts():
    model = create_model("hybrid_resnet", stochastic_depth=0.2)
    rates = [m.p for m in model.modules() if isinstance(m, StochasticDepth)]
    assert rates == pytest.approx([0.025 * i for i in range(1, 9)])
    block = model.layer1[0]
    x = torch.randn(2, 32, 8, 8).relu()
    torch.testing.assert_close(block.eval()(x), x)


def test_stride_and_input_channels_by_argument():
    assert create_model("resnet18", n_in=6, stride=2).conv1.weight.shape == (64, 6, 3, 3)
    assert create_model("torchvision:mobilenet_v3_small", n_in=1)(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_timm_models():
    pytest.importorskip("timm")
    assert create_model("timm:resnet10t", n_in=1, n_out=7)(torch.zeros(2, 1, 64, 64)).shape == (2, 7)


def test_wrong_names_and_arguments():
    with pytest.raises(ModelError, match="did you mean resnet18"):
        create_model("resnet19")
    with pytest.raises(ModelError, match="unknown key 'dropuot'; did you mean dropout"):
        create_model("resnet18", dropuot=0.1)
    with pytest.raises(ModelError, match="mobilenet_v3"):
        create_model("torchvision:mobilenet_v33_small")
    with pytest.raises(ModelError, match="timm:NAME"):
        create_model("keras:x")


def test_registering_twice_raises_and_own_models_work():
    with pytest.raises(ValueError, match="registered twice"):
        register_model("resnet18")(lambda n_in, n_out: None)
    register_model("mine")(lambda n_in=3, n_out=10: nn.Sequential(nn.Flatten(), nn.LazyLinear(n_out)))
    try:
        assert "mine" in list_models("mi*")
        assert create_model("mine", n_out=4)(torch.zeros(2, 3, 8, 8)).shape == (2, 4)
    finally:
        del families._entries["mine"]


def test_model_files_that_do_not_fit(tmp_path):
    export_model(create_model("tiny_cnn"), tmp_path)
    (tmp_path / "model.json").write_text('{"name": "tiny_cnn", "n_in": 3, "n_out": 11}')
    with pytest.raises(ModelError, match="do not fit"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="not built by create_model"):
        export_model(nn.Linear(1, 1), tmp_path)


@pytest.mark.parametrize(
    "look", [lambda model: model_info(model, 32), lambda model: layers_of(model, *inputs_for(model, 32))]
)
def test_looking_at_a_model_leaves_every_part_in_its_mode(look):
    """A norm that was set to evaluation on purpose in a model that trains stays so."""
    model = create_model("tiny_cnn")
    model[0][1].eval()
    before = [module.training for module in model.modules()]
    look(model)
    assert [module.training for module in model.modules()] == before and True in before and False in before


def test_whitened_patches_are_uncorrelated_and_of_unit_variance():
    images = torch.randn(256, 2, 9, 9).cumsum(2)  # neighbours are alike
    images[:, 1] += images[:, 0]
    images -= images.mean((0, 2, 3), keepdim=True)
    layer = create_model("quicknet", n_in=2)[0]
    layer.begin_with(images)
    seen = layer(images).transpose(0, 1).flatten(1)
    torch.testing.assert_close(seen[8:], -seen[:8])
    torch.testing.assert_close(seen[:8] @ seen[:8].T / seen.shape[1], torch.eye(8), rtol=0, atol=0.02)


def test_a_learner_shows_its_model_the_same_images_whatever_was_drawn_before(tmp_path):
    dls = make_toy_dls()
    first = image_learner(dls, "quicknet", seed=3).model[0].weight.clone()
    torch.rand(7), next(iter(dls.train))
    order = dls.train.rng.getstate()
    again = image_learner(dls, "quicknet", seed=3).model
    assert torch.equal(again[0].weight, first) and dls.train.rng.getstate() == order
    assert not torch.equal(create_model("quicknet")[0].weight, first)
    given = create_model("quicknet", n_out=3)  # such as a trained one, on other data
    kept = given[0].weight.clone()
    assert torch.equal(image_learner(dls, given, seed=3).model[0].weight, kept)
