"""The shift between modalities: on scenes of outlines in other tones, and on the real set with planted ones."""

import numpy as np
import pytest
from scipy import ndimage

from learnerkit.detect.data.shift import SURE, aligned, edges, grey_of, moved, peak_of, shifts_of


def outlines(seed, shape=(120, 160), shift=(0, 0), sizes=(12, 40)):
    """RGB of bright and dark blocks, and two channels of the same blocks in other tones, moved, on noise: [5,H,W]."""
    rng, margin = np.random.default_rng(seed), 16
    frame = np.zeros((5, shape[0] + 2 * margin, shape[1] + 2 * margin))
    for _ in range(25):
        y, x = rng.integers(0, frame.shape[1]), rng.integers(0, frame.shape[2])
        height, width = rng.integers(*sizes, 2)
        frame[:, y : y + height, x : x + width] = rng.uniform(0, 1, (5, 1, 1))
    frame = ndimage.gaussian_filter(frame, (0, 1, 1)) + rng.normal(0, 0.03, frame.shape)
    frame[3:] = np.roll(frame[3:], shift, (1, 2))
    return frame[:, margin:-margin, margin:-margin].clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (0, -7), (-8, 5), (2, 2), (12, -11)])
def test_a_shift_is_found_with_its_sign(shift):
    found = shifts_of([outlines(seed, shift=shift) for seed in range(10)], 3)
    for one in found.together:
        assert one.sure and abs(one.dy - shift[0]) < 0.3 and abs(one.dx - shift[1]) < 0.3
    assert len(found.alone) == 10 and len(found.alone[0]) == 2


def test_frames_of_different_sizes_and_types_are_combined():
    frames = [outlines(seed, shape, (4, -3)) for seed, shape in enumerate([(120, 160), (90, 200), (70, 70)] * 4)]
    frames = [(frame * 16383 + 9000).astype(np.uint16) if n % 2 else frame for n, frame in enumerate(frames)]
    for one in shifts_of(frames, 3).together:
        assert one.sure and round(one.dy) == 4 and round(one.dx) == -3


def test_scenes_that_have_nothing_in_common_are_not_sure():
    frames = [np.concatenate([outlines(n)[:3], outlines(n + 500)[3:]]) for n in range(10)]
    noise = [np.random.default_rng(n).random((5, 120, 160)).astype(np.float32) for n in range(10)]
    flat = [np.concatenate([outlines(n)[:3], np.full((2, 120, 160), 0.5, np.float32)]) for n in range(10)]
    for wrong in (frames, noise, flat):
        assert not any(one.sure for one in shifts_of(wrong, 3).together)


def test_events_are_edges_already():
    rest = np.full((60, 80), 0.5, np.float32)
    rest[20:24, 30:50] = 0.9
    found = edges(rest)
    assert found[21, 40] > 0.5 * found.max() and found[50, 10] < 0.01 * found.max()
    ordinary = np.tile(np.where(np.arange(80) < 40, 0.2, 0.7), (60, 1)) + np.linspace(0, 0.01, 60)[:, None]
    assert 38 <= edges(ordinary).sum(axis=0).argmax() <= 41
    assert not edges(np.full((60, 80), 7)).any()


def test_the_peak_lies_between_pixels():
    y, x = np.mgrid[-8:9, -8:9]
    for dy, dx in ((1.3, -2.4), (0, 0), (-5.25, 5.5)):
        surface = np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / 8)
        found = peak_of(surface)
        assert found.dy == pytest.approx(dy, abs=0.05) and found.dx == pytest.approx(dx, abs=0.05)
    assert peak_of(np.zeros((9, 9))).height == 0 < SURE


def test_a_channel_is_moved_with_its_edge_repeated():
    channel = np.arange(12).reshape(3, 4)
    assert moved(channel, 1, 0).tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]
    assert moved(channel, 0, -2).tolist() == [[2, 3, 3, 3], [6, 7, 7, 7], [10, 11, 11, 11]]
    assert np.array_equal(moved(channel, 0, 0), channel)


def test_what_is_aligned_lies_on_the_colours():
    frames = [outlines(seed, shift=(5, -4)) for seed in range(10)]
    found = shifts_of(frames, 3)
    again = shifts_of([aligned(frame, 3, found.together) for frame in frames], 3)
    assert max(one.most for one in again.together) < 0.3
    unmoved = aligned(frames[0], 3, shifts_of([np.random.default_rng(0).random((5, 64, 64))], 3).together)
    assert np.array_equal(unmoved, frames[0])


def test_grey_is_that_of_the_standard():
    frame = np.stack([np.full((2, 2), value, np.uint8) for value in (100, 200, 50, 9)])
    assert grey_of(frame)[0, 0] == pytest.approx(0.299 * 100 + 0.587 * 200 + 0.114 * 50)
    assert grey_of(frame[:2])[0, 0] == 100


def test_planted_shifts_of_the_real_set_are_found(unpacked):
    folder = unpacked("multimodal60") / "multimodal60" / "images"
    frames = [np.load(file).transpose(2, 0, 1) for file in sorted(folder.iterdir())]
    rng = np.random.default_rng(4)
    for trial in range(4):
        rows = rng.choice(60, 10, replace=False) if trial % 2 else np.arange(10) + 13 * trial
        dy, dx = rng.integers(2, 9, 2) * rng.choice([-1, 1], 2) * [trial != 0, trial != 1]
        before = shifts_of([frames[row] for row in rows], 3).together
        assert all(one.sure and one.most < 2 for one in before)
        planted = [np.concatenate([f[:3], np.roll(f[3:4], (dy, dx), (1, 2))]) for f in (frames[row] for row in rows)]
        (after,) = shifts_of(planted, 3).together
        assert after.sure and abs(after.dy - before[0].dy - dy) <= 1 and abs(after.dx - before[0].dx - dx) <= 1
