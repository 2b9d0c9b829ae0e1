"""Augmentation of frames: boxes stay on their objects."""

import pytest
import torch

from learnerkit.detect.boxes import pack_boxes, unpack_boxes
from learnerkit.detect.data.augment import AugmentFrames
from learnerkit.detect.data.transforms import BoxTargets, TensorFrame


def test_the_mirror_moves_boxes_with_pixels():
    frame = torch.zeros(5, 20, 40)
    frame[:, 4:9, 3:11] = 1
    boxes = pack_boxes(torch.tensor([[3.0, 4, 11, 9]]), torch.tensor([1]), 3)
    augment = AugmentFrames(mirror=True)
    seen = set()
    for seed in range(8):
        torch.manual_seed(seed)
        image, rows = augment((frame.as_subclass(TensorFrame), boxes.as_subclass(BoxTargets)), split_idx=0)
        x1, y1, x2, y2 = rows[0, :4].int().tolist()
        assert image[:, y1:y2, x1:x2].min() == 1 and image.sum() == 5 * 40
        seen.add(x1)
    assert seen == {3, 29}


@pytest.mark.parametrize("settings", [{"crop": 1.0}, {"jitter": 0.4}, {"crop": 1.0, "jitter": 0.4, "mirror": True}])
def test_boxes_stay_on_their_objects(settings):
    """A bright object in the dark: where a box is left, it is bright inside and dark around."""
    frame = torch.zeros(5, 60, 80)
    frame[:, 20:40, 30:60] = 1
    boxes = pack_boxes(torch.tensor([[30.0, 20, 60, 40]]), torch.tensor([0]), 2)
    augment = AugmentFrames(**{"mirror": False, **settings})
    changed = 0
    for seed in range(20):
        torch.manual_seed(seed)
        image, rows = augment((frame.as_subclass(TensorFrame), boxes.as_subclass(BoxTargets)), split_idx=0)
        image, (held, codes) = image.as_subclass(torch.Tensor), unpack_boxes(rows.as_subclass(torch.Tensor))
        assert len(rows) == 2 and len(held) == len(codes) <= 1
        changed += image.shape != frame.shape
        for x1, y1, x2, y2 in held.round().int().tolist():
            assert 0 <= x1 < x2 <= image.shape[2] and 0 <= y1 < y2 <= image.shape[1]
            assert image[:, y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].min() > 0.5
            outside = image.clone()
            outside[:, max(0, y1 - 1) : y2 + 1, max(0, x1 - 1) : x2 + 1] = 0
            assert outside.max() < 0.5
    assert changed > 5


def test_colours_change_rgb_alone():
    frame = torch.rand(5, 20, 20)
    item = frame.as_subclass(TensorFrame), pack_boxes(torch.zeros(0, 4), torch.zeros(0), 2).as_subclass(BoxTargets)
    image, _ = AugmentFrames(mirror=False, colour=1.0)(item, split_idx=0)
    assert torch.equal(image[3:].as_subclass(torch.Tensor), frame[3:])
    assert not torch.equal(image[:3].as_subclass(torch.Tensor), frame[:3])
