"""Mixing and views by hand-worked numbers and properties."""

import pytest
import torch

from learnerkit.core.errors import DataError
from learnerkit.ops.mix import beta_sample, blend, cutmix_box, kept_area, paste
from learnerkit.ops.views import View, make_views, shift


def test_cutmix_box_by_hand():
    # lam .75 leaves a box of half the side: 16x16 pixels around (16, 16)
    assert cutmix_box(0.75, 32, 32, 16, 16) == (8, 24, 8, 24)
    assert kept_area((8, 24, 8, 24), 32, 32) == 0.75
    # at the corner three quarters of it are cut off
    assert cutmix_box(0.75, 32, 32, 0, 0) == (0, 8, 0, 8)
    assert kept_area((0, 8, 0, 8), 32, 32) == 1 - 64 / 1024


@pytest.mark.parametrize("lam", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_lambda_equals_the_area_really_kept(lam):
    for y, x in [(0, 0), (5, 30), (16, 16), (31, 2)]:
        box = cutmix_box(lam, 32, 32, y, x)
        mixed = paste(torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32), box)
        assert (mixed == 0).float().mean().item() == pytest.approx(kept_area(box, 32, 32))


def test_blend_and_beta():
    assert blend(torch.tensor([4.0]), torch.tensor([8.0]), 0.25).item() == 7.0
    draws = torch.tensor([beta_sample(1.0) for _ in range(4000)])
    assert abs(draws.mean() - 0.5) < 0.02 and abs(draws.var() - 1 / 12) < 0.01
    draws = torch.tensor([beta_sample(0.4) for _ in range(4000)])
    assert abs(draws.var() - 1 / (4 * 1.8)) < 0.01  # variance of Beta(a, a) is 1/(4(2a+1))


def test_shift_moves_down_and_right():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert torch.equal(shift(image, 1, 0)[0, 0, 1:], image[0, 0, :-1])
    assert torch.equal(shift(image, 0, -1)[0, 0, :, :-1], image[0, 0, :, 1:])
    assert shift(image, 1, 0)[0, 0, 0, 0] == 4.0  # the border mirrored in


def test_views_start_with_the_identity_and_are_distinct():
    for n, mirror in [(2, True), (8, True), (16, True), (9, False), (17, False)]:
        views = make_views(n, mirror)
        assert views[0] == View() and len(set(views)) == n
        assert any(view.mirror for view in views) == mirror
    assert make_views(2, True)[1] == View(mirror=True)
    with pytest.raises(DataError, match="1 to 17"):
        make_views(18, False)
