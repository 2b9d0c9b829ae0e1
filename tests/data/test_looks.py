"""What one look at a picture says, and the facts that many looks make: brightness, sizes, classes given away."""

import numpy as np
import pytest
from PIL import Image

from learnerkit.data.look_facts import class_brightness, look_facts, look_lines, shortcut_lines
from learnerkit.data.looks import Look, brightness, look_at, look_at_files, looks_of
from learnerkit.data.pictures import check_image


def saved(path, pixels, **how):
    Image.fromarray(pixels).save(path, **how)
    return path


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_brightness_is_a_share_of_the_range_and_its_deviation_that_of_the_channel_that_varies_most():
    half = np.zeros((3, 4, 4), np.uint8)
    half[0, :, :2] = 255  # a sixth of all values; red is 0 and 255 in equal parts
    assert brightness(half) == pytest.approx((1 / 6, 0.5))
    assert brightness(np.full((1, 5, 7), 51, np.uint8)) == pytest.approx((0.2, 0), abs=1e-6)


def test_brightness_of_noise_is_not_averaged_away():
    assert brightness(noise(3, 1000, 1000))[1] == pytest.approx(np.sqrt((256**2 - 1) / 12) / 255, rel=0.02)


def test_a_look_says_what_the_file_says(tmp_path):
    pixels = noise(20, 30, 3)
    look, small = look_at(saved(tmp_path / "a.png", pixels))
    assert (look.width, look.height, look.format, look.mode, look.turned) == (30, 20, "PNG", "RGB", False)
    assert look.mean == pytest.approx(pixels.mean() / 255) and small.shape == (3, 32, 32)
    grey, _ = look_at(saved(tmp_path / "g.jpg", noise(8, 8)))
    assert (grey.format, grey.mode) == ("JPEG", "L")


def test_a_turned_picture_is_looked_at_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # a quarter to the right
    Image.fromarray(noise(20, 30, 3)).save(tmp_path / "t.jpg", exif=exif)
    look, _ = look_at(tmp_path / "t.jpg")
    assert (look.width, look.height, look.turned) == (20, 30, True)


def test_equal_pixels_have_one_digest_whatever_holds_them(tmp_path):
    pixels = noise(9, 9, 3)
    first, second = look_at(saved(tmp_path / "a.png", pixels))[0], look_at(saved(tmp_path / "b.bmp", pixels))[0]
    assert first.digest == second.digest
    assert first.digest != look_at(saved(tmp_path / "c.png", noise(9, 9, 3, seed=1)))[0].digest


def damaged(path, kind):
    saved(path, noise(64, 64, 3))
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 3], "empty": b"", "text": b"<html>not found</html>"}[kind])
    return path


@pytest.mark.parametrize("kind", ["cut", "empty", "text"])
def test_what_cannot_be_used_is_said_as_the_check_says_it(tmp_path, kind):
    file = damaged(tmp_path / "a.jpg", kind)
    reason, small = look_at(file)
    assert small is None and reason == check_image(file)[0] != ""
    assert (reason == "is empty (0 bytes); fetch it again") == (kind == "empty")


def test_many_files_are_looked_at_in_their_order(tmp_path):
    files = [saved(tmp_path / f"{n}.png", np.full((4, 4 + n, 3), n % 256, np.uint8)) for n in range(300)]
    files[7] = damaged(tmp_path / "7.png", "empty")
    looks, small = look_at_files(files)
    assert [look.width for n, look in enumerate(looks) if n != 7] == [4 + n for n in range(300) if n != 7]
    assert isinstance(looks[7], str) and not small[7].any() and (small[299] == 43).all()  # 299 - 256
    assert look_at_files(files[:2], keep=False)[1] is None


def looks(means, deviation=0.2, size=(8, 8), **more):
    return [Look(*size, mean, deviation, **more) for mean in means]


def test_pictures_that_show_nothing_are_named():
    found = [
        *looks([0.5]),
        *looks([0.5], 0.0),  # one colour
        *looks([0.02], 0.02),  # nearly black: two deviations are below a tenth
        *looks([0.02], 0.2),  # a bright spot on black
        *looks([0.98], 0.02),
    ]
    facts = look_facts(found, list("abcde"))["brightness"]
    assert (facts["one_colour"], facts["nearly_black"], facts["nearly_white"]) == (["b"], ["c"], ["e"])
    assert facts["mean"] == pytest.approx(2.02 / 5) and facts["images"] == 5
    warned = [text for good, text in look_lines(look_facts(found, list("abcde"))) if good is None]
    assert warned == [
        "1 of 5 images are one colour: b",
        "1 of 5 images are nearly black: c",
        "1 of 5 images are nearly white: e",
    ]


