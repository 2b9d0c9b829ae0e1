"""Frame files: the range of each type, and what is said of those that cannot be used."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import verify
from learnerkit.core.errors import DataError
from learnerkit.detect.data.frames import check_frame, read_frame
from learnerkit.detect.data.scan import read_detection
from tests.scenes import bad_frames, reasons


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1), (np.float64, 1)])
def test_a_frame_is_scaled_by_the_range_of_its_type(tmp_path, kind, top, first):
    values = (np.arange(24 * 20 * 5).reshape(24, 20, 5) % 250 / 249 * top).astype(kind)
    np.save(tmp_path / "a.npy", values.transpose(2, 0, 1) if first else values)
    frame = read_frame(tmp_path / "a.npy")
    assert frame.shape == (5, 24, 20) and frame.dtype == np.float32
    assert np.allclose(frame, values.transpose(2, 0, 1).astype(np.float64) / top, atol=1e-7)


def test_a_16_bit_thermal_channel_keeps_its_precision(tmp_path):
    values = np.arange(400, dtype=np.uint16).reshape(20, 20) + 30000
    Image.fromarray(values).save(tmp_path / "t.png")
    frame = read_frame(tmp_path / "t.png")
    assert frame.shape == (1, 20, 20) and len(np.unique(frame)) == 400
    assert frame[0, 0, 1] == pytest.approx(30001 / 65535)


def test_two_dimensions_and_sixteen_channels(tmp_path):
    np.save(tmp_path / "grey.npy", np.zeros((20, 30), np.uint8))
    np.save(tmp_path / "many.npy", np.zeros((20, 30, 16), np.uint8))
    assert read_frame(tmp_path / "grey.npy").shape == (1, 20, 30)
    assert read_frame(tmp_path / "many.npy").shape == (16, 20, 30)


def test_a_picture_taken_with_a_turned_camera_is_read_upright(scenes):
    """Labels are drawn on what a viewer shows, and viewers turn pictures as EXIF says."""
    pixels = np.zeros((64, 40, 3), np.uint8)  # as shown: 64 high, 40 wide, red above
    pixels[:16] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    Image.fromarray(np.rot90(pixels)).save(scenes / "images" / "0009.jpg", exif=exif, quality=95)
    (scenes / "images" / "0009.npy").unlink()
    for file in (scenes / "images").glob("*.npy"):  # the others to three channels
        np.save(file, np.load(file)[:, :, :3])
    (scenes / "labels" / "0009.txt").write_text("0 0.5 0.125 1 0.25\n")
    source = read_detection(scenes)
    row = source.ids.index("images/0009.jpg")
    assert source.sizes[row].tolist() == [64, 40] and source.boxes[row].tolist() == [[0, 0, 40, 16]]
    frame = source.frame(row)
    assert frame[0, 4:12].min() > 0.9 and frame[:, 20:].max() < 0.1


@pytest.mark.parametrize("kind", bad_frames())
def test_a_bad_frame_is_named_and_can_be_left_out(scenes, kind):
    write, words = bad_frames()[kind]
    write(scenes / "images" / "0001.npy")
    found = [text for text in reasons(scenes) if text.startswith("images/0001.npy: ")]
    assert len(found) == 1 and words in found[0], found
    assert not verify(scenes)
    with pytest.raises(DataError, match=r"images/0001\.npy"):
        read_detection(scenes)
    source = read_detection(scenes, "skip")
    assert len(source) == 9 and "images/0001.npy" not in source.ids
    assert any(fault.file == "images/0001.npy" for fault in source.quarantine)


def test_headers_are_parsed_by_one_thread_at_a_time(tmp_path, monkeypatch):
    """numpy parses a header with ast.literal_eval, which older Pythons cannot do in two threads at once."""
    files = [tmp_path / f"{number}.npy" for number in range(16)]
    for file in files:
        np.save(file, np.zeros((4, 4, 5), np.uint8))
    load, inside, most = np.load, [], []

    def slow(*args, **kwargs):
        inside.append(1)
        most.append(len(inside))
        time.sleep(2e-3)
        array = load(*args, **kwargs)
        inside.pop()
        return array

    monkeypatch.setattr(np, "load", slow)
    with ThreadPoolExecutor(4) as pool:
        assert [reason for reason, _ in pool.map(check_frame, files)] == [""] * len(files)
    assert max(most) == 1


@pytest.mark.parametrize("kind", [">u2", "<u2"])
def test_either_byte_order_is_scaled(tmp_path, kind):
    values = np.full((20, 30, 1), 40000, dtype=kind)
    np.save(tmp_path / "a.npy", values)
    Image.frombytes("I;16B" if kind == ">u2" else "I;16", (30, 20), values.tobytes()).save(tmp_path / "a.tif")
    for name in ("a.npy", "a.tif"):
        assert read_frame(tmp_path / name).max() == pytest.approx(40000 / 65535)


def test_floats_a_hair_above_one_are_rounding(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20, 20, 5), 1.0000001, np.float32))
    assert read_frame(tmp_path / "a.npy").shape == (5, 20, 20)
