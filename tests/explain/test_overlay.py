"""Maps laid over images."""

import numpy as np
import pytest
import torch

from learnerkit.all import DataError, overlay


def test_an_overlay_has_the_images_own_size_and_mixes_both():
    image = torch.zeros(3, 8, 12, dtype=torch.uint8)
    heat = torch.zeros(2, 3)
    heat[0, 2] = 5.0
    found = overlay(image, heat, alpha=1.0)
    assert found.shape == (8, 12, 3) and found.dtype == np.uint8
    brightest = found.astype(int).sum(axis=2)
    assert np.unravel_index(brightest.argmax(), brightest.shape)[1] >= 8 and brightest[-1, 0] == brightest.min()
    assert (overlay(image + 200, heat, alpha=0.0) == 200).all()


def test_channels_are_summed_by_magnitude_and_grey_is_shown():
    grey = torch.full((1, 4, 4), 0.5)
    signed = torch.tensor([[[1.0, 0], [0, 0]], [[-1.0, 0], [0, 2.0]]])
    flat = torch.tensor([[2.0, 0], [0, 2.0]])
    assert (overlay(grey, signed) == overlay(grey, flat)).all()
    assert (overlay(grey, -flat) == overlay(grey, flat)).all()


@pytest.mark.parametrize(
    ("image", "heat", "said"),
    [
        (torch.zeros(4, 8, 8), torch.ones(2, 2), r"image: of shape \[4, 8, 8\]; \[C,H,W\]"),
        (torch.randn(3, 8, 8) * 3, torch.ones(2, 2), "undo the normalisation"),
        (torch.zeros(3, 8, 8), torch.ones(1, 1, 2, 2), r"map: of shape \[1, 1, 2, 2\]"),
    ],
)
def test_what_is_no_image_or_map_is_refused(image, heat, said):
    with pytest.raises(DataError, match=said):
        overlay(image, heat)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16], ids=str)
def test_maps_with_a_graph_and_in_half_precision_are_laid_over(kind):
    image, heat = torch.rand(3, 8, 8), torch.rand(1, 4, 4).to(kind).float()
    expected = overlay(image, heat)
    assert np.array_equal(overlay(image.clone().requires_grad_(), heat.to(kind).requires_grad_()), expected)
