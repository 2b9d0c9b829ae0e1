"""One picture in every form that somebody may hold; what cannot be one is refused in words."""

import numpy as np
import pytest
import torch
from PIL import Image

from learnerkit.all import CutMix, DataError, folder_dls
from learnerkit.classify.items import to_image
from tests.conftest import toy_arrays, toy_learner
from tests.images import image_folder

SHAPE = (3, 16, 16)


@pytest.fixture(scope="module")
def learn():
    return toy_learner()


def forms(pixels, tmp_path):
    """The same picture uint8 [C,H,W] as what may be given."""
    last = pixels.transpose(1, 2, 0)
    picture = Image.fromarray(last if len(pixels) == 3 else last[..., 0])
    picture.save(tmp_path / "one.png")
    return {
        "array [C,H,W]": pixels,
        "array [H,W,C]": np.ascontiguousarray(last),
        "reversed twice": pixels[:, ::-1].copy()[:, ::-1],
        "tensor": torch.as_tensor(pixels),
        "floats in 0..1": np.float32(pixels / 255),
        "float64 tensor [H,W,C]": torch.as_tensor(last / 255),
        "PIL": picture,
        "PIL with alpha": picture.convert("RGBA"),
        "path": tmp_path / "one.png",
        "str": str(tmp_path / "one.png"),
    }


@pytest.mark.parametrize("size", [16, 23])
def test_each_form_of_a_picture_gives_the_same(learn, tmp_path, size):
    rng = np.random.default_rng(0)
    given = forms(rng.integers(0, 256, (3, size, size + 5), dtype=np.uint8), tmp_path)
    expected = learn.predict(given.pop("path"))
    assert learn.dls.vocab[int(expected[1])] == expected[0] and int(expected[2].argmax()) == int(expected[1])
    for name, item in given.items():
        assert torch.equal(learn.predict(item)[2], expected[2]), name


def test_a_grey_picture_is_three_equal_channels(learn, tmp_path):
    grey = toy_arrays(1)[0][0, :1]
    expected = learn.predict(np.repeat(grey, 3, axis=0))[2]
    for item in (grey, grey[0], Image.fromarray(grey[0]), torch.as_tensor(grey[0] / 255)):
        assert torch.equal(learn.predict(item)[2], expected)


def test_predictions_are_those_of_get_preds(learn):
    probabilities = learn.get_preds()[0]
    for place, row in enumerate(learn.dls.split.valid[:4]):
        image = learn.dls.source.images[row]
        assert torch.allclose(learn.predict(image)[2], probabilities[place], atol=1e-6)
        assert torch.allclose(learn.predict(int(row))[2], probabilities[place], atol=1e-6)


REFUSED = {
    "five channels": (np.zeros((5, 16, 16), np.uint8), r"shape \(5, 16, 16\).*C of 1 or 3"),
    "one dimension": (np.zeros(16, np.uint8), r"shape \(16,\)"),
    "a batch": (np.zeros((2, 3, 16, 16), np.uint8), "several images are learn.get_preds"),
    "no pixel": (np.zeros((0, 16, 3), np.uint8), "shape"),
    "floats in 0..255": (np.full((3, 16, 16), 200.0), "floats from 200 to 200: floats are in 0..1"),
    "normalised": (torch.full((3, 16, 16), -1.0), "before any normalising"),
    "NaN": (np.full((3, 16, 16), np.nan), "NaN or infinite"),
    "int64": (np.zeros((3, 16, 16), np.int64), "int64: uint8 pixels"),
    "text": (np.full((3, 16, 16), "a"), "<U1"),
    "either way": (np.zeros((3, 9, 1), np.uint8), r"may be \[C,H,W\] or \[H,W,C\]"),
    "no file": ("absent.png", "absent.png: No such file"),
    "nothing": (None, "NoneType: is no image; a path, a PIL image"),
    "a list": ([1, 2], "list: is no image"),
    "16 bits": (Image.new("I;16", (16, 16)), "cut to 8 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused(learn, name):
    item, said = REFUSED[name]
    with pytest.raises(DataError, match=said):
        learn.predict(item)


def test_a_file_that_is_no_picture_is_named(learn, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_text("no picture")
    for name, said in (("a.png", "is empty"), ("b.png", "is no picture, or is damaged"), (".", "directory")):
        with pytest.raises(DataError, match=rf"{tmp_path / name}: .*{said}"):
            learn.predict(tmp_path / name)


def test_floats_are_rounded_to_the_nearest_of_8_bits():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, axis=0)
    assert torch.equal(to_image(np.float32(levels) / 255, SHAPE), torch.as_tensor(levels))
    assert to_image(np.full(SHAPE, 0.5), SHAPE).unique().tolist() == [128]  # 127.5, to the even


def test_after_mixing_and_of_streamed_files_it_is_the_same(tmp_path):
    mixed = toy_learner(cbs=[CutMix(p=1)])
    mixed.fit(1)
    row = int(mixed.dls.split.valid[0])
    assert torch.allclose(mixed.predict(mixed.dls.source.images[row])[2], mixed.get_preds()[0][0], atol=1e-6)
    dls = folder_dls(image_folder(tmp_path / "set"), bs=8, size=12, cache="stream")
    learn = toy_learner(dls=dls)
    row = int(dls.split.valid[0])
    file = dls.source.images.files[row]
    assert torch.equal(learn.predict(file)[2], learn.predict(row)[2])
    assert torch.equal(learn.predict(Image.open(file))[2], learn.predict(row)[2])
