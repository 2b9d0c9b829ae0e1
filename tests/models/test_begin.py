"""Weights of libraries put into our models: equal logits, other channels, other stems, other heads."""

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from learnerkit.core.errors import ModelError
from learnerkit.models.begin import begin_from, fill
from learnerkit.models.create import create_model
from learnerkit.models.first_layer import first_layer, for_channels

PAIRS = {
    **{f"resnet{depth}_imagenet": f"resnet{depth}" for depth in (18, 50)},
    **{"vgg11": "vgg11", "vgg11_bn": "vgg11_bn"},
    **{name: name for name in ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")},
}


def reference(name, n_out=10, **kwargs):
    """A model of torchvision with norms that have seen something."""
    torch.manual_seed(3)
    model = torchvision.models.get_model(name, num_classes=n_out, **kwargs)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize("name", PAIRS)
def test_torchvisions_own_weights_give_equal_logits(name, tmp_path):
    theirs = reference(PAIRS[name])
    if name.startswith("vgg"):  # half a gigabyte
        ours = create_model(name)
        assert fill(ours, theirs.state_dict(), "the file") == []
    else:
        save_file(theirs.state_dict(), tmp_path / "model.safetensors")
        ours = create_model(name)
        assert begin_from(ours, tmp_path) == []
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), theirs(x))


@pytest.mark.parametrize("n_in", [1, 2, 6])
@pytest.mark.parametrize("name", ["resnet18_imagenet", "mobilenet_v3_small"])
def test_a_first_layer_for_colours_is_brought_to_other_channels(name, n_in):
    """Channels that are all equal give what equal colours gave before."""
    theirs = reference(PAIRS[name])
    ours = create_model(name, n_in).eval()
    with pytest.warns(UserWarning, match=rf"the file: .* is for 3 channels and was brought to {n_in}: the (sum|mean)"):
        assert fill(ours, theirs.state_dict(), "the file") == []
    grey = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            ours(grey.expand(-1, n_in, -1, -1)), theirs(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4
        )


def test_one_channel_has_the_sum_over_the_colours():
    weight = torch.arange(12.0).view(2, 3, 1, 2)
    assert torch.equal(for_channels(weight, 1), weight.sum(dim=1, keepdim=True))
    assert torch.equal(for_channels(weight, 6), weight.mean(dim=1, keepdim=True).expand(-1, 6, -1, -1) / 2)
    assert for_channels(weight, 3) is weight


@pytest.mark.parametrize(("name", "n_in"), [("resnet18", 3), ("resnet50", 3), ("resnet50", 1)])
@pytest.mark.filterwarnings("ignore:.*is for 3 channels:UserWarning")
def test_the_stem_of_imagenet_stays_as_drawn_in_the_form_for_small_images(name, n_in):
    theirs, ours = reference(name).state_dict(), create_model(name, n_in)
    drawn = {key: value.clone() for key, value in ours.state_dict().items()}
    with pytest.warns(UserWarning, match=r"conv1\.weight is .*the stem \(bn1.*follows another first convolution"):
        left = fill(ours, theirs, "the file")
    assert {key.partition(".")[0] for key in left} == {"conv1", "bn1"}
    for key, value in ours.state_dict().items():
        assert torch.equal(value, (drawn if key in left else theirs)[key]), key


def test_stem_and_head_may_both_stay():
    ours = create_model("resnet18", 3, 4)
    with pytest.warns(UserWarning, match=r"fc\.weight is \[10, 512\], the model's \[4, 512\]"):
        left = fill(ours, reference("resnet18").state_dict(), "the file")
    assert {"fc.weight", "fc.bias", "conv1.weight", "bn1.running_mean"} <= set(left)


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ("resnet34", "resnet18_imagenet", "of its own not in the model .*layer1.2.*deeper network"),
        ("resnet101", "resnet50_imagenet", "deeper network"),
        ("resnet18", "resnet34_imagenet", "of the model's not in it"),
        ("resnet50", "resnet18", "of another shape"),
        ("mobilenet_v3_large", "mobilenet_v3_small", "of another shape"),
        ("mobilenet_v2", "resnet18", "not in it"),
    ],
)
def test_weights_of_another_architecture_are_refused_and_change_nothing(theirs, ours, said):
    model = create_model(ours)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ModelError, match=rf"the file: .*{said}"):
        fill(model, reference(theirs).state_dict(), "the file")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.filterwarnings("ignore:.*is for 3 channels:UserWarning")
def test_a_network_inside_another_takes_its_own_weights():
    theirs = reference("resnet18").state_dict()
    pair = create_model("fuse:resnet18_imagenet", 3, 10, fusion="gated")
    with pytest.warns(UserWarning, match="stay as they were drawn"):
        assert fill(pair, theirs, "the file") == ["gate"]
    assert torch.equal(pair.body.layer4[1].conv2.weight, theirs["layer4.1.conv2.weight"])
    detector = create_model("detect:torchvision:resnet18", 5, 2)
    with pytest.warns(UserWarning, match=r"of its own not in the model .*fc\.weight"):
        left = fill(detector, theirs, "the file")
    body = detector.net.backbone.body.state_dict()
    assert all(torch.equal(body[key], theirs[key]) for key in body if key != "conv1.weight")
    assert torch.allclose(body["conv1.weight"], for_channels(theirs["conv1.weight"], 5))
    assert not [key for key in left if ".body." in key] and any(".fpn." in key for key in left)


def test_the_first_layer_is_found():
    assert first_layer(create_model("mobilenet_v2")) == "features.0.0"
    assert first_layer(nn.Linear(2, 2)) is None
