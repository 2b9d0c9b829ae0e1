"""Packed boxes: what goes in comes out, mirrors are their own inverse, views merge, matches are right by hand."""

import numpy as np
import pytest
import torch

from learnerkit.detect.boxes import (
    NONE,
    merge_detections,
    mirror_boxes,
    mirror_images,
    pack_boxes,
    pack_detections,
    scores_of,
    stack_rows,
    unpack_boxes,
)
from learnerkit.detect.matching import box_confusion, image_errors, match_boxes

BOXES = torch.tensor([[1.0, 2, 5, 9], [10, 10, 30, 20]])


def test_boxes_come_out_as_they_went_in():
    packed = pack_boxes(BOXES, torch.tensor([2, 0]), 4)
    assert packed.shape == (4, 5) and packed[2:, 4].tolist() == [NONE, NONE]
    boxes, codes = unpack_boxes(packed)
    assert torch.equal(boxes, BOXES) and codes.tolist() == [2, 0] and codes.dtype == torch.int64
    assert pack_boxes(BOXES, torch.tensor([2, 0]), 1).shape == (2, 5)
    assert len(unpack_boxes(pack_boxes(torch.zeros(0, 4), torch.zeros(0), 3))[0]) == 0


def test_detections_are_sorted_and_cut():
    packed = pack_detections(BOXES, torch.tensor([2, 0]), torch.tensor([0.3, 0.8]), 1)
    assert packed.shape == (1, 6) and packed[0].tolist() == pytest.approx([10, 10, 30, 20, 0, 0.8])
    assert scores_of(
        pack_detections(BOXES, torch.tensor([2, 0]), torch.tensor([0.3, 0.8]), 5)
    ).tolist() == pytest.approx([0.8, 0.3])


def test_rows_of_different_counts_are_stacked():
    first, second = pack_boxes(BOXES, torch.tensor([2, 0]), 2), pack_boxes(BOXES[:1], torch.tensor([1]), 3)
    stacked = stack_rows([first, second])
    assert stacked.shape == (2, 3, 5)
    assert unpack_boxes(stacked[0])[1].tolist() == [2, 0] and unpack_boxes(stacked[1])[1].tolist() == [1]


def test_a_mirror_is_its_own_inverse_within_each_image():
    images = torch.zeros(2, 1, 20, 40)
    images[0, :, 2:9, 1:5] = 1
    images[1, :, 2:9, 1:5] = 1
    sizes = torch.tensor([[20, 40], [12, 30]])
    packed = stack_rows([pack_boxes(BOXES[:1], torch.tensor([0]), 2)] * 2)
    flipped, boxes = mirror_images(images, sizes), mirror_boxes(packed, sizes[:, 1])
    for image, rows, width in zip(flipped, boxes, (40, 30), strict=True):
        assert rows[0, :4].tolist() == [width - 5, 2, width - 1, 9]
        assert image[0, 2:9, width - 5 : width - 1].min() == 1 and image.sum() == 28
    assert torch.equal(mirror_images(flipped, sizes), images)
    assert torch.equal(mirror_boxes(boxes, sizes[:, 1]), packed)


def test_views_merge_into_the_surer_of_two_that_overlap():
    first = pack_detections(BOXES, torch.tensor([2, 0]), torch.tensor([0.6, 0.8]), 4)[None]
    second = pack_detections(BOXES + 0.2, torch.tensor([2, 1]), torch.tensor([0.9, 0.5]), 4)[None]
    merged = merge_detections([first, second])[0]
    assert scores_of(merged).tolist() == pytest.approx([0.9, 0.8, 0.5])  # of class 1 there was none to overlap
    assert unpack_boxes(merged)[1].tolist() == [2, 0, 1]
    assert torch.equal(merge_detections([first, first]), first)


# two objects, three boxes: one right, one of the wrong class, one on nothing
TRUTH = pack_boxes(torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40]]), torch.tensor([0, 1]), 3)
FOUND = pack_detections(
    torch.tensor([[0.0, 0, 10, 9], [21, 20, 40, 40], [60, 60, 70, 70]]),
    torch.tensor([0, 0, 1]),
    torch.tensor([0.9, 0.8, 0.7]),
    5,
)


def test_matching_by_hand():
    assert sorted(match_boxes(FOUND, TRUTH)) == [(-1, 2), (0, 0), (1, 1)]
    assert sorted(match_boxes(FOUND, TRUTH, score=0.85)) == [(0, 0), (1, -1)]
    assert sorted(match_boxes(FOUND, TRUTH, iou=0.92)) == [(-1, 0), (-1, 2), (0, -1), (1, 1)]
    assert image_errors(FOUND, TRUTH) == (0, 1, 1)
    assert image_errors(FOUND[:0], TRUTH) == (2, 0, 0)
    assert image_errors(FOUND, TRUTH[:0]) == (0, 3, 0)


def test_each_object_is_found_once():
    twice = pack_detections(
        torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9]]), torch.tensor([0, 0]), torch.tensor([0.9, 0.9]), 3
    )
    assert sorted(match_boxes(twice, TRUTH[:1])) == [(-1, 1), (0, 0)]


def test_confusion_by_hand():
    counts = box_confusion([FOUND], [TRUTH], 2)
    assert np.array_equal(counts, [[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert box_confusion([FOUND], [TRUTH], 2, score=0.95)[:, 2].tolist() == [1, 1, 0]
