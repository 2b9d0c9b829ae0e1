"""Pictures of several sensors joined to frames."""

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import combine_modalities
from learnerkit.core.errors import DataError
from tests.scenes import picture


def test_modalities_are_combined(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / "rgb" / f"{name}.png", (40, 30), (255, 128, 0))
        picture(tmp_path / "thermal" / f"{name}.png", (20, 15), 51, "L")
        picture(tmp_path / "event" / f"{name}.png", (40, 30), 0, "L")
    report = combine_modalities(tmp_path / "rgb", tmp_path / "thermal", tmp_path / "event", tmp_path / "out")
    frame = np.load(tmp_path / "out" / "images" / "a.npy")
    assert frame.shape == (30, 40, 5) and frame.dtype == np.uint8
    assert frame[0, 0].tolist() == [255, 128, 0, 51, 0]
    assert [fault.file for fault in report.faults] == ["a", "b"] and "20x15" in report.faults[0].reason


def test_16_bits_stay_16_bits(tmp_path):
    picture(tmp_path / "rgb" / "a.png", (8, 6), (255, 0, 0))
    thermal = np.full((6, 8), 30001, np.uint16)
    (tmp_path / "thermal").mkdir()
    Image.fromarray(thermal).save(tmp_path / "thermal" / "a.png")
    combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out")
    frame = np.load(tmp_path / "out" / "images" / "a.npy")
    assert frame.dtype == np.uint16 and frame[0, 0].tolist() == [65535, 0, 0, 30001]


def test_missing_parts_are_refused_and_nothing_is_written(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / "rgb" / f"{name}.png", (8, 6), (255, 0, 0))
    picture(tmp_path / "thermal" / "a.png", (8, 6), 7, "L")
    with pytest.raises(DataError, match=r"b: is missing in .*thermal"):
        combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out", bad="skip")
    assert [file.name for file in (tmp_path / "out" / "images").iterdir()] == ["a.npy"]


def test_combining_refuses_what_it_would_damage(tmp_path):
    picture(tmp_path / "rgb" / "a.png", (8, 6), (255, 0, 0))
    (tmp_path / "thermal").mkdir()
    np.save(tmp_path / "thermal" / "a.npy", np.full((6, 8), 30.0, np.float32))
    with pytest.raises(DataError, match=r"thermal/a\.npy: holds floats from 30 to 30"):
        combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out")
    picture(tmp_path / "rgb" / "a.bmp", (8, 6), (255, 0, 0))
    with pytest.raises(DataError, match="more than one file is called a"):
        combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out")
    with pytest.raises(DataError, match="bad='foo'"):
        combine_modalities(tmp_path / "rgb", None, None, tmp_path / "out", bad="foo")
