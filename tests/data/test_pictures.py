"""Pictures: what is decoded, and what is said of those that cannot be."""

import numpy as np
from PIL import Image

from learnerkit.data.pictures import check_image


def test_a_jpeg_whose_second_half_is_zeros_is_bad(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    assert check_image(path)[0] == ""
    data = path.read_bytes()
    path.write_bytes(data + b"some trailer")
    assert check_image(path)[0] == ""
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    assert "second half is missing" in check_image(path)[0]
