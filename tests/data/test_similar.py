"""Near copies: planted ones of each kind are found with what was done to them, images that are merely alike are not."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from learnerkit.all import Run, detection_dls, folder_dls
from learnerkit.classify.digits import read_digits
from learnerkit.classify.doctor import examine, verify
from learnerkit.classify.folder import list_folder
from learnerkit.classify.reading import stream_folder
from learnerkit.classify.source import ImageSource
from learnerkit.data.hashes import LOW, candidates, hashes, mirror_signs
from learnerkit.data.near_copies import near_copies_across
from learnerkit.data.parts import parts_of
from learnerkit.data.similar import LEAST_SIDE, compared, near_copies, thumbnails_of
from learnerkit.data.split import Split, make_split
from learnerkit.detect.doctor import verify as verify_frames
from tests.conftest import toy_learner
from tests.scenes import scene, write_scenes


def textures(n, side=32, seed=0, colours=3):
    """Unrelated images with structure at every scale, as photographs have: noise of 4, 8, 16 and 32 cells a side."""
    rng = np.random.default_rng(seed)
    image = np.full((n, colours, side, side), 128.0)
    for cells, strength in ((4, 40), (8, 25), (16, 15), (32, 8)):
        noise = torch.from_numpy(rng.normal(0, strength, (n, 1, cells, cells)) + rng.normal(0, 5, (n, colours, 1, 1)))
        image += torch.nn.functional.interpolate(noise, (side, side), mode="bicubic").numpy()
    return image.clip(0, 255).astype(np.uint8)


def as_picture(pixels):
    return Image.fromarray(pixels.transpose(1, 2, 0))


def jpeg(pixels, quality):
    file = io.BytesIO()
    as_picture(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).transpose(2, 0, 1)


def resized(pixels, side, method):
    there = as_picture(pixels).resize((side, side), method)
    return np.asarray(there.resize((32, 32), method)).transpose(2, 0, 1)


def shifted(pixels, down, right, mode):
    if mode == "roll":
        return np.roll(pixels, (down, right), (1, 2))
    padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4)), mode)
    return padded[:, 4 - down : 36 - down, 4 - right : 36 - right]


def enhanced(kind, pixels, factor):
    return np.asarray(kind(as_picture(pixels)).enhance(factor)).transpose(2, 0, 1)


BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
PLANTED = {  # what is done, what it is called, its shift
    "jpeg 30": (lambda x: jpeg(x, 30), "re-encoded", (0, 0)),
    "jpeg 95": (lambda x: jpeg(x, 95), "re-encoded", (0, 0)),
    "through 18 pixels": (lambda x: resized(x, 18, BICUBIC), "re-encoded", (0, 0)),
    "through 64 pixels": (lambda x: resized(x, 64, BILINEAR), "re-encoded", (0, 0)),
    "4 down, zeros": (lambda x: shifted(x, 4, 0, "constant"), "shifted", (4, 0)),
    "3 up, 4 left, edge": (lambda x: shifted(x, -3, -4, "edge"), "shifted", (-3, -4)),
    "1 right, rolled": (lambda x: shifted(x, 0, 1, "roll"), "shifted", (0, 1)),
    "mirrored": (lambda x: x[:, :, ::-1], "mirrored", (0, 0)),
    "darker": (lambda x: enhanced(ImageEnhance.Brightness, x, 0.7), "brightness", (0, 0)),
    "more contrast": (lambda x: enhanced(ImageEnhance.Contrast, x, 1.4), "brightness", (0, 0)),
    "mirrored and shifted": (lambda x: shifted(x[:, :, ::-1], 2, 2, "edge"), "mirrored, shifted", (2, 2)),
    "shifted and jpeg": (lambda x: jpeg(shifted(x, 0, -2, "edge"), 60), "shifted", (0, -2)),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_done_to_a_copy_is_found(name):
    change, kind, shift = PLANTED[name]
    train = textures(60)
    test = textures(24, seed=1)
    for place, row in ((0, 5), (4, 40), (23, 59)):
        test[place] = change(train[row])
    found = near_copies(test, train)
    assert {(pair.first, pair.second) for pair in found} == {(0, 5), (4, 40), (23, 59)}
    assert {pair.kind for pair in found} == {kind} and {pair.shift for pair in found} == {shift}
    back = near_copies(train, test)  # whichever of the two was changed
    assert {(pair.second, pair.first) for pair in back} == {(0, 5), (4, 40), (23, 59)}


def test_unrelated_and_alike_images_are_no_copies():
    flat = np.arange(40, dtype=np.uint8)[:, None, None, None] * 5 + np.zeros((1, 3, 32, 32), np.uint8)
    slopes = flat // 2 + np.arange(32, dtype=np.uint8) * 3  # a sky: equal but for a faint grain
    slopes = slopes + np.random.default_rng(0).integers(0, 2, slopes.shape).astype(np.uint8)
    objects = textures(40, seed=3) // 8 + 100
    objects[:, :, 8:20, 8:24] = 200  # one object before other grounds
    for images in (textures(40), flat, slopes, objects, textures(40, colours=1)):
        assert not near_copies(images[:15], images[15:])
    assert not near_copies(textures(3)[:0], textures(3)) and not near_copies(textures(3), textures(3)[:0])


@pytest.mark.parametrize("side", [64, 160])
def test_the_same_objects_in_one_place_are_no_copies(side):
    rng = np.random.default_rng(side)
    frames = np.stack([scene(rng, side, 3)[0].transpose(2, 0, 1) for _ in range(60)])
    small = thumbnails_of(frames, np.arange(60))
    assert not near_copies(small[:20], small[20:])


@pytest.mark.parametrize("limit", [None, 10, 40, 100])
def test_digits_of_two_hands_are_no_copies(limit):
    digits = read_digits()
    for seed in (1, 42):
        split = make_split(digits.labels, digits.parts, split_seed=seed).limited(limit)
        assert near_copies_across(digits, split) == []


def test_another_colour_is_another_image():
    image = textures(30)
    other = image[:5].copy()
    other[:, 0], other[:, 2] = 255 - other[:, 0] // 2, other[:, 2] // 4
    assert not near_copies(other, image)


def test_the_measure_by_hand():
    crop = torch.from_numpy(textures(2)[:, :, 4:28, 4:28].astype(np.float32))
    score, gain, possible = compared(crop * 0.5 + 20, crop)
    assert score == pytest.approx([1, 1], abs=1e-4) and gain == pytest.approx([0.5, 0.5], abs=1e-4) and possible.all()
    half = crop.clone()
    half[..., 12:] = crop.flip(0)[..., 12:]  # half of each is of the other
    score, _, possible = compared(half, crop)
    assert (score > 0.1).all() and (score < 0.9).all() and not possible.any()
    score, _, possible = compared(crop, torch.full_like(crop, 80))
    assert abs(score).max() < 0.5 and not possible.any()


def test_a_mirror_changes_the_sign_of_odd_waves_across():
    images = textures(4)
    scale = torch.ones(LOW * LOW - 1)
    there, back = (hashes(x, [0], scale)[0] for x in (images, np.ascontiguousarray(images[..., ::-1])))
    assert torch.allclose(there * mirror_signs(), back, atol=1e-4)
    assert torch.allclose(there.norm(dim=1), torch.ones(4))


def test_candidates_meet_at_the_same_pixels():
    train = textures(50)
    found = candidates(np.stack([shifted(train[7], 3, -2, "edge"), train[9][:, :, ::-1]]), train)
    place = list(zip(found.first, found.second, strict=True)).index((0, 7))
    assert (found.offsets[place, 0] - found.offsets[place, 1]).tolist() == [3, -2] and not found.mirrored[place]
    assert found.mirrored[list(zip(found.first, found.second, strict=True)).index((1, 9))]


def test_thumbnails_of_other_sizes():
    large = textures(6, side=32).repeat(3, axis=2).repeat(3, axis=3)
    assert thumbnails_of(large, np.array([4, 1])).shape == (2, 3, 32, 32)
    assert abs(thumbnails_of(large, np.array([4])).astype(int) - textures(6)[4]).mean() < 6
    assert thumbnails_of(large[..., : LEAST_SIDE - 1], np.arange(6)) is None


# across the parts of a set


def source(n=80, planted=((70, 5), (75, 9)), parts=True, exact=()):
    images = textures(n)
    for place, row in planted:
        images[place] = jpeg(images[row], 80)
    for place, row in exact:
        images[place] = images[row]
    named = np.array(["train"] * 60 + ["test"] * (n - 60)) if parts else None
    return ImageSource("s", images, np.arange(n) % 2, ["a", "b"], parts=named)


def test_they_are_warned_of_in_one_line_and_stay():
    held = source(exact=((71, 6),))
    with pytest.warns(UserWarning) as said:
        parts = parts_of(held, 4, (0.8, 0.2), 42, None, held.labels)
    near = [str(note.message) for note in said if "near copies" in str(note.message)]
    assert len(near) == 1 and "test samples are near copies of" in near[0] and "re-encoded" in near[0]
    assert {(pair.name, pair.other) for pair in held.near_copies} == {("70", "5"), ("75", "9")}  # the equal one is told
    assert set(parts.test) == set(range(60, 80))
    parts_of(held, 4, "test", 42, None, held.labels)  # valid is test: for comparison, no word


def test_valid_and_test_are_compared_too():
    held = source(80, ((70, 62),))
    found = near_copies_across(held, Split(np.arange(50), np.arange(50, 65), np.arange(65, 80)))
    assert [(pair.name, pair.part, pair.other, pair.other_part) for pair in found] == [("70", "test", "62", "valid")]
    assert str(found[0]) == "70 (test) ~ 62 (valid): re-encoded"


def test_what_was_found_is_remembered_for_the_same_set_and_split(monkeypatch, tmp_path):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path))
    monkeypatch.setattr("learnerkit.data.near_copies.REMEMBERED_FROM", 10)
    split = Split(np.arange(60), np.arange(60, 70), np.arange(70, 80))
    first = near_copies_across(source(), split)
    (file,) = (tmp_path / "near_copies").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(ImageSource, "thumbnails", lambda *_: pytest.fail("it is looked for again"))
        assert near_copies_across(source(), split) == first and len(first) == 2
    file.write_text('[["a", 1]]')  # damaged
    assert near_copies_across(source(), split) == first
    near_copies_across(source(planted=()), split)
    near_copies_across(source(), Split(split.train, split.test, split.valid))
    assert len(list((tmp_path / "near_copies").iterdir())) == 3


def test_more_than_can_be_looked_at_is_said(monkeypatch):
    monkeypatch.setattr("learnerkit.data.near_copies.MOST_IMAGES", 50)
    held = source()
    with pytest.warns(UserWarning, match="near copies were not looked for among 80 samples"):
        parts_of(held, 4, (0.8, 0.2), 42, None, held.labels)


@pytest.fixture
def folder(tmp_path):
    """Class folders in train/ and test/; two files of test/ are files of train/, mirrored and as a JPEG."""
    images = textures(40)
    for row, pixels in enumerate(images):
        file = tmp_path / "set" / ("train" if row < 30 else "test") / "ab"[row % 2] / f"{row:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        as_picture(pixels).save(file)
    as_picture(images[3, :, :, ::-1]).save(tmp_path / "set" / "test" / "a" / "m.png")
    as_picture(images[4]).save(tmp_path / "set" / "test" / "a" / "j.jpg", quality=70)
    return tmp_path / "set"


def test_verify_and_doctor_name_them_and_call_the_set_good(folder):
    report = verify(folder)
    assert report and not report.faults
    assert sorted(line.split(" (")[0] for line in report.near_copies) == ["test/a/j.jpg", "test/a/m.png"]
    assert "2 near copies across its parts" in str(report) and "m.png" in str(report)
    lines = examine(folder).lines
    assert not any(good is False for good, _ in lines)
    assert any("2 of 12 test samples are near copies of" in text and ": mirrored" in text for _, text in lines)


def test_a_run_lists_them(folder, tmp_path):
    with pytest.warns(UserWarning, match="near copies of"):
        dls = folder_dls(folder, bs=8, crop=0)
    toy_learner(Run(tmp_path / "runs", name="a"), dls).fit(1)
    lines = (tmp_path / "runs" / "a" / "near_copies.csv").read_text().splitlines()
    assert lines[0] == "name,part,other,other_part,kind,score" and len(lines) == 3
    assert any(line.startswith("test/a/m.png,test,") and ",mirrored," in line for line in lines)
    assert "2 near copies across the parts" in (tmp_path / "runs" / "a" / "training.log").read_text()


def test_a_set_that_streams_is_looked_at_too(folder):
    with pytest.warns(UserWarning, match="2 of 12 test samples are near copies of"):
        folder_dls(folder, bs=8, size=32, cache="stream", split=(0.9, 0.1))
    listing = list_folder(folder)
    before = stream_folder(listing, (32, 32)).fingerprint
    as_picture(textures(1, seed=9)[0]).save(folder / "test" / "a" / "30.png")
    assert stream_folder(listing, (32, 32)).fingerprint != before  # the names are the same, the pixels are not


def test_frames_are_looked_at_by_their_colours(tmp_path):
    root = write_scenes(tmp_path / "set", n=14)
    frames = textures(14, side=64, colours=5).transpose(0, 2, 3, 1)
    for row, frame in enumerate(frames):
        np.save(root / "images" / f"{row:04d}.npy", frame)
    assert verify_frames(root).near_copies == []
    copy = np.ascontiguousarray(frames[2][:, ::-1])
    copy[..., 3:] = 7  # thermal and event are others
    np.save(root / "images" / "0013.npy", copy)
    assert verify_frames(root).near_copies == ["images/0013.npy (test) ~ images/0002.npy (train): mirrored"]
    with pytest.warns(UserWarning, match="1 of 2 test samples are near copies of train samples"):
        detection_dls(root, bs=2)