def test_sizes_and_modes_are_counted():
    found = [*looks([0.5] * 3, size=(10, 20), mode="RGB", format="JPEG"), *looks([0.5], size=(30, 5), mode="CMYK")]
    facts = look_facts(found, list("abcd"))
    assert facts["sizes"]["common"][0] == {"width": 10, "height": 20, "images": 3} and facts["sizes"]["distinct"] == 2
    assert facts["sizes"]["width"] == {"least": 10, "median": 10, "most": 30}
    assert facts["stored"] == {"formats": {"JPEG": 3}, "modes": {"RGB": 3, "CMYK": 1}, "turned": []}
    said = [text for good, text in look_lines(facts) if good is None]
    assert said[0] == "pixels of several kinds: 3 RGB, 1 CMYK" and said[1].startswith("1 image(s) are in CMYK")


def test_a_class_that_is_brighter_than_the_others_is_warned_of_and_no_other():
    rng = np.random.default_rng(0)
    means = np.concatenate([rng.normal(0.8, 0.05, 40), rng.normal(0.5, 0.05, 40), rng.normal(0.48, 0.05, 40)])
    codes = np.repeat([0, 1, 2], 40)
    rows = class_brightness(looks(means), codes, ["snow", "a", "b"])
    assert rows[0]["apart"] > 5 and abs(rows[1]["apart"]) < 2
    (line,) = shortcut_lines(looks(means), codes, ["snow", "a", "b"])
    assert line[0] is None and line[1].startswith("brightness alone tells snow: 'snow' is brighter than the others by")
    mixed = rng.permutation(means)
    assert shortcut_lines(looks(mixed), codes, ["snow", "a", "b"]) == []


def test_brightness_apart_is_worked_by_hand():
    codes = np.repeat([0, 1], 5)  # means .3 and .6, variance of both 4e-4
    found = looks([0.28, 0.28, 0.3, 0.32, 0.32, 0.58, 0.58, 0.6, 0.62, 0.62])
    rows = class_brightness(found, codes, ["a", "b"])
    spread = np.sqrt(4 * 0.02**2 / 5)
    assert [row["apart"] for row in rows] == [round(-0.3 / spread, 2), round(0.3 / spread, 2)]
    assert class_brightness(found[1:], codes[1:], ["a", "b"])[0]["apart"] is None  # four say too little


@pytest.mark.parametrize("field, own, other", [("format", "PNG", "JPEG"), ("mode", "L", "RGB")])
def test_a_class_with_files_of_its_own_kind_is_given_away(field, own, other):
    found = looks([0.5] * 9, **{field: own}) + looks([0.5] * 1, **{field: other}) + looks([0.5] * 20, **{field: other})
    codes = np.repeat([0, 1], [10, 20])
    lines = shortcut_lines(found, codes, ["a", "b"])
    assert (
        len(lines) == 1
        and f"the {field} of the files gives classes away: 90% of 'a' and 0% of the others" in lines[0][1]
    )
    even = looks([0.5] * 15, **{field: own}) + looks([0.5] * 15, **{field: other})
    assert shortcut_lines(even, np.arange(30) % 2, ["a", "b"]) == []


def test_a_class_of_its_own_size_is_given_away():
    found = looks([0.5] * 6, size=(9, 9)) + looks([0.5] * 6)
    (line,) = shortcut_lines(found, np.repeat([0, 1], 6), ["a", "b"])
    assert "the size of the files" in line[1] and "100% of 'a' and 0% of the others are 9x9" in line[1]


def test_the_looks_of_an_array_are_those_of_its_images():
    images = noise(3, 3, 6, 8)
    found = looks_of(images, ["a", "b", "c"])
    assert [look.digest for look in found] == ["a", "b", "c"] and (found[0].width, found[0].height) == (8, 6)
    assert found[2].mean == pytest.approx(images[2].mean() / 255)
