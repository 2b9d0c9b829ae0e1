"""The six kinds of errors: by hand on ten boxes, beside TIDE's own figures, and what has to hold of them."""

import numpy as np
import pytest
import torch

from learnerkit.core.errors import RecipeError
from learnerkit.detect.boxes import pack_boxes, pack_detections, pack_ignored
from learnerkit.detect.error_kinds import KINDS, check_overlaps, error_kinds, judge
from learnerkit.detect.error_list import COLUMNS, error_list
from learnerkit.detect.metrics import average_precision
from tests.detect.planted import as_rows, planted_set
from tests.detect.test_resampled import distinct
from tests.scenes import random_set

# objects of two classes that lie far apart, and ten boxes from the surest to the least sure
OBJECTS = [[0, 0, 10, 10], [100, 0, 110, 10], [50, 50, 60, 60], [0, 100, 10, 110], [100, 100, 110, 110]]
TRUTH = pack_boxes(as_rows(OBJECTS), torch.tensor([0, 0, 0, 1, 1]), 6)
TEN = {
    "right": ([0, 0, 10, 10], 0),
    "duplicate": ([0, 0, 10, 9], 0),
    "localisation": ([100, 0, 110, 4], 0),  # an overlap of .4 with an object that nothing else finds
    "class": ([0, 100, 10, 110], 0),
    "both": ([50, 50, 60, 53], 1),
    "background": ([150, 150, 160, 160], 1),
    "right too": ([100, 100, 110, 110], 1),
    "localisation, of the same object": ([100, 0, 110, 3], 0),
    "class, of an object that is found": ([0, 0, 10, 10], 1),
    "background too": ([180, 180, 190, 190], 0),
}
SCORES = torch.arange(0.95, 0.45, -0.05)[:10]
FOUND = pack_detections(
    as_rows([box for box, _ in TEN.values()]), torch.tensor([code for _, code in TEN.values()]), SCORES, 12
)


def test_ten_boxes_by_hand():
    judged = judge([FOUND], [TRUTH])
    kinds = ["right" if kind < 0 else KINDS[kind] for kind in judged.kind]
    assert kinds[:10] == [name.split(",")[0].split(" ")[0] for name in TEN] and kinds[10:] == ["missed"]
    assert judged.true.tolist() == [0, 0, 1, 3, 2, -1, 4, 1, 0, -1, 2]
    assert judged.mends.tolist() == [False, False, True, True, *[False] * 7]
    assert judged.overlap.tolist() == pytest.approx([1, 0.9, 0.4, 1, 0.3, 0, 1, 0.3, 1, 0, 0.3], abs=1e-6)
    assert judged.counts(2).sum(axis=1).tolist() == [2, 2, 1, 1, 2, 1]
    assert judged.counts(2)[:, 0].tolist() == [1, 2, 0, 1, 1, 1]  # false boxes by the class they say


def test_the_cost_of_each_kind_by_hand():
    """Class 0: right, then five false boxes, of three objects: 34 of 101 recalls are reached at a precision of 1.

    Class 1: false, false, right, false, of two objects: 51 recalls at 1/3. AP50 is the mean, (34 + 17) / 202.
    """
    found = error_kinds([FOUND], [TRUTH], 2)
    assert found.ap50 == pytest.approx(51 / 202) and found.per_class == pytest.approx([34 / 101, 17 / 101])
    assert average_precision([FOUND], [TRUTH])["mAP50"] == pytest.approx(found.ap50, abs=1e-6)
    gains = {
        "class": [0, 51 + 25 - 17],  # class 1: right, false, false, right: 1 to recall .5, then 2/4
        "localisation": [34 + 33 * 2 / 3 - 34, 0],  # class 0: a second right one in the third place
        "both": [0, 51 / 2 - 17],  # the right one of class 1 is the second
        "duplicate": [0, 0],  # behind the only right box of its class nothing is gained
        "background": [0, 51 / 2 - 17],
        "missed": [51 - 34, 0],  # one of two objects
    }
    for number, (kind, values) in enumerate(gains.items()):
        assert found.gains[number] == pytest.approx(np.array(values) / 101), kind
        assert found.cost[kind] == pytest.approx(sum(values) / 202), kind
    assert found.mended == pytest.approx(1)


