"""Attribution of networks whose answer is known."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from learnerkit.all import ModelError, create_model, gradcam, layercam, saliency_map, target_layer
from learnerkit.core.errors import DataError
from learnerkit.explain.batches import predicted
from learnerkit.explain.layers import as_map, feature_layer
from learnerkit.explain.scores import class_scores
from learnerkit.fuse.model import Fused
from learnerkit.fuse.modes import EVERY_MODE


def linear():
    """One convolution of one channel to two classes: class 0 is 2x, class 1 is -3x."""
    layer = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, -3.0]).view(2, 1, 1, 1))
    return nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten()), layer


def test_grad_cam_and_saliency_of_known_networks():
    """One linear channel: the gradient is its weights, and Grad-CAM is the feature itself, from 0 to 1."""
    model, layer = linear()
    images, targets = torch.rand(3, 1, 4, 4) + 0.1, torch.tensor([0, 1, 0])
    expected = torch.tensor([2.0, 3.0, 2.0]).view(3, 1, 1, 1) / 16
    assert torch.allclose(saliency_map(model, images, targets), expected.expand(3, 1, 4, 4))
    cam = gradcam(model, images, targets, layer)
    # class 0: the feature 2x speaks for it; class 1: its own feature -3x is negative everywhere, so nothing speaks
    spread = (images[0] - images[0].min()) / (images[0].max() - images[0].min())
    assert torch.allclose(cam[0], spread, atol=1e-6) and (cam[1] == 0).all()
    assert layer.weight.grad is None and model.training and not images.requires_grad


def test_the_predicted_class_is_explained_where_none_is_named():
    model, _ = linear()
    images = torch.rand(2, 1, 4, 4) + 0.1
    assert class_scores(model, images).tolist() == pytest.approx(model(images)[:, 0].tolist())
    assert torch.equal(saliency_map(model, images), saliency_map(model, images, torch.tensor([0, 0])))


def test_a_cam_is_enlarged_to_the_images_and_scaled_to_one():
    model = create_model("resnet18", 3, 4)
    cam = gradcam(model, torch.rand(4, 3, 32, 48), torch.arange(4), "middle")
    greatest = cam.amax(dim=(1, 2, 3))
    assert cam.shape == (4, 1, 32, 48) and cam.min() >= 0
    assert all(one == 0 or one == pytest.approx(1, abs=1e-6) for one in greatest.tolist())  # 0 where nothing speaks


def test_layers_by_place():
    model = create_model("resnet18", 3, 4)
    chosen = [feature_layer(model, place) for place in ("early", "middle", "late")]
    assert chosen == [model.layer1[0], model.layer2[1], model.layer4]  # of stem (3), 7 blocks and the last stage
    with pytest.raises(ModelError, match="layer 'top': early, middle, late, or a module"):
        feature_layer(model, "top")
    with pytest.raises(ModelError, match="has no convolution"):
        gradcam(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.rand(1, 3, 2, 2))


@pytest.mark.parametrize(
    "targets", [[1, 0], (1, 0), np.array([1, 0]), torch.tensor([1, 0], dtype=torch.uint8), torch.tensor([1, 0])]
)
@pytest.mark.parametrize("explain", [saliency_map, gradcam, class_scores])
def test_classes_are_given_in_any_form(explain, targets):
    model, layer = linear()
    images = torch.rand(2, 1, 4, 4) + 0.1
    name = {"layer": layer} if explain is gradcam else {}
    expected = explain(model, images, targets=torch.tensor([1, 0]), **name)
    assert torch.equal(explain(model, images, targets=targets, **name), expected)


@pytest.mark.parametrize("one", [1, np.int64(1), torch.tensor(1), [1]])
def test_one_class_is_that_of_all_images(one):
    model, _ = linear()
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(saliency_map(model, images, one), saliency_map(model, images, torch.tensor([1, 1, 1])))


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([0, 1, 1], r"targets of shape \(3,\): one class index for each of 2"),
        ([0, 2], "targets: 2 is no class; the model's are 0 to 1"),
        (-1, "targets: -1 is no class"),
        ([0.0, 1.0], "targets of float32: class indices are whole numbers"),
        (torch.zeros(2, 2, dtype=torch.int64), "targets of shape"),
        (["cat", "dog"], r"targets: \[.cat., .dog.\]; class indices are whole numbers"),
    ],
)
def test_what_is_no_class_is_refused(targets, said):
    model, _ = linear()
    with pytest.raises(DataError, match=said):
        saliency_map(model, torch.rand(2, 1, 4, 4), targets)


FAMILIES = ("resnet18", "vgg11", "mobilenet_v2", "se_resnet", "torchvision:vgg11", "torchvision:resnet18")


@pytest.fixture(scope="module", params=[*FAMILIES, "torchvision:mobilenet_v2"])
def family(request):
    """A model of a family, images that it takes, and its last map."""
    torch.manual_seed(4)
    model = create_model(request.param, 3, 10).eval()
    return model, torch.randn(3, 3, 64, 64), target_layer(model)


def test_cams_equal_those_of_pytorch_grad_cam(family):
    """Also of maps that nothing is 0 in, which it stretches down to 0, and of vanishing ones, which it dims."""
    reference = pytest.importorskip("pytorch_grad_cam")
    wanted = pytest.importorskip("pytorch_grad_cam.utils.model_targets").ClassifierOutputTarget
    model, images, layer = family
    for ours, kind in ((gradcam, reference.GradCAM), (layercam, reference.LayerCAM)):
        with kind(model, [layer]) as cam:
            expected = cam(images, [wanted(code) for code in (7, 0, 3)])
        assert ours(model, images, [7, 0, 3], layer)[:, 0].numpy() == pytest.approx(expected, abs=1e-4)
        assert expected.max() > 0.8  # of one map at least


def test_a_saliency_is_captums(family):
    captum = pytest.importorskip("captum.attr")
    model, images, _ = family
    expected = captum.Saliency(model).attribute(images.clone().requires_grad_(), target=torch.tensor([7, 0, 3]))
    assert torch.equal(saliency_map(model, images, [7, 0, 3]), expected)


@pytest.mark.parametrize("name", ["vgg11", "torchvision:alexnet", "torchvision:squeezenet1_1"])
def test_a_layer_before_one_in_place_is_looked_at_as_it_leaves_it(name):
    """The activation after it overwrites its output: the map is that of a model in which nothing works in place."""
    torch.manual_seed(1)
    model = create_model(name, 3, 10)
    images, (layer, _) = torch.randn(2, 3, 64, 64), layer_before_one_in_place(model)
    shown = gradcam(model, images, [1, 2], layer)
    apart = copy.deepcopy(model)
    for module in apart.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    assert torch.allclose(shown, gradcam(apart, images, [1, 2], layer), atol=1e-6) and shown.max() > 0.9


def layer_before_one_in_place(model):
    convolutions = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    return next((name, module) for name, module in convolutions[2:] if module.kernel_size != (1, 1))


def test_a_model_and_the_callers_switches_are_left_as_they_were():
    model = create_model("simple_cnn", 3, 4).train()
    model[0].eval()
    frozen = next(model.parameters()).requires_grad_(False)
    images = torch.rand(2, 3, 16, 16)
    expected = [function(model, images) for function in (gradcam, layercam, saliency_map)]
    with torch.inference_mode():
        for function, before in zip((gradcam, layercam, saliency_map), expected, strict=True):
            assert torch.equal(function(model, images.clone()), before)  # images made in inference mode too
    assert [part.training for part in model.children()][:2] == [False, True] and not frozen.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in list(model.parameters())[1:])


def test_a_model_that_was_built_in_inference_mode_is_explained():
    torch.manual_seed(0)
    with torch.inference_mode():
        model = create_model("simple_cnn", 3, 4)
    images = torch.rand(2, 3, 16, 16)
    assert gradcam(model, images).max() > 0 and saliency_map(model, images).max() > 0


def test_half_precision_gives_nearly_the_same_map():
    torch.manual_seed(0)
    model = create_model("resnet18", 3, 4).eval()
    images, whole = torch.randn(2, 3, 32, 32), copy.deepcopy(model)
    half = gradcam(model.bfloat16(), images, [0, 1])
    assert half.dtype == torch.float32
    assert torch.corrcoef(torch.stack([half.flatten(), gradcam(whole, images, [0, 1]).flatten()]))[0, 1] > 0.98


class Tokens(nn.Module):
    """Patches of 4 pixels as tokens behind a class token and two registers, of which the mean tells the classes."""

    def __init__(self):
        super().__init__()
        self.patch, self.norm, self.head = nn.Conv2d(3, 6, 4, 4), nn.LayerNorm(6), nn.Linear(6, 2)

    def forward(self, images):
        tokens = self.patch(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.new_zeros(len(tokens), 3, 6), tokens], 1)
        return self.head(self.norm(tokens).tanh().mean(dim=1))


def test_tokens_are_laid_out_by_the_images_proportions():
    torch.manual_seed(0)
    model, images = Tokens(), torch.zeros(2, 3, 16, 24)
    images[:, :, 4:8, 8:12] = 3 * torch.randn(3, 1, 1)  # the patch of row 1, column 2
    cam = gradcam(model, images, [0, 1], "norm")
    assert cam.shape == (2, 1, 16, 24)
    by_hand = gradcam(model, images, [0, 1], "norm", reshape=lambda x: x[:, 3:].transpose(1, 2).unflatten(2, (4, 6)))
    assert torch.equal(cam, by_hand) and cam.max() > 0
    assert any(divmod(int(one.argmax()), 24)[0] // 4 == 1 and int(one.argmax()) % 24 // 4 == 2 for one in cam)


@pytest.mark.parametrize(
    ("output", "sides", "expected"),
    [
        (torch.zeros(2, 8, 7, 7), (224, 224), (2, 8, 7, 7)),
        (torch.zeros(2, 7, 7, 96), (224, 224), (2, 96, 7, 7)),  # the channels last
        (torch.zeros(2, 197, 8), (224, 224), (2, 8, 14, 14)),  # a class token
        (torch.zeros(2, 196, 8), (224, 224), (2, 8, 14, 14)),
        (torch.zeros(2, 5 + 6 * 4, 8), (96, 64), (2, 8, 6, 4)),  # four registers
    ],
)
def test_outputs_as_maps(output, sides, expected):
    assert as_map(output, sides, "x").shape == expected


def test_a_map_of_each_input_shows_it_alone():
    """Two linear maps added: what a feature is of either input alone is the input, weighted as in the pair."""
    model, layer = linear()
    pair = Fused(model, "add", 1)
    first, second = torch.rand(2, 1, 4, 4) + 0.1, torch.rand(2, 1, 4, 4) + 0.1
    maps = gradcam(pair, (first, second), 0, layer)
    for found, values in zip(maps, (first, second), strict=True):
        least, most = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
        assert torch.allclose(found, (values - least) / (most - least), atol=1e-5)
    assert [one.shape for one in saliency_map(pair, (first, second), 0)] == [first.shape] * 2


@pytest.mark.parametrize("mode", EVERY_MODE)
def test_every_fusion_has_a_map_for_each_input(mode):
    torch.manual_seed(0)
    model = create_model("fuse:simple_cnn", 3, 4, fusion=mode).eval()
    pair = (torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    maps = gradcam(model, pair, [1, 1])
    unused = {"saliency_only": 1, "attention_only": 0}.get(mode)
    assert [one.shape for one in maps] == [(2, 1, 16, 16)] * 2
    for number, found in enumerate(maps):
        assert (found == 0).all() if number == unused else found.isfinite().all()
    # what stands alone is what the fusion makes of it: of 'max', 'add' and 'multiply' the very map
    if mode in ("add", "multiply", "max"):
        assert torch.allclose(model(*model.alone(pair, 0)), model.body(pair[0]), atol=1e-6)


class Ignores(nn.Module):
    """A classifier that does not look at what it is shown."""

    def __init__(self):
        super().__init__()
        self.convolution, self.bias = nn.Conv2d(3, 4, 3), nn.Parameter(torch.arange(2.0))

    def forward(self, images):
        self.convolution(images)
        return self.bias.expand(len(images), 2)


CNN = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
GOOD = torch.rand(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("model", "images", "given", "error", "said"),
    [
        (CNN, GOOD, {"layer": "4"}, ModelError, r"layer '4': puts out an output of \[2, 2\], in which nothing stands"),
        (CNN, GOOD, {"layer": "2"}, ModelError, r"layer '2': puts out an output of \[2, 4, 1, 1\]"),
        (CNN, GOOD, {"layer": "layer9"}, ModelError, "layer 'layer9'"),
        (CNN, GOOD, {"layer": nn.ReLU()}, ModelError, "layer ReLU: is no module of Sequential"),
        (Ignores(), GOOD, {"layer": "convolution"}, ModelError, "Ignores: the score does not depend on the layer"),
        (CNN, GOOD[0], {}, DataError, r"images: \[3, 8, 8\]; a tensor \[B,C,H,W\] is needed"),
        (CNN, (GOOD * 255).byte(), {}, DataError, "images: of uint8; the model takes normalised images of floats"),
        (CNN, GOOD / 0, {}, DataError, "images: holds values that are not finite"),
        (CNN, GOOD[:0], {}, DataError, "images: a batch of no images"),
        (CNN, GOOD, {"targets": 2}, DataError, "targets: 2 is no class; the model's are 0 to 1"),
        (CNN[:3], GOOD, {"layer": "0"}, ModelError, r"its output is of shape \[2, 4, 1, 1\].*score="),
        (CNN, GOOD, {"score": lambda *_: torch.zeros(3)}, ModelError, r"score: gave \[3\]; one number for each of 2"),
    ],
)
def test_what_cannot_be_explained_is_said(model, images, given, error, said):
    with pytest.raises(error, match=said):
        gradcam(model, images, **{"layer": "0", **given})


def test_a_model_that_ignores_its_input_has_no_saliency():
    with pytest.raises(ModelError, match="Ignores: the score does not depend on its input"):
        saliency_map(Ignores(), GOOD)


def test_an_image_of_one_colour_is_warned_of():
    images = torch.rand(3, 3, 8, 8)
    images[1] = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1)
    with pytest.warns(UserWarning, match="images of one colour: 1; their maps show"):
        gradcam(CNN, images, layer="0")
    with pytest.warns(UserWarning, match="images of one colour: 0, 1, 2 and 1 more"):
        saliency_map(CNN, torch.zeros(4, 3, 8, 8))


def test_a_place_is_looked_for_again_where_the_layers_are_others():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    assert feature_layer(model, "late") is feature_layer(model, "late") is model[1]
    model[1] = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())
    assert feature_layer(model, "late") is model[1]
    model.insert(2, nn.Conv2d(4, 4, 1))
    assert feature_layer(model, "late") is model[2]


METHODS = {"gradcam": gradcam, "layercam": layercam, "saliency": saliency_map}


@pytest.mark.parametrize("explain", METHODS.values(), ids=METHODS)
def test_the_callers_images_stay_where_the_first_layer_works_in_place(explain):
    layer = nn.Conv2d(3, 4, 3)
    model = nn.Sequential(nn.ReLU(inplace=True), layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.randn(2, 3, 8, 8)
    before = images.clone()
    explain(model, images, [1, 2])
    assert torch.equal(predicted(model, images), model(before.clone()).argmax(1)) and torch.equal(images, before)


@pytest.mark.parametrize(
    "raised", [RuntimeError("too small\nat"), AssertionError("too small"), ValueError("too small")]
)
def test_what_a_model_cannot_take_is_said_by_its_name_and_it_is_left_as_it_was(raised):
    class Picky(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 3)

        def forward(self, images):
            found = self.layer(images).mean((2, 3))
            if images.shape[-1] == 20:
                raise raised
            return found

    model = Picky()
    for explain in METHODS.values():
        given = {} if explain is saliency_map else {"layer": "layer"}
        with pytest.raises(ModelError, match=r"Picky: fails on images of \[1, 3, 20, 20\] \(too small\)"):
            explain(model, torch.randn(1, 3, 20, 20), 0, **given)
        assert model.training and model.layer.weight.requires_grad and not model.layer._forward_hooks
