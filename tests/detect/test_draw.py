"""Boxes on pictures: where names stand, which colours there are, and that any box can be drawn."""

import numpy as np
import pytest
import torch

from learnerkit.detect.boxes import pack_boxes, pack_detections
from learnerkit.detect.draw import _dashes, _shared, label_place, with_boxes, with_packed
from learnerkit.detect.palette import FEW, class_colour, text_colour

GREY = torch.full((3, 300, 400), 128, dtype=torch.uint8)


def test_a_label_stands_above_its_box_or_where_there_is_room():
    assert label_place((50, 60, 90, 100), (30, 10), (200, 200), []) == (50, 50, 80, 60)
    assert label_place((50, 0, 90, 40), (30, 10), (200, 200), []) == (50, 41, 80, 51)  # at the top: below
    above, below = (40, 50, 100, 60), (40, 101, 100, 111)
    assert label_place((50, 60, 90, 100), (30, 10), (200, 200), [above]) == (50, 101, 80, 111)
    assert label_place((50, 60, 90, 100), (30, 10), (200, 200), [above, below]) == (50, 60, 80, 70)  # inside
    assert label_place((0, 0, 200, 200), (30, 10), (200, 200), []) == (0, 0, 30, 10)  # of the whole picture


@pytest.mark.parametrize("seed", range(5))
def test_labels_stay_inside_and_cover_each_other_where_it_cannot_be_helped_alone(seed):
    rng = np.random.default_rng(seed)
    taken = []
    for _ in range(30):
        x, y = rng.integers(-20, 400), rng.integers(-20, 300)
        label = (int(rng.integers(10, 60)), 12)
        place = label_place(
            (x, y, x + int(rng.integers(1, 80)), y + int(rng.integers(1, 80))), label, (400, 300), taken
        )
        assert min(place) >= 0 and place[2] <= 400 and place[3] <= 300
        assert (place[2] - place[0], place[3] - place[1]) == label
        taken.append(place)
    first = taken[:8]  # of few there is room for all
    assert not any(_shared(a, b) for n, a in enumerate(first) for b in first[:n])


def test_boxes_have_the_colours_of_their_classes_and_found_ones_have_gaps():
    packed = pack_boxes(torch.tensor([[100.0, 100, 200, 200]]), torch.tensor([1]), 2)
    found = pack_detections(packed[:1, :4], torch.tensor([1]), torch.tensor([0.876]), 2)
    solid, dashed = (with_packed(GREY, boxes, ["a", "b"]) for boxes in (packed, found))
    assert solid.shape == (3, 600, 800) and solid.dtype == torch.uint8  # enlarged twice
    colour = torch.tensor(class_colour(1), dtype=torch.uint8)
    assert (solid[:, 300, 201] == colour).all()  # the left side
    side = (dashed[:, 205:395, 201] == colour[:, None]).all(dim=0).float().mean()
    assert 0.3 < side < 0.7 and (solid[:, 205:395, 201] == colour[:, None]).all()
    lime = with_boxes(GREY, packed[:1, :4], ["b"])  # as it is called without classes
    assert (lime[:, 300, 201] == torch.tensor([0, 255, 0])).all()


def test_any_box_and_name_can_be_drawn():
    boxes = torch.tensor([[0.0, 0, 400, 300], [5, 5, 5, 9], [9, 9, 5, 5], [-30, -30, 500, 500], [0, 0, 0.2, 0.2]])
    names = ["<script>alert(1)</script>", "", "no area", "n" * 300, "small"]
    for dashed in (False, True):
        assert with_boxes(GREY, boxes, names, codes=[0, 1, 2, 79, 5], dashed=dashed).shape == (3, 600, 800)
    assert torch.equal(with_boxes(GREY, boxes[:0], [], least_side=1), GREY)  # nothing to draw, nothing enlarged
    one = torch.zeros(3, 1, 1, dtype=torch.uint8)
    assert with_boxes(one, torch.tensor([[0.0, 0, 1, 1]]), ["a name that is too long for it"]).shape == (3, 480, 480)


def test_what_has_no_area_is_not_drawn():
    flat = torch.tensor([[5.0, 5, 5, 90], [90, 90, 10, 10]])
    assert torch.equal(with_boxes(GREY, flat, ["a", "b"], least_side=1), GREY)


def test_every_side_begins_and_ends_with_a_dash():
    pieces = list(_dashes((0, 0, 100, 40), 8))
    assert (0, 0) in [piece[:2] for piece in pieces] and (100, 40) in [piece[2:] for piece in pieces]
    assert list(_dashes((0, 0, 1, 1), 8))


def test_colours_are_those_of_the_class_and_names_can_be_read_on_them():
    """WCAG asks for a contrast of 4.5 to 1 between letters and their ground."""
    colours = [class_colour(code) for code in range(300)]
    assert colours[:3] == [(230, 159, 0), (86, 180, 233), (0, 158, 115)] and len(set(colours[:80])) == 80
    assert len(FEW) == 7 and all(0 <= part <= 255 for colour in colours for part in colour)

    def light(colour):
        parts = [part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))

    for colour in colours:
        ends = sorted((light(colour), light(text_colour(colour))))
        assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 4.5, colour
