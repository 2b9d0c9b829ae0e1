"""Backbones of timm's families: those for any size give a pyramid, the others are refused before a batch is cut."""

import pytest
import torch

from learnerkit.core.errors import ModelError
from learnerkit.detect.models.backbones import PyramidBackbone

pytest.importorskip("timm")


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "convnext_atto", "efficientnet_b0", "test_resnet"])
def test_a_backbone_for_any_size_gives_five_maps(name):
    backbone = PyramidBackbone(f"timm:{name}", 5)
    assert backbone.training and all(module.training for module in backbone.modules())
    with torch.no_grad():
        maps = backbone.eval()(torch.zeros(2, 5, 64, 128))
    assert [tuple(features.shape) for features in maps.values()] == [
        (2, 256, 64 // stride, 128 // stride) for stride in (4, 8, 16, 32, 64)
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vit_tiny_patch16_224", "no four maps at strides 4, 8, 16 and 32"),
        ("maxvit_pico_rw_256", r"takes no frame of 96x160 pixels \(height .* divisible.*any size"),
        ("coatnet_nano_rw_224", "takes no frame of 96x160 pixels .*any size"),
        ("hiera_tiny_224", "takes no frame of 96x160 pixels .*any size"),
    ],
)
def test_one_that_fits_a_single_size_is_refused_by_name(name, said):
    with pytest.raises(ModelError, match=rf"timm:{name}: .*{said}"):
        PyramidBackbone(f"timm:{name}", 3)
