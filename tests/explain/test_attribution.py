"""Attribution of networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from learnerkit.all import ModelError, create_model, gradcam, saliency_map
from learnerkit.core.errors import DataError
from learnerkit.explain.attribution import class_scores, feature_layer


def linear():
    """One convolution of one channel to two classes: class 0 is 2x, class 1 is -3x."""
    layer = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, -3.0]).view(2, 1, 1, 1))
    return nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten()), layer


def test_grad_cam_and_saliency_of_known_networks():
    """One linear channel: the gradient is its weights, and Grad-CAM is the feature itself, scaled."""
    model, layer = linear()
    images, targets = torch.rand(3, 1, 4, 4) + 0.1, torch.tensor([0, 1, 0])
    expected = torch.tensor([2.0, 3.0, 2.0]).view(3, 1, 1, 1) / 16
    assert torch.allclose(saliency_map(model, images, targets), expected.expand(3, 1, 4, 4))
    cam = gradcam(model, images, layer, targets)
    # class 0: the feature 2x speaks for it; class 1: its own feature -3x is negative everywhere, so nothing speaks
    assert torch.allclose(cam[0], images[0] / images[0].max()) and (cam[1] == 0).all()
    assert layer.weight.grad is None and model.training and not images.requires_grad


def test_the_predicted_class_is_explained_where_none_is_named():
    model, _ = linear()
    images = torch.rand(2, 1, 4, 4) + 0.1
    assert class_scores(model, images).tolist() == pytest.approx(model(images)[:, 0].tolist())
    assert torch.equal(saliency_map(model, images), saliency_map(model, images, torch.tensor([0, 0])))


def test_a_cam_is_enlarged_to_the_images_and_scaled_to_one():
    model = create_model("resnet18", 3, 4)
    cam = gradcam(model, torch.rand(4, 3, 32, 48), "middle", torch.arange(4))
    greatest = cam.amax(dim=(1, 2, 3))
    assert cam.shape == (4, 1, 32, 48) and cam.min() >= 0 and greatest.max() == 1
    assert ((greatest == 1) | (greatest == 0)).all()  # all 0 where nothing speaks for a class


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
    ],
)
def test_what_is_no_class_is_refused(targets, said):
    model, _ = linear()
    with pytest.raises(DataError, match=said):
        saliency_map(model, torch.rand(2, 1, 4, 4), targets)
