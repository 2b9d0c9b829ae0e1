"""Pictures of several sensors joined to frames."""

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import combine_modalities
from learnerkit.core.errors import DataError, RecipeError
from learnerkit.detect.data.shift import moved
from tests.detect.data.test_shift import outlines
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
    with pytest.raises(RecipeError, match="bad='foo'"):
        combine_modalities(tmp_path / "rgb", None, None, tmp_path / "out", bad="foo")


def outlined_folders(root, shift=(0, 0), n=10, strange=False):
    """Folders rgb/, thermal/ and event/ of outlines whose thermal pictures are moved; the frames [5,H,W] themselves."""
    frames = []
    for number in range(n):
        frame = (outlines(number, shift=shift) * 255).astype(np.uint8)
        frame[4] = (outlines(number + 900 if strange else number)[4] * 255).astype(np.uint8)
        for name, pixels in (("rgb", frame[:3].transpose(1, 2, 0)), ("thermal", frame[3]), ("event", frame[4])):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
        frames.append(frame)
    return frames


@pytest.mark.parametrize("shift", [(5, -4), (0, 3), (-8, 0)])
def test_modalities_are_aligned_by_the_shift_of_the_set(tmp_path, shift):
    frames = outlined_folders(tmp_path, shift)
    folders = [tmp_path / name for name in ("rgb", "thermal", "event")]
    report = combine_modalities(*folders, tmp_path / "out", align=True)
    told = {fault.file: fault.reason for fault in report.faults}
    assert f"moved by {-shift[0]:+d} down and {-shift[1]:+d} to the right" in told["thermal"]
    assert "moved by +0 down and +0 to the right" in told["event"]
    found = np.load(tmp_path / "out" / "images" / "4.npy").transpose(2, 0, 1)
    assert np.array_equal(found[[0, 1, 2, 4]], frames[4][[0, 1, 2, 4]])
    assert np.array_equal(found[3], moved(frames[4][3], -shift[0], -shift[1]))
    assert not combine_modalities(*folders, tmp_path / "plain").faults
    assert np.array_equal(np.load(tmp_path / "plain" / "images" / "4.npy").transpose(2, 0, 1), frames[4])


def test_what_cannot_be_aligned_is_said(tmp_path):
    frames = outlined_folders(tmp_path / "strange", (3, 3), strange=True)
    folders = [tmp_path / "strange" / name for name in ("rgb", "thermal", "event")]
    report = combine_modalities(*folders, tmp_path / "out", align=True)
    assert "event: no shift against RGB can be told; it stays where it is" in map(str, report.faults)
    assert np.array_equal(np.load(tmp_path / "out" / "images" / "0.npy")[:, :, 4], frames[0][4])
    outlined_folders(tmp_path / "few", n=9)
    folders = [tmp_path / "few" / name for name in ("rgb", "thermal", "event")]
    with pytest.raises(DataError, match="align=True: 9 frames; a shift is told from 10 on"):
        combine_modalities(*folders, tmp_path / "none", align=True)
    assert not (tmp_path / "none").exists()
