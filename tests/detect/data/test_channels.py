"""What is said of channels, and the stretch of those that use little of their range."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from learnerkit.all import detection_dls
from learnerkit.detect.data.channels import complaints, stretch_of, stretched, use_of
from learnerkit.detect.data.scan import read_detection
from learnerkit.detect.other import open_other
from tests.conftest import SHARED
from tests.scenes import write_scenes

NAMES = ("red", "green", "blue", "thermal", "event")


def frames(change=None, n=4, side=64):
    """Frames of five noisy channels, one of them changed."""
    made = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        frame = rng.random((5, side, side)).astype(np.float32)
        if change:
            frame[3] = change(rng, frame)
        made.append(frame)
    return made


def said(made):
    return complaints(use_of(made), NAMES, 3)


def saturated(end):
    def change(rng, frame):
        values = frame[3].copy()
        values[:20] = end
        return values

    return change


FAULTS = {
    "14 bits of thermal": (lambda rng, frame: 0.114 + 0.016 * frame[3], "thermal uses 0.1140 to 0.1300 of its range"),
    "0 and 1 of uint8": (lambda rng, frame: (frame[3] > 0.6) / np.float32(255), "thermal uses 0.0000 to 0.0039"),
    "a hot pixel does not hide it": (
        lambda rng, frame: np.where(np.arange(64 * 64).reshape(64, 64) == 7, 1, 0.2 + 0.01 * frame[3]),
        "thermal uses 0.2000 to 0.21",
    ),
    "constant": (lambda rng, frame: np.full((64, 64), 0.25), "thermal is 0.250 everywhere"),
    "saturated above": (saturated(1), "thermal is saturated: 31% of its pixels have its highest value, 1.0000"),
    "saturated below": (saturated(0), "thermal is saturated: 31% of its pixels have its lowest value, 0.0000"),
    "equal to a colour": (lambda rng, frame: frame[1], "green, thermal are equal in every frame"),
    "equal to the event channel": (lambda rng, frame: frame[4], "thermal, event are equal"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_line(fault):
    change, words = FAULTS[fault]
    lines = said(frames(change))
    assert len(lines) == 1 and words in lines[0]


SOUND = {
    "noise": None,
    "events around the middle": lambda rng, frame: 0.5 + 0.16 * (rng.integers(-3, 4, (64, 64)) * (frame[3] > 0.8)),
    "events from 0": lambda rng, frame: frame[3] * (frame[4] > 0.9),
    "few events": lambda rng, frame: frame[3] * (np.arange(64 * 64).reshape(64, 64) < 4),
    "a mask": lambda rng, frame: (frame[3] > 0.5).astype(np.float32),
    "a narrow but used range": lambda rng, frame: 0.4 + 0.06 * frame[3],
    "constant in one frame of several": lambda rng, frame: frame[3] if rng.random() < 0.9 else frame[3] * 0,
}


@pytest.mark.parametrize("kind", SOUND)
def test_what_is_sound_is_not_complained_of(kind):
    assert said(frames(SOUND[kind])) == []


def test_equal_colours_are_one_line():
    grey = [np.repeat(frame[:1], 3, axis=0) for frame in frames()]
    assert complaints(use_of(grey), NAMES[:3], 3) == ["red, green, blue are equal in every frame that was looked at"]


@pytest.mark.parametrize("name", ["multimodal60", "coco64-yolo"])
def test_no_complaint_of_real_sets(unpacked, name):
    source = read_detection(unpacked("multimodal60") / name if name == "multimodal60" else SHARED / name)
    assert complaints(source.uses(np.arange(len(source)), 20), source.channel_names, source.colours) == []


def test_the_stretch_is_affine_and_keeps_small_hot_objects_apart():
    made = frames(lambda rng, frame: 0.114 + 0.016 * frame[3])
    low, high = stretch_of(use_of(made))
    assert low[3] == pytest.approx(0.114, abs=1e-4) and high[3] == pytest.approx(0.130, abs=1e-4)
    frame = made[0].copy()
    frame[3, 0, :3] = (0.135, 0.140, 0.9)  # hot, hotter, a broken pixel
    found = stretched(frame, (low, high))
    inside = (frame[3, 1:] - low[3]) / (high[3] - low[3])
    assert np.allclose(found[3, 1:], inside, atol=1e-5)
    assert 1 < found[3, 0, 0] < found[3, 0, 1] < found[3, 0, 2] == 2
    assert stretched(frame, None) is frame
    constant = stretch_of(use_of(frames(lambda rng, frame: np.full((64, 64), 0.25))))
    assert (constant[0][3], constant[1][3]) == (0, 1)


@pytest.fixture
def narrow(tmp_path):
    """A set whose thermal channel has 14 bits and uses .114 to .130 of uint16."""
    root = write_scenes(tmp_path / "narrow")
    for file in (root / "images").glob("*.npy"):
        frame = np.load(file).astype(np.uint16) * 257
        frame[:, :, 3] = np.round(7471 + frame[:, :, 3] / 65535 * 1049)
        np.save(file, frame)
    return root


def test_a_narrow_channel_is_warned_of_once_and_recorded(narrow):
    with pytest.warns(UserWarning, match=r"narrow: thermal uses 0\.114\d to 0\.127\d of its range") as caught:
        dls = detection_dls(narrow, bs=2)
    assert len(caught) == 1 and "stats='data'" in dls.facts()["notes"][0]


def test_statistics_of_the_data_use_the_whole_range(narrow):
    dls = detection_dls(narrow, bs=2, stats="data", flip=False)
    assert not dls.facts()["notes"] and dls.facts()["stretch"] == dls.source.stretch
    frame = dls.source.frame(0)
    assert frame[3].min() < 0.02 and frame[3].max() > 0.98
    batch = dls.train.one_batch()
    values = batch[0].as_subclass(torch.Tensor)[:, 3]
    assert 0.5 < values.std() < 1.5
    shown = dls.train.pictures(dls.train.decode_batch(batch)[0][0])[1]
    assert shown.min() < 20 and shown.max() > 235  # as a picture: no uniform grey
    given = dls.test_dl([np.load(dls.source.frames[0].files[0])]).one_batch()[0].as_subclass(torch.Tensor)
    path = dls.test_dl([dls.source.frames[0].files[0]]).one_batch()[0].as_subclass(torch.Tensor)
    row = dls.test_dl([0]).one_batch()[0].as_subclass(torch.Tensor)
    assert torch.equal(given, row) and torch.equal(path, row)


def test_other_frames_are_measured_with_the_stretch_of_the_run(narrow):
    dls = detection_dls(narrow, bs=2, stats="data")
    facts = json.loads(json.dumps(dls.facts()))
    described = {"data": facts, "classes": list(dls.vocab), "recipe": {"dls": {"args": {}}}}
    other = open_other(narrow / "images", described)
    assert other.source.stretch == dls.source.stretch
    assert np.array_equal(other.source.frame(0), dls.source.frame(0))
    del facts["stretch"]  # a run of before
    assert open_other(narrow / "images", described).source.stretch is None


def test_a_fourth_channel_of_png_is_said_to_be_one(tmp_path):
    root = write_scenes(tmp_path / "set", channels=4)
    for file in (root / "images").glob("*.npy"):
        Image.fromarray(np.load(file), "RGBA").save(file.with_suffix(".png"))
        file.unlink()
    with pytest.warns(UserWarning, match="channel 3 varies and is taken as a channel, though its files call it alpha"):
        dls = detection_dls(root, bs=2)
    assert dls.source.channels == 4 and dls.source.modalities == ("channel 3",)
    assert any("call it alpha" in note for note in dls.facts()["notes"])
