"""The pictures of a data report: what is drawn are the numbers, what has no room is said."""

import numpy as np
import pytest

from learnerkit.pages.data_figures import draw_brightness, draw_class_distribution, draw_sizes, draw_split_comparison
from learnerkit.pages.samples import CELL, GAP, Pair, as_cell, draw_pairs, draw_samples, sample_rows, sample_sheets


def classes(n, **parts):
    of = {"train": 20, "valid": 6, "test": 4, **parts}
    return [{"name": f"c{k}", "all": sum(of.values()) + k, **of} for k in range(n)]


def names_of(figure):
    return [label.get_text() for panel in figure.axes for label in panel.get_yticklabels()]


def test_the_bars_of_a_class_are_its_parts_and_what_is_in_none():
    rows = classes(3)
    (panel,) = draw_class_distribution(rows, "images").axes
    widths = np.array([bar.get_width() for bar in panel.patches]).reshape(-1, 3)
    assert widths.tolist() == [[20] * 3, [6] * 3, [4] * 3, [0, 1, 2]]
    assert [text.get_text().strip() for text in panel.texts] == ["30", "31", "32"]
    legend = [text.get_text() for text in draw_class_distribution(classes(1, test=0), "boxes").legends[0].get_texts()]
    assert legend == ["train", "valid"]


def test_the_marks_are_shares_of_the_parts():
    rows = [
        {"name": "a", "all": 40, "train": 30, "valid": 10, "test": 0},
        {"name": "b", "all": 40, "train": 10, "valid": 30, "test": 0},
    ]
    (panel,) = draw_split_comparison(rows, "images").axes
    marks = [points.get_offsets()[:, 0].tolist() for points in panel.collections[1:]]
    assert marks == [[75, 25], [25, 75]]


@pytest.mark.parametrize("n, columns", [(1, 1), (25, 1), (26, 2), (100, 4)])
def test_classes_stand_in_columns(n, columns):
    for draw in (draw_class_distribution, draw_split_comparison):
        figure = draw(classes(n), "images")
        assert len(figure.axes) == columns and names_of(figure) == [f"c{k}" for k in range(n)]


def test_of_too_many_classes_the_largest_and_smallest_are_shown_and_the_others_named():
    figure = draw_class_distribution(classes(103), "images")
    assert names_of(figure) == [f"c{k}" for k in range(103) if k not in (50, 51, 52)]
    assert "without c50, c51, c52" in figure.get_suptitle()


def test_a_name_is_no_formula():
    rows = [{**classes(1)[0], "name": "a$x$"}]
    assert names_of(draw_class_distribution(rows, "images")) == [r"a\$x\$"]


def test_brightness_is_drawn_by_part_and_by_class():
    means, parts = np.array([0.1, 0.2, 0.9]), np.array(["train", "train", "test"])
    assert len(draw_brightness(means, parts, []).axes) == 1
    by_class = [{"name": f"c{k}", "mean": 1 - k / 50, "deviation": 0.1, "apart": None} for k in range(40)]
    figure = draw_brightness(means, parts, by_class)
    shown = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert shown == [f"c{k}" for k in (*range(39, 27, -1), *range(11, -1, -1))]
    assert "the 12 darkest and brightest of 40" in figure.axes[1].get_title()


def test_sizes_that_are_all_alike_are_not_drawn():
    assert draw_sizes(np.array([8, 8]), np.array([9, 9])) is None
    figure = draw_sizes(np.array([8, 8, 4]), np.array([9, 9, 9]))
    assert figure.axes[0].get_title() == "2 sizes of 3 images; the commonest 2 times"


def test_samples_are_spread_evenly_over_a_class():
    first, second = sample_rows(np.array([0] * 10 + [2] * 3), 4)
    assert first.tolist() == [0, 3, 6, 9] and second.tolist() == [10, 11, 12]


def test_sheets_have_twenty_classes_and_what_finds_no_room_is_named():
    assert sample_sheets(["a", "b"], "Samples") == [([0, 1], "Samples")]
    sheets = sample_sheets([f"c{k}" for k in range(45)], "Samples")
    assert [len(places) for places, _ in sheets] == [20, 20, 5] and sheets[1][1] == "Samples, sheet 2 of 3"
    sheets = sample_sheets([f"c{k}" for k in range(103)], "Samples")
    assert len(sheets) == 5 and sheets[-1][1] == "Samples, sheet 5 of 5; without 3 classes: c100, c101, c102"


def test_small_pictures_are_enlarged_by_whole_factors():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    cell = as_cell(pixels)
    assert cell.shape == (CELL, CELL, 3) and (cell[::3, ::3] == pixels.transpose(1, 2, 0)).all()
    assert as_cell(pixels[:1]).shape == (CELL, CELL, 3) and as_cell(None).shape == (CELL, CELL, 3)


@pytest.mark.parametrize("high, wide, widest, width", [(200, 400, 3.0, 192), (200, 400, 1.0, 96), (400, 200, 3.0, 48)])
def test_pictures_keep_their_proportions(high, wide, widest, width):
    cell = as_cell(np.zeros((3, high, wide), np.uint8), widest)
    assert cell.shape == (CELL, width, 3)
    assert (cell == 0).all(axis=(1, 2)).sum() == pytest.approx(width * high / wide, abs=1)


def test_a_row_of_samples_is_one_class():
    grey = [np.full((3, 32, 32), level, np.uint8) for level in (10, 60, 110)]
    figure = draw_samples([grey[:2], grey[2:]], ["a (2)", "b$ (1)"])
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (2 * CELL + GAP, 2 * CELL + GAP, 3)
    middle, next_one = CELL // 2, CELL + GAP + CELL // 2
    assert [int(shown[y, x, 0]) for y, x in ((middle, middle), (middle, next_one), (next_one, middle))] == [10, 60, 110]
    assert (shown[next_one, next_one] == 255).all() and names_of(figure) == ["a (2)", r"b\$ (1)"]


def test_pairs_stand_side_by_side_under_their_names():
    grey = [np.full((3, 32, 32), level, np.uint8) for level in (10, 200)]
    assert draw_pairs([]) is None
    pairs = [Pair(lambda: tuple(grey), ("a.png (test)", "b.png (train)"), "mirrored")] * 14
    figure = draw_pairs(pairs)
    shown = [panel for panel in figure.axes if panel.images]
    assert len(shown) == 12 and shown[0].get_title() == "mirrored\na.png (test)\nb.png (train)"
    pixels = shown[0].images[0].get_array()
    assert pixels[48, 48, 0] == 10 and pixels[48, -48, 0] == 200
