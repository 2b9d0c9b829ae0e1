"""Galleries and matrices as plain values, those of very many classes among them."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from learnerkit.pages.blocks import Card, Gallery, Matrix
from learnerkit.pages.shown_blocks import PART, address_of, shown_blocks
from tests.pages.contents import blocks_of


def matrix_of(counts, names, groups=(), columns=None):
    (shown,) = shown_blocks([Matrix("M", np.array(counts), names, columns or names, list(groups))])
    return shown["content"], shown["notes"]


@pytest.mark.parametrize("shape", [(3, 5, 3), (4, 2)])
def test_a_picture_survives_its_address(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    kind, _, data = address_of(pixels).partition(",")
    assert kind == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)


def test_cards_say_what_is_known_of_them():
    picture = np.zeros((97, 20, 3), np.uint8)
    cards = [
        Card(picture[:96], "a.png", (), "cat", "dog", np.bool_(False), np.float32(0.25)),
        Card(picture, "b.png", ("said",)),
    ]
    (shown,) = shown_blocks([Gallery("G", cards)])
    first, second = shown["cards"]
    assert first["alt"] == "a.png: true cat, predicted dog" and first["lines"] == ["true cat", "predicted dog"]
    assert (first["right"], first["confidence"], first["small"]) == ("wrong", 0.25, True)
    assert (second["alt"], second["lines"], second["right"], second["small"]) == ("b.png", ("said",), "", False)


def test_a_matrix_keeps_what_is_no_zero_in_its_groups():
    """By hand: classes a, b, c of the groups x, y, x stand as a, c, b; the column of no class comes last."""
    content, notes = matrix_of(
        [[1, 0, 2, 0], [0, 3, 0, 4], [5, 0, 6, 0]], ["a", "b", "c"], "xyx", ["a", "b", "c", "nothing"]
    )
    assert content["rows"] == ["a", "c", "b"] and content["columns"] == ["a", "c", "b", "nothing"]
    assert content["row_groups"] == ["x", "x", "y"] and content["column_groups"] == ["x", "x", "y", ""]
    assert content["cells"] == [[0, 0, 1], [0, 1, 2], [1, 0, 5], [1, 1, 6], [2, 2, 3], [2, 3, 4]] and not notes


def test_many_classes_are_shown_by_their_groups():
    """By hand: 2,000 classes in two groups by turns; each is found right, and 0 once as 1 and once as 2."""
    names = [f"class {k}" for k in range(2000)]
    counts = np.eye(2000, dtype=np.int32)
    counts[0, 1] = counts[0, 2] = 1
    content, notes = matrix_of(counts, names, ["even", "odd"] * 1000)
    assert content["rows"] == ["even", "odd"] and content["cells"] == [[0, 0, 1001], [0, 1, 1], [1, 1, 1000]]
    assert content["of"]["class 3"] == "odd" and "2,000 classes are too many" in notes[0]


def test_ten_thousand_classes_are_shown_by_their_most_confused_part():
    names = [f"class {k}" for k in range(10_000)]
    counts = np.zeros((10_000, 10_000), np.uint8)
    counts[np.arange(10_000), np.arange(10_000)] = 9
    counts[7, 9_000], counts[9_000, 30] = 5, 4
    content, notes = matrix_of(counts, names)
    assert len(content["rows"]) == len(content["columns"]) == PART and len(json.dumps(content)) < 10_000
    assert {"class 7", "class 30", "class 9000"} <= set(content["rows"]) and "confused most" in notes[0]
    place = {name: k for k, name in enumerate(content["rows"])}
    assert [place["class 7"], place["class 9000"], 5] in content["cells"] and len(content["cells"]) == PART + 2


def test_a_hundred_classes_stay_a_small_page():
    (matrix, _) = shown_blocks(blocks_of([f"class {k}" for k in range(100)], 1))
    assert len(matrix["content"]["cells"]) == 100 * 100 - 1 and len(json.dumps(matrix)) < 200_000


def test_a_large_picture_is_a_jpeg():
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[:100] = 255
    kind, _, data = address_of(pixels).partition(",")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert kind == "data:image/jpeg;base64" and shown.shape == pixels.shape
    assert shown[:90].min() > 250 and shown[110:].max() < 5
