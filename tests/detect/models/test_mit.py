"""MiT against transformers' SegformerEncoder; the dual-stream detector against its published sizes."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from learnerkit.core.errors import ModelError
from learnerkit.detect.models.mit import HEADS, SIZES, MixTransformer
from learnerkit.detect.models.mit_weights import load_segformer
from learnerkit.detect.models.rgbx import CrossAttention, DualStream, Merge, Rectify
from learnerkit.models.first_layer import for_channels

PUBLISHED = {
    "mit_b0": 27_796_683,
    "mit_b1": 60_025_195,
    "mit_b2": 82_114_923,
    "mit_b4": 155_407_723,
    "mit_b5": 196_608_363,
}


class Pyramid(nn.Module):
    out_channels = 256

    def __init__(self, name):
        super().__init__()
        self.body = DualStream(name, 3, 2)
        self.fpn = FeaturePyramidNetwork(list(self.body.widths), 256, LastLevelMaxPool())

    def forward(self, x):
        return self.fpn({str(number): feature for number, feature in enumerate(self.body(x))})


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_of_the_detector(name):
    """Faster R-CNN over the fused features, 4 classes with the background."""
    anchors = AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
    with torch.device("meta"):
        model = FasterRCNN(Pyramid(name), 4, rpn_anchor_generator=anchors)
    assert sum(p.numel() for p in model.parameters()) == PUBLISHED[name]


def segformer(name):
    transformers = pytest.importorskip("transformers")
    sizes = SIZES[name]
    config = transformers.SegformerConfig(
        depths=list(sizes.depths),
        hidden_sizes=list(sizes.widths),
        num_attention_heads=list(HEADS),
        sr_ratios=[8, 4, 2, 1],
        drop_path_rate=0.0,
        hidden_dropout_prob=0.0,
    )
    torch.manual_seed(1)
    model = transformers.SegformerModel(config).eval()
    for parameter in model.parameters():  # biases and norms too, or a swapped one would not show
        nn.init.normal_(parameter, std=0.05)
    return model


@pytest.mark.parametrize(("name", "saved"), [("mit_b0", True), ("mit_b0", False), ("mit_b2", True)])
def test_one_stream_equals_transformers(name, saved, tmp_path):
    reference, ours = segformer(name), MixTransformer(name).eval()
    reference.save_pretrained(tmp_path)
    assert load_segformer(ours, tmp_path / "model.safetensors" if saved else dict(reference.state_dict())) == []
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = reference(images, output_hidden_states=True).hidden_states
        for theirs, mine in zip(expected, ours(images), strict=True):
            assert torch.allclose(theirs, mine, atol=1e-5)


def test_weights_go_into_both_streams_and_what_does_not_map_is_listed():
    weights = {f"segformer.{name}": tensor for name, tensor in segformer("mit_b0").state_dict().items()}
    weights["decode_head.classifier.weight"] = torch.zeros(3)
    weights["segformer.stages.3.layer_norm.bias"] = torch.zeros(7)
    model = DualStream("mit_b0", 3, 2)
    assert sorted(load_segformer(model, weights)) == [
        "not filled: 3.norm.bias",
        "not filled: 3.norm.bias",
        "not used: decode_head.classifier.weight",
    ]
    first, other = model.rgb[0].patches.conv.weight, model.other[0].patches.conv.weight
    assert torch.equal(first, weights["segformer.stages.0.patch_embeddings.proj.weight"])
    assert torch.allclose(other[:, 0], other[:, 1]) and torch.allclose(other.sum(1), first.sum(1), atol=1e-6)
    assert torch.equal(model.rgb[2].norm.weight, model.other[2].norm.weight)


def test_averaged_input_weights_keep_the_answer_to_grey():
    weight = torch.randn(4, 3, 7, 7)
    grey = torch.rand(1, 1, 20, 20)
    three = nn.functional.conv2d(grey.expand(-1, 3, -1, -1), weight)
    assert torch.allclose(three, nn.functional.conv2d(grey.expand(-1, 5, -1, -1), for_channels(weight, 5)), atol=1e-4)


def test_rectification_by_hand():
    """All weights zero: both gates are 1/2, so each stream gains half a half of the other, twice."""
    layer = Rectify(2)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    first, second = torch.full((1, 2, 3, 3), 4.0), torch.full((1, 2, 3, 3), 10.0)
    one, other = layer(first, second)
    assert torch.allclose(one, torch.full_like(one, 4 + 0.5 * 0.5 * 10 * 2))
    assert torch.allclose(other, torch.full_like(other, 10 + 0.5 * 0.5 * 4 * 2))


def test_cross_attention_asks_the_other_stream():
    layer = CrossAttention(4, 2)
    first, second = torch.randn(2, 1, 6, 4)
    one, _ = layer(first, second)
    assert torch.equal(one, layer(first, second)[0])
    changed, _ = layer(first, second + 1)
    assert not torch.allclose(one, changed)  # its context comes from the other
    key, value = layer.second(second).chunk(2, dim=-1)
    head = slice(0, 2)
    context = ((key[0, :, head].T @ value[0, :, head]) * 2**-0.5).softmax(dim=0)
    assert torch.allclose(one[0, :, head], first[0, :, head] @ context, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (70, 90)])
def test_shapes_and_gradients(height, width):
    model = DualStream("mit_b0", 3, 2)
    features = model(torch.randn(2, 5, height, width))
    assert [f.shape[1] for f in features] == [32, 64, 160, 256]
    assert features[0].shape[2:] == (-(-height // 4), -(-width // 4))
    sum(f.mean() for f in features).backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if "rectify.3" not in name)
    assert Merge(32, 1)(torch.rand(1, 32, 5, 7), torch.rand(1, 32, 5, 7)).shape == (1, 32, 5, 7)


def test_unknown_names():
    with pytest.raises(ModelError, match="did you mean mit_b"):
        MixTransformer("mit_b9")
