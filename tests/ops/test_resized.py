"""Batches at another size: against torch's interpolation, and random boxes by their share, proportion and place."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch.nn import functional as F

from learnerkit.ops.resized import RandomResizedCrop, centre, cut_out, draw_boxes, resized

RATIO = (3 / 4, 4 / 3)


def test_enlarging_equals_torch_and_shrinking_is_antialiased():
    images = torch.rand(2, 3, 12, 10)
    assert torch.equal(resized(images, (30, 20)), F.interpolate(images, (30, 20), mode="bilinear"))
    assert torch.equal(resized(images, (6, 20)), F.interpolate(images, (6, 20), mode="bilinear", antialias=True))
    assert resized(images, (12, 10)) is images
    line = torch.tensor([[[[0.0, 8.0]]]])  # centres at .5 and 1.5: of four pixels, at .25, .75, 1.25 and 1.75
    assert resized(line, (1, 4)).flatten().tolist() == [0, 2, 6, 8]


def test_the_middle():
    images = torch.arange(5 * 4).reshape(1, 1, 5, 4)
    assert centre(images, (3, 2))[0, 0].tolist() == [[5, 6], [9, 10], [13, 14]]
    assert centre(images, (2, 4))[0, 0, :, 0].tolist() == [8, 12]  # of five rows two: one above more is left out


@pytest.mark.parametrize("size", [(24, 24), (9, 7), (50, 60)])
def test_a_box_equals_torchs_interpolation_of_it(size):
    images = torch.rand(4, 3, 40, 30)
    boxes = torch.tensor([[3, 0, 10, 5], [2, 0, 7, 1], [20, 40, 12, 30], [16, 30, 20, 9]]).float()
    found = cut_out(images, boxes, size)
    for image, (top, left, height, width), one in zip(images, boxes.T.int().tolist(), found, strict=True):
        part = image[None, :, top : top + height, left : left + width]
        assert torch.allclose(one, F.interpolate(part, size, mode="bilinear", antialias=True)[0], atol=1e-5)


def test_a_box_between_pixels_by_hand():
    line = torch.tensor([[[[0.0, 10.0, 20.0, 30.0]]]])
    box = torch.tensor([[0.0], [0.5], [1.0], [2.0]])  # from .5 to 2.5: two pixels, with middles at 1 and 2
    assert cut_out(line, box, (1, 2)).flatten().tolist() == pytest.approx([5.0, 15.0])


@pytest.mark.parametrize("size", [(64, 64), (100, 60), (30, 90)])
def test_boxes_are_spread_evenly_over_shares_and_lie_inside(size):
    tops, lefts, heights, widths = draw_boxes(20_000, size, (0.35, 1.0), RATIO)
    shares = heights * widths / (size[0] * size[1])
    assert kstest((shares.numpy() - 0.35) / 0.65, "uniform").pvalue > 0.01
    assert min(tops.min(), lefts.min()) >= 0
    assert (tops + heights).max() <= size[0] + 1e-3 and (lefts + widths).max() <= size[1] + 1e-3
    ratios = heights / widths
    room = (ratios > RATIO[0] - 1e-3) & (ratios < RATIO[1] + 1e-3)
    whole = (heights > size[0] - 1e-3) | (widths > size[1] - 1e-3)  # where the image itself leaves no such proportion
    assert (room | whole).all() and (size[0] != size[1] or room.all())
    small = shares < 0.5  # a square image has room for every proportion there
    if size[0] == size[1]:
        spread = (ratios[small].log().numpy() / np.log(RATIO[1]) + 1) / 2
        assert kstest(spread, "uniform").pvalue > 0.01


def test_each_image_draws_for_itself_and_the_generator_alone_decides():
    rows = torch.arange(32.0)[None, None, :, None].expand(16, 1, 32, 32)
    operation = RandomResizedCrop((8, 12), (0.35, 1.0))
    torch.manual_seed(5)
    first = operation(rows)
    assert first.shape == (16, 1, 8, 12) and len({tuple(one[0, :, 0].tolist()) for one in first}) == 16
    assert torch.equal(first, operation(rows)) is False
    torch.manual_seed(5)
    assert torch.equal(first, operation(rows))