@pytest.mark.parametrize(
    ("seed", "costs", "numbers"),
    [  # of tidecv 1.0.1 on the same boxes
        (1, [13.7177, 0.0796, 1.6264, 2.0518, 6.3158, 19.1832], [26, 1, 5, 29, 33, 52]),
        (2, [8.4535, 1.9870, 1.2517, 2.8863, 6.8906, 17.5490], [22, 4, 3, 26, 33, 37]),
        (4, [16.2562, 1.2133, 0.5292, 2.3773, 6.4165, 13.5859], [31, 3, 1, 23, 40, 34]),
    ],
)
def test_the_figures_are_those_of_the_toolbox(seed, costs, numbers):
    found, truth = random_set(seed)
    kinds = error_kinds([rows.float() for rows in distinct(found, seed)], truth, 5)
    assert list(kinds.number.values()) == numbers
    assert [100 * cost for cost in kinds.cost.values()] == pytest.approx(costs, abs=0.02)  # recalls that are tied


@pytest.mark.parametrize("seed", range(4))
def test_what_holds_of_any_boxes(seed):
    found, truth = random_set(seed)
    found = [rows.float() for rows in distinct(found, seed)]
    kinds = error_kinds(found, truth, 7)  # of which two have no object
    assert kinds.ap50 == pytest.approx(average_precision(found, truth)["mAP50"], abs=1e-6)
    assert kinds.mended == pytest.approx(1) and np.nanmin(kinds.gains) >= -1e-12
    assert np.isnan(kinds.gains[:, 5:]).all() and not kinds.counts[:, 5:].any()
    for row, cost in zip(kinds.gains, kinds.cost.values(), strict=True):
        assert np.nanmean(row) == pytest.approx(cost)
    judged, detections = kinds.judged, sum(int((rows[:, 4] >= 0).sum()) for rows in found)
    objects = sum(int((rows[:, 4] >= 0).sum()) for rows in truth)
    assert (judged.found >= 0).sum() == detections  # each is right or of one kind
    assert (judged.kind == -1).sum() + judged.mends.sum() + kinds.number["missed"] == objects
    order = np.random.default_rng(seed).permutation(len(found))
    mixed = [rows[torch.randperm(len(rows))] for rows in (truth[place] for place in order)]
    again = error_kinds([found[place] for place in order], mixed, 7)
    assert again.cost == pytest.approx(kinds.cost) and again.number == kinds.number


def test_unsure_boxes_change_nothing_of_the_sure():
    found, truth = random_set(3)
    everything, sure = judge(found, truth), judge(found, truth, score=0.5)
    chosen = everything.score >= 0.5
    assert everything.kind[chosen].tolist() == sure.kind[sure.found >= 0].tolist()
    assert (sure.kind == 5).sum() >= (everything.kind == 5).sum()


@pytest.mark.parametrize("seed", range(3))
def test_every_planted_error_is_found(seed):
    planted = dict(zip(KINDS, np.random.default_rng(seed).integers(0, 4, 6).tolist(), strict=True))
    found, truth = planted_set(seed, planted)
    kinds = error_kinds(found, truth, 4)
    # beside an object of another class there is a miss as well: no box is about that object
    expected = {kind: 6 * number for kind, number in planted.items()}
    expected["missed"] += expected["both"]
    assert kinds.number == expected
    rows = error_list(found, truth, [str(number) for number in range(6)], ["a", "b", "c", "d"], score=0.5)
    assert {kind: sum(row["Kind"] == kind for row in rows) for kind in KINDS} == expected


def test_regions_to_be_ignored_take_no_part():
    """A box in a region of its class is neither right nor wrong, one of another class is, as in COCO's AP."""
    region = pack_ignored(torch.tensor([[145.0, 145, 195, 195, 1]]))
    kinds = error_kinds([FOUND], [torch.cat([TRUTH, region])], 2)
    assert kinds.number["background"] == 1 and kinds.counts[4].tolist() == [1, 0]
    with_region = average_precision([FOUND], [torch.cat([TRUTH, region])])
    assert kinds.ap50 == pytest.approx(with_region["mAP50"], abs=1e-6) and kinds.ap50 > 51 / 202
    beside = pack_ignored(torch.tensor([[95.0, 0, 115, 4, 0]]))  # holds both boxes beside the second object
    covered = error_kinds([FOUND], [torch.cat([TRUTH, beside])], 2)
    assert covered.number["localisation"] == 0 and covered.number["missed"] == 2


