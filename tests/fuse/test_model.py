"""Fusion of known tensors."""

import pytest
import torch

from learnerkit.core.errors import ModelError
from learnerkit.fuse.model import Fused, fuse, fused_channels
from learnerkit.fuse.modes import EVERY_MODE, MODES
from learnerkit.fuse.transforms import drop_maps, mirror_some

S, A = torch.full((1, 3, 2, 2), 2.0), torch.full((1, 3, 2, 2), 5.0)
VALUES = {"saliency_only": 2, "attention_only": 5, "add": 7, "multiply": 10, "max": 5, "weighted": 0.6 * 2 + 0.4 * 5}


@pytest.mark.parametrize("mode", VALUES)
def test_element_wise_modes(mode):
    assert torch.allclose(fuse(S, A, mode), torch.full((1, 3, 2, 2), float(VALUES[mode])))
    assert fused_channels(mode, 3) == 3


def test_concat_puts_saliency_first():
    out = fuse(S, A, "concat")
    assert out.shape == (1, 6, 2, 2) and (out[:, :3] == 2).all() and (out[:, 3:] == 5).all()
    assert fused_channels("concat", 3) == 6


def test_there_are_seven_modes_and_gated_by_name():
    assert set(MODES) == {*VALUES, "concat"} and set(EVERY_MODE) - set(MODES) == {"gated"}
    with pytest.raises(ModelError, match="did you mean multiply"):
        fused_channels("multiplied", 3)
    with pytest.raises(ModelError, match="two numbers"):
        Fused(torch.nn.Identity(), "weighted", 3, (0, 0))


def test_weights_are_taken():
    assert torch.allclose(Fused(torch.nn.Identity(), "weighted", 3, (1, 0.5))(S, A), torch.full((1, 3, 2, 2), 4.5))


def test_gated_begins_at_the_weights_and_learns_a_share_for_each_channel():
    fused = Fused(torch.nn.Identity(), "gated", 3, (0.6, 0.4))
    assert torch.allclose(fused(S, A), torch.full((1, 3, 2, 2), 3.2))
    assert fused.reported()["saliency"] == pytest.approx([0.6] * 3)
    fused(S, A)[0, 1].sum().backward()
    assert fused.gate.grad[1] != 0 and fused.gate.grad[0] == fused.gate.grad[2] == 0
    # d/dg sum over 4 pixels of (share*2 + (1-share)*5) = 4 * (2-5) * share*(1-share)
    assert fused.gate.grad[1].item() == pytest.approx(4 * -3 * 0.6 * 0.4)
    assert list(fused.state_dict()) == ["gate"] and not list(Fused(torch.nn.Identity(), "add").parameters())


def test_pair_augmentation_draws_for_each_sample():
    torch.manual_seed(0)
    maps = torch.arange(200.0)[:, None, None, None] + torch.arange(4.0)
    flipped = (mirror_some(maps)[:, 0, 0, 0] != maps[:, 0, 0, 0]).sum()
    assert 70 < flipped < 130
    ones = torch.ones(1000, 1, 1, 1)
    first, second = (part.flatten() for part in drop_maps(ones, ones, 0.4))
    assert (first + second >= 1).all() and 150 < (first == 0).sum() < 250 and 150 < (second == 0).sum() < 250
