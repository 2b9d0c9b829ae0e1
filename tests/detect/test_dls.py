"""Batches of frames with boxes: sizes, statistics, parts."""

import shutil
import warnings

import numpy as np
import pytest
import torch

from learnerkit.all import detection_dls
from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.detect.data.transforms import BoxTargets, resized
from learnerkit.detect.dls import channel_means, fixed_stats
from tests.scenes import write_scenes


def test_parts_by_lot_keep_copies_together(tmp_path):
    root = write_scenes(tmp_path / "set", n=20, parts=False)
    for number in range(1, 20, 2):
        shutil.copy(root / "images" / f"{number - 1:04d}.npy", root / "images" / f"{number:04d}.npy")
    first, again, other = (detection_dls(root, split=(0.6, 0.2, 0.2), split_seed=seed).split for seed in (1, 1, 2))
    parts = [set((rows // 2).tolist()) for rows in (first.train, first.valid, first.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert sum(first.counts.values()) == 20
    assert np.array_equal(first.train, again.train) and not np.array_equal(first.train, other.train)


def test_frames_of_different_sizes_make_one_batch(scenes):
    np.save(scenes / "images" / "0000.npy", np.full((40, 90, 5), 199, np.uint8))
    dls = detection_dls(scenes, bs=6, flip=False)
    frames, sizes, boxes = dls.train.one_batch()
    assert isinstance(boxes, BoxTargets) and len(boxes) == 6 and frames.shape == (6, 5, 64, 90)
    place = sizes.tolist().index([40, 90])
    assert frames[place, :, 40:].abs().max() == 0 and sizes[place].tolist() == [40, 90]
    mean, std = fixed_stats(5)
    expected = (199 / 255 - torch.tensor(mean)) / torch.tensor(std)
    assert torch.allclose(frames[place, :, 0, 0].as_subclass(torch.Tensor), expected, atol=1e-5)
    other = (place + 1) % 6
    assert frames[other, :, :, 64:].abs().max() == 0


def test_fixed_and_measured_statistics(scenes):
    assert fixed_stats(5) == ((0.485, 0.456, 0.406, 0.5, 0.5), (0.229, 0.224, 0.225, 0.5, 0.5))
    assert fixed_stats(1) == ((0.5,), (0.5,))
    dls = detection_dls(scenes, bs=6, flip=False, stats="data")
    frames = dls.train.one_batch()[0].as_subclass(torch.Tensor)
    assert frames.mean(dim=(0, 2, 3)).abs().max() < 1e-2 and (frames.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-2


def test_resizing_moves_the_boxes(scenes):
    plain, larger = detection_dls(scenes, bs=2), detection_dls(scenes, bs=2, size=128)
    first, second = plain.valid.one_batch(), larger.valid.one_batch()
    assert second[0].shape[2:] == (128, 128) and second[1].tolist() == [[128, 128]] * 2
    held = first[2][..., 4] >= 0
    assert torch.allclose(second[2][held][:, :4], 2 * first[2][held][:, :4])
    assert resized((240, 320), 160) == (120, 160)


def test_workers_change_nothing(scenes):
    def batches(workers):
        dls = detection_dls(scenes, bs=2, scale_jitter=0.3, iou_crop=0.5, colour=0.8, num_workers=workers)
        dls.train.rng.seed(3)
        return [part.as_subclass(torch.Tensor) for batch in dls.train for part in batch]

    first, second = batches(0), batches(2)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_modality_dropout_switches_off_one_channel_behind_rgb(scenes):
    dls = detection_dls(scenes, bs=6, flip=False, modality_dropout=1.0)
    frames = dls.train.one_batch()[0].as_subclass(torch.Tensor)
    off = frames.std(dim=(2, 3)) < 1e-6
    assert off.sum(dim=1).tolist() == [1] * 6 and not off[:, :3].any()
    means = torch.tensor(channel_means(dls.source, dls.split.train))
    assert torch.allclose(frames.mean(dim=(2, 3))[off], means.expand(6, 5)[off], atol=1e-5)
    assert not (dls.valid.one_batch()[0].std(dim=(2, 3)) < 1e-6).any()


def test_a_mirror_that_makes_another_class_is_refused(scenes):
    with pytest.raises(DataError, match="mirror"):
        detection_dls(scenes, flip=True, keeps=())


def test_a_limit_that_leaves_no_box_is_refused(scenes):
    for name in ("0000", "0001", "0002", "0003", "0004"):
        (scenes / "labels" / f"{name}.txt").write_text("")
    with warnings.catch_warnings(), pytest.raises(DataError, match="no box stands on any of the 1 training frames"):
        warnings.simplefilter("ignore")
        detection_dls(scenes, bs=1, limit=1)


@pytest.mark.parametrize(
    "settings",
    [{"bs": 0}, {"size": 3}, {"scale_jitter": 1}, {"iou_crop": 2}, {"split": (0, 0, 1)}, {"split": (0.5, 0.6, -0.1)}],
)
def test_arguments_out_of_range_are_named(scenes, settings):
    (name,) = settings
    with pytest.raises(LearnerkitError, match=name):
        detection_dls(scenes, **settings)
