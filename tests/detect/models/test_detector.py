"""The detector: equal to torchvision's own forward, both answers in one pass, backbones, files."""

import pytest
import torch
from torchvision.models.detection.image_list import ImageList

from learnerkit.all import (
    create_model,
    export_model,
    list_models,
    load_model,
    model_info,
)
from learnerkit.core.errors import ModelError
from learnerkit.detect.boxes import pack_boxes, scores_of, unpack_boxes
from learnerkit.detect.models.detector import Detector, create_detector
from learnerkit.ops.views import make_views

SMALL = {"anchors": (8, 16, 32, 64, 128), "proposals": (100, 50), "detections": 20, "box_batch_size_per_image": 16}


def detector(name="mit_b0", n_in=5, n_out=3, **kwargs):
    torch.manual_seed(0)
    return create_detector(name, n_in, n_out, **{**SMALL, **kwargs})


def batch(n_in=5):
    torch.manual_seed(1)
    frames = torch.rand(2, n_in, 70, 90)
    sizes = torch.tensor([[70, 90], [50, 80]])
    frames[1, :, 50:] = 0
    frames[1, :, :, 80:] = 0
    targets = torch.stack(
        [
            pack_boxes(torch.tensor([[5.0, 6, 30, 40], [40, 10, 60, 50]]), torch.tensor([0, 2]), 3),
            pack_boxes(torch.zeros(0, 4), torch.zeros(0), 3),
        ]
    )
    return frames, sizes, targets


def test_losses_and_detections_equal_torchvisions_forward():
    """The same parts, called as torchvision's own GeneralizedRCNN calls them."""
    model, (frames, sizes, targets) = detector(stochastic_depth=0.0), batch()
    net = model.net
    padded = torch.nn.functional.pad(frames, (0, 6, 0, 26))
    images = ImageList(padded, [(70, 90), (50, 80)])
    truth = [{"boxes": b, "labels": c + 1} for b, c in map(unpack_boxes, targets)]
    model.train()
    for module in model.modules():  # so that both passes see the same statistics
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    with torch.no_grad():
        torch.manual_seed(3)
        features = net.backbone(padded)
        proposals, first = net.rpn(images, features, truth)
        _, second = net.roi_heads(features, proposals, images.image_sizes, truth)
        torch.manual_seed(3)
        _, parts = model(frames, sizes, targets)
        assert parts.keys() == (first | second).keys() and len(parts) == 4
        for name, value in (first | second).items():
            assert torch.allclose(parts[name], value, atol=1e-6), name
        model.eval()
        proposals, _ = net.rpn(images, features)
        expected, _ = net.roi_heads(features, proposals, images.image_sizes)
        found = model(frames, sizes)
        for rows, item in zip(found, expected, strict=True):
            order = item["scores"].argsort(descending=True, stable=True)
            assert torch.allclose(unpack_boxes(rows)[0], item["boxes"][order], atol=1e-4)
            assert torch.equal(unpack_boxes(rows)[1], item["labels"][order] - 1)
            assert torch.allclose(scores_of(rows), item["scores"][order])


def test_evaluation_with_targets_gives_both_and_changes_nothing():
    model, (frames, sizes, targets) = detector().eval(), batch()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        torch.manual_seed(5)
        detections, parts = model(frames, sizes, targets)
        assert torch.equal(detections, model(frames, sizes))
        torch.manual_seed(5)
        again = model(frames, sizes, targets)[1]
    assert set(parts) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    assert all(torch.equal(parts[name], again[name]) for name in parts)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_padding_does_not_reach_detections():
    model, (frames, sizes, _) = detector().eval(), batch()
    with torch.no_grad():
        found = model(frames, sizes)
    for rows, (height, width) in zip(found, sizes.tolist(), strict=True):
        boxes = unpack_boxes(rows)[0]
        assert (boxes >= 0).all() and (boxes[:, [0, 2]] <= width).all() and (boxes[:, [1, 3]] <= height).all()


def test_training_moves_every_parameter():
    model, (frames, sizes, targets) = detector(stochastic_depth=0.0).train(), batch()
    _, parts = model(frames, sizes, targets)
    sum(parts.values()).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None]
    assert still == []


def test_two_views_of_a_symmetric_answer_are_one():
    model, (frames, sizes, _) = detector().eval(), batch()
    with torch.no_grad():
        plain = model(frames, sizes)
        merged = model.merge_views(make_views(2, mirror=True), (frames, sizes), plain)
        assert torch.equal(model.merge_views(make_views(1, mirror=True), (frames, sizes), plain), plain)
    assert merged.shape == plain.shape
    best = [float(scores_of(rows).max()) for rows in merged]
    assert all(a >= b - 1e-6 for a, b in zip(best, [float(scores_of(rows).max()) for rows in plain], strict=True))


@pytest.mark.parametrize(
    ("name", "n_in", "streams"),
    [
        *[("mit_b0", 3, 1), ("mit_b0", 1, 1), ("mit_b0", 5, 1), ("mit_b0", 4, 2), ("mit_b0", 16, 2)],
        *[("torchvision:resnet18", 5, 1), ("timm:resnet10t", 5, 1)],
    ],
)
def test_backbones_take_any_number_of_channels(name, n_in, streams):
    model = detector(name, n_in, 2, streams=streams).eval()
    with torch.no_grad():
        assert model(torch.rand(1, n_in, 64, 64)).shape == (1, 20, 6)
        maps = model.net.backbone(torch.rand(1, n_in, 64, 96))
    sides = [(256, 16 // step, 24 // step) for step in (1, 2, 4, 8)]
    assert [tuple(m.shape[1:]) for m in maps.values()] == [*sides, (256, 1, 2)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mit_b9", "did you mean mit_b5"),
        ("torchvision:vgg16", "layer1"),
        ("timm:nothing_like_it", "timm model"),
        ("resnet18", "mit_b0"),
    ],
)
def test_unknown_backbones_are_named(name, words):
    with pytest.raises(ModelError, match=words):
        create_detector(name)


def test_impossible_arguments_are_named():
    with pytest.raises(ModelError, match="streams=2"):
        create_detector("mit_b0", 3, streams=2)
    with pytest.raises(ModelError, match="anchors"):
        create_detector("mit_b0", 5, anchors=(1, 2))
    with pytest.raises(ModelError, match="box_nms_thresh"):
        create_detector("mit_b0", 5, box_nms_tresh=0.3)


def test_a_detector_is_a_model_of_the_registry(tmp_path):
    assert "detect:mit_b3" in list_models("detect:*")
    model = create_model("detect:mit_b0", 5, 3, **{**SMALL, "anchors": [8, 16, 32, 64, 128]}).eval()
    assert isinstance(model, Detector)
    export_model(model, tmp_path)
    again = load_model(tmp_path)
    frames = torch.rand(1, 5, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(frames), again(frames))
    info = model_info(model, 64)
    assert info["parameters"] == 27_796_683 and info["operations"] > 1e8
