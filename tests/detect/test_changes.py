"""What two detectors find otherwise: hand-worked flips and average precision, other classes, frames side by side."""

import numpy as np
import pytest
import torch

from learnerkit.core.files import read_json, write_json
from learnerkit.detect.boxes import pack_boxes, pack_detections
from learnerkit.detect.changed import paired
from learnerkit.detect.changes import changes
from learnerkit.detect.seen import read_boxes
from tests.detect.planted import fake_detector
from tests.scenes import detection_dls, write_scenes

ONE, TWO, FAR = [2, 2, 12, 12], [30, 30, 44, 44], [48, 2, 60, 14]


def truth(*rows):
    """Objects as (box, class)."""
    return pack_boxes(torch.tensor([box for box, _ in rows]).float(), torch.tensor([code for _, code in rows]), 1)


def found(*rows):
    """Detections as (box, class, score)."""
    boxes = torch.tensor([box for box, _, _ in rows]).float().reshape(-1, 4)
    codes, scores = (torch.tensor([row[place] for row in rows]) for place in (1, 2))
    return pack_detections(boxes, codes.long(), scores.float(), 3)


@pytest.fixture
def source(tmp_path):
    """Four frames of 64 pixels, of which the tests say what stands on them."""
    return detection_dls(write_scenes(tmp_path / "set", n=8)).source


def runs_of(tmp_path, source, first, second, targets):
    """Two finished runs on the first frames of the set."""
    few = source if len(targets) == len(source) else source.subset(np.arange(len(targets)))
    return [fake_detector(tmp_path / "runs", name, few, each, targets) for name, each in (("a", first), ("b", second))]


def test_objects_and_false_boxes_of_one_alone(tmp_path, source):
    targets = [truth((ONE, 0), (TWO, 1)), truth((ONE, 1))]
    first = [found((ONE, 0, 0.9), (FAR, 1, 0.6)), found((ONE, 1, 0.8))]
    second = [found((ONE, 0, 0.8), (TWO, 1, 0.7), (FAR, 1, 0.55)), found((ONE, 0, 0.95), (FAR, 0, 0.3))]
    told = changes(*runs_of(tmp_path, source, first, second, targets), 5, lambda: None)
    rows = [(row["id"], row["what"], row["run"], row["right"], row["class"], row["truth"]) for row in told.flips]
    assert rows == [
        ("images/0001.npy", "false box", "B", "A", "square", "bar"),  # surest first; FAR has too low a score to count
        ("images/0001.npy", "object", "A", "A", "bar", "bar"),
        ("images/0000.npy", "object", "B", "B", "bar", "bar"),  # the false box at FAR is of both
    ]
    assert told.counts == {
        "objects found by A alone": 1,
        "objects found by B alone": 1,
        "false boxes of A alone": 0,
        "false boxes of B alone": 1,
        "objects found by both": 1,
    }
    (gallery,) = told.galleries  # both runs kept the frames
    assert [card.name for card in gallery.cards] == ["images/0001.npy", "images/0000.npy"]
    assert gallery.cards[0].lines == ("A alone: 1 found", "B alone: 1 false", "1 object")


def test_average_precision_of_a_class_and_its_interval(tmp_path, source):
    targets = [truth((ONE, 0)), truth((TWO, 0), (ONE, 1))]
    both = found((ONE, 0, 0.9))
    first = [both, found((TWO, 0, 0.8), (ONE, 1, 0.7))]
    second = [both, found((ONE, 1, 0.7))]
    told = changes(*runs_of(tmp_path, source, first, second, targets), 5, lambda: None)
    square, bar = told.classes
    # B has one of two objects at a precision of 1: it is 1 at the recalls 0 to .5, 51 of 101
    assert (square.name, square.n, square.first) == ("square", 2, pytest.approx(1.0))
    assert square.second == pytest.approx(51 / 101)
    assert (bar.name, bar.difference) == ("bar", 0.0)
    assert {one.low for one in told.classes} == {one.p for one in told.classes} == {None}  # two images say too little
    mean = told.figures[0]
    assert (mean.name, mean.first, mean.second) == ("mAP", pytest.approx(1.0), pytest.approx((1 + 51 / 101) / 2))
    # drawn are twice the first image (no difference), each once, or twice the second (of two classes B has one), 1:2:1
    assert (mean.low, mean.high) == (pytest.approx(-0.5), pytest.approx(0.0))
    assert mean.test == "resampling" and told.of == "AP"
    assert [one.name for one in told.figures] == ["mAP", "mAP50", "mAP75"]


def test_a_class_on_enough_images_has_an_interval(tmp_path, source):
    targets = [truth((ONE, 0)) for _ in range(6)]
    first = [found((ONE, 0, 0.9)) for _ in range(6)]
    second = [found((ONE, 0, 0.9)) for _ in range(3)] + [found() for _ in range(3)]
    (square,) = changes(*runs_of(tmp_path, source, first, second, targets), 0, lambda: None).classes
    # of six images drawn B finds k, binomial (6, .5): 0 and 6 of them 1 time in 64 each, 1 and 5 of them 6 times
    assert (square.difference, square.low, square.high) == (
        pytest.approx(51 / 101 - 1),
        pytest.approx(17 / 101 - 1),  # the recalls 0 to .16
        pytest.approx(84 / 101 - 1),  # and 0 to .83
    )
    assert 0.005 < square.p < 0.05 and square.holm == square.p


def test_classes_of_another_order_are_compared_by_their_names(tmp_path, source):
    targets = [truth((ONE, 0), (TWO, 1)), truth((ONE, 1))]
    detections = [found((ONE, 0, 0.9), (TWO, 1, 0.8)), found((ONE, 1, 0.8))]
    first, second = runs_of(tmp_path, source, detections, detections, targets)
    described = read_json(second.file("run.json"))
    write_json(second.file("run.json"), {**described, "classes": described["classes"][::-1]})
    told = changes(first, second, 5, lambda: None)
    assert not told.flips and "no image was measured in both runs" not in told.notes  # each truth has other names now
    assert told.notes[0] == "test: 2 images have another truth in B and are left out"
    vocabs = [["square", "bar"], ["bar", "ball", "square"]]
    arrays = [read_boxes(run, 3) for run in (first, second)]
    arrays[1] = {**arrays[1], "targets": arrays[1]["targets"].copy(), "detections": arrays[1]["detections"].copy()}
    for rows in (arrays[1]["targets"], arrays[1]["detections"]):
        codes = rows[..., 4]
        codes[codes >= 0] = np.where(codes[codes >= 0] == 0, 2, 0)
    pair = paired((first, second), arrays, vocabs, "test")
    assert pair.vocab == ["square", "bar", "ball"] and pair.other == 0 and len(pair.ids) == 2
    for one, other in zip(*pair.detections, strict=True):
        assert torch.equal(one, other)


def test_frames_that_no_run_kept_are_read_from_the_data_or_said_to_be_away(tmp_path, source):
    targets = [truth((ONE, 0))]
    first, second = runs_of(tmp_path, source, [found((ONE, 0, 0.9))], [found()], targets)
    for run in (first, second):
        run.file("samples.npz").unlink()
    told = changes(first, second, 5, lambda: None)
    assert not told.galleries and "1 of 1 changed frames have no picture kept" in told.notes[0]
    whole = detection_dls(tmp_path / "set")
    (gallery,) = changes(first, second, 5, lambda: whole).galleries
    picture = gallery.cards[0].picture
    assert picture.dtype == np.uint8 and picture.shape[1] <= 640