def test_a_hundred_boxes_of_a_class_and_image_count():
    boxes = as_rows([[300 + n, 300, 310 + n, 310] for n in range(120)] + [[0, 0, 10, 10]])
    scores = torch.cat([torch.linspace(0.9, 0.5, 120), torch.tensor([0.1])])
    one = pack_detections(boxes, torch.cat([torch.zeros(120), torch.ones(1)]), scores, 130)
    kinds = error_kinds([one], [pack_boxes(as_rows([[0, 0, 10, 10]]), torch.tensor([1]), 1)], 2)
    assert kinds.number["background"] == 100 and kinds.ap50 == pytest.approx(1)


NO_BOX, NO_OBJECT = torch.zeros(0, 6), torch.zeros(0, 5)


def test_nothing_found_and_nothing_there():
    nothing = error_kinds([NO_BOX, NO_BOX], [TRUTH, NO_OBJECT], 2)
    assert nothing.ap50 == 0 and nothing.number == {**dict.fromkeys(KINDS, 0), "missed": 5}
    assert nothing.cost["missed"] == 1 and nothing.mended == 1
    empty = error_kinds([FOUND], [NO_OBJECT], 2)
    assert empty.ap50 is None and empty.number["background"] == 10 and set(empty.cost.values()) == {None}
    neither = error_kinds([], [], 2)
    assert neither.ap50 is None and not sum(neither.number.values())


def test_a_class_of_which_all_objects_are_missed():
    """Not asked for its objects it has nothing to find: 1 where it finds nothing, 0 where its boxes are all false."""
    truth = [pack_boxes(as_rows(OBJECTS[:2]), torch.tensor([0, 1]), 2)]
    none = pack_detections(as_rows([OBJECTS[0]]), torch.zeros(1), torch.tensor([0.9]), 1)
    assert error_kinds([none], truth, 2).gains[5].tolist() == [0, 1]
    false = pack_detections(as_rows([OBJECTS[0], [200, 0, 210, 10]]), torch.arange(2), torch.tensor([0.9, 0.8]), 2)
    kinds = error_kinds([false], truth, 2)
    assert kinds.gains[5].tolist() == [0, 0] and kinds.mended == 1


def test_overlaps_are_checked():
    with pytest.raises(RecipeError, match="background"):
        check_overlaps(0.5, 0.5)


def test_the_list_is_worst_first_and_says_boxes_of_both():
    other = pack_detections(as_rows([[0, 0, 10, 10]]), torch.ones(1), torch.tensor([0.99]), 1)
    detections, targets = [other, FOUND, NO_BOX], [NO_OBJECT, TRUTH, TRUTH[[4, 1]]]
    rows = error_list(detections, targets, ["a", "b", "c"], ["x", "y"], 0.5)
    assert [row["ID"] for row in rows] == ["b"] * 9 + ["c"] * 2 + ["a"] and tuple(rows[0]) == COLUMNS
    assert [row["Score"] for row in rows[:8]] == sorted((row["Score"] for row in rows[:8]), reverse=True)
    assert rows[0] | {"Score": 0} == {
        **{"ID": "b", "Kind": "duplicate", "True": "x", "Found": "x", "Score": 0, "Overlap": 0.9},
        **{"x1": 0, "y1": 0, "x2": 10, "y2": 9, "true_x1": 0, "true_y1": 0, "true_x2": 10, "true_y2": 10},
    }
    assert [rows[8][key] for key in ("Kind", "Found", "Score", "x1", "true_x1")] == ["missed", "", "", "", 50]
    assert [rows[11][key] for key in ("Kind", "True", "x2", "true_x1")] == ["background", "", 10, ""]
    assert error_list([], [], [], ["x"], 0.5) == []
