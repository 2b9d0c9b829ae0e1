"""Pictures: what is decoded, and what is said of those that cannot be."""

import numpy as np
from PIL import Image

from learnerkit.data.pictures import as_channels, check_image


def test_a_jpeg_whose_second_half_is_zeros_is_bad(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    assert check_image(path)[0] == ""
    data = path.read_bytes()
    path.write_bytes(data + b"some trailer")
    assert check_image(path)[0] == ""
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    assert "second half is missing" in check_image(path)[0]


def test_colours_become_the_grey_that_pillow_makes_of_them():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    pixels[0, 0, :5] = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
    grey = as_channels(pixels.transpose(0, 3, 1, 2), 1)
    assert np.array_equal(grey[:, 0], [np.asarray(Image.fromarray(one).convert("L")) for one in pixels])
    assert np.array_equal(as_channels(grey, 3), grey.repeat(3, axis=1))
    for same in (grey, grey.repeat(2, axis=1)):
        assert as_channels(same, same.shape[1]) is same and as_channels(same, 4) is same
