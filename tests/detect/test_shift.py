"""What `doctor` says of the shift between modalities, and the pictures of it."""

import re

import numpy as np
import pytest
from PIL import Image

from learnerkit.core.errors import LearnerkitError
from learnerkit.detect.data.scan import read_detection
from learnerkit.detect.shift import draw_shift, measure_shift, overlay, shift_lines
from tests.detect.data.test_shift import outlines
from tests.scenes import GOOD, call


def outlined(root, n=10, shift=(0, 0), lone=None):
    """A set of frames of outlines, uint8 [H,W,5]; `lone`: the shift of its fourth frame alone."""
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for number in range(n):
        frame = outlines(number, shift=lone if lone and number == 3 else shift)
        frame[4] = outlines(number)[4]  # events stay where they are
        np.save(root / "images" / f"{number:04d}.npy", (frame.transpose(1, 2, 0) * 255).astype(np.uint8))
        (root / "labels" / f"{number:04d}.txt").write_text(f"{GOOD}\n")
    (root / "classes.txt").write_text("thing\n")
    return root


def told(root):
    source = read_detection(root)
    return shift_lines(source, measure_shift(source))


def test_a_set_that_is_aligned_is_not_warned_of(tmp_path):
    lines = told(outlined(tmp_path / "set"))
    assert [good for good, _ in lines] == [True, True]
    assert "thermal: lies off the colours by dy" in lines[0][1] and "over 10 frames" in lines[0][1]


def test_a_shift_is_a_warning_with_its_figures_and_remedy(tmp_path):
    (good, text), (other, _) = told(outlined(tmp_path / "set", shift=(4, -3)))
    assert good is None and other is True
    dy, dx = map(float, re.search(r"by dy (\S+), dx (\S+) pixels \(down, left\)", text).groups())
    assert abs(dy - 4) < 0.3 and abs(dx + 3) < 0.3 and "combine_modalities(align=True)" in text


def test_a_lone_frame_is_listed_and_no_warning(tmp_path):
    lines = told(outlined(tmp_path / "set", lone=(9, -7)))
    assert [good for good, _ in lines] == [True, True, True]
    assert "thermal: 1 frame(s) lie otherwise than the set: images/0003.npy (dy +" in lines[1][1]


def test_few_frames_and_strange_scenes_tell_nothing(tmp_path):
    assert told(outlined(tmp_path / "few", n=9)) == [(True, "the shift between modalities is told from 10 frames on")]
    root = outlined(tmp_path / "strange")
    for number, file in enumerate(sorted((root / "images").iterdir())):
        frame = np.load(file)
        frame[:, :, 3] = outlines(900 + number)[3] * 255
        np.save(file, frame)
    assert told(root)[0] == (True, "thermal: no shift against the colours can be told from 10 frames")


def test_the_worst_frames_are_drawn(tmp_path):
    source = read_detection(outlined(tmp_path / "set", lone=(9, -7)))
    measured = measure_shift(source)
    assert measured.worst(0)[0] == 3
    source.modalities = ("long wave/8-14", "event")
    figures = draw_shift(source, measured)
    assert set(figures) == {"shift_long_wave_8-14", "shift_event"}
    titles = [panel.get_title() for panel in figures["shift_long_wave_8-14"].axes]
    assert titles[0].startswith("images/0003.npy, by itself off by dy +")
    assert titles[1] == "moved back by the set's shift"


def test_edges_of_both_are_white_and_of_one_coloured():
    step = np.zeros((60, 80), np.float32)
    step[:, 40:] = 1
    both, red = overlay(step, step), overlay(step, np.zeros((60, 80), np.float32))
    assert (both[30, 40] > 0.9).all() and not both[30, 5].any()
    assert red[30, 40, 0] > 0.9 > 0.5 > red[30, 40, 2]


def test_doctor_warns_and_draws(tmp_path):
    root = outlined(tmp_path / "set", shift=(0, 6))
    said = call("doctor", root, "--out", tmp_path / "drawn" / "here")
    assert "warn  thermal: lies off the colours by" in said
    for name in ("shift_thermal", "shift_event"):
        file = tmp_path / "drawn" / "here" / "figures" / f"{name}.png"
        with Image.open(file) as image:
            assert f"wrote {file}" in said and image.size[0] == 1100


def test_a_path_without_a_set_is_named(tmp_path):
    with pytest.raises(LearnerkitError, match="no such file or folder"):
        read_detection(tmp_path / "nothing")
