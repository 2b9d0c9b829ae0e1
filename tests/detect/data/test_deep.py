"""Pictures of frames: what of a fourth channel is alpha, 16 bits of several channels, and what Pillow would lose."""

import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from learnerkit.core.errors import DataError
from learnerkit.detect.data.deep import upright, without_alpha
from learnerkit.detect.data.frames import check_frame, stored_frame
from tests.detect.data.test_tiff import H, W, values


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_near_infrared_in_the_place_of_alpha_is_a_channel(tmp_path, suffix):
    stored = values(H, W, 4)
    stored[:, :, 3] = stored[:, :, 3].clip(1)  # lossless WebP forgets the colours below a value of 0
    settings = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.fromarray(stored, "RGBA").save(tmp_path / f"a.{suffix}", **settings)
    assert np.array_equal(stored_frame(tmp_path / f"a.{suffix}"), stored.transpose(2, 0, 1))


def test_an_opaque_alpha_goes_and_what_may_be_a_mask_is_refused(tmp_path):
    stored = values(H, W, 4)
    stored[:, :, 3] = 255
    Image.fromarray(stored, "RGBA").save(tmp_path / "a.png")
    assert np.array_equal(stored_frame(tmp_path / "a.png"), stored[:, :, :3].transpose(2, 0, 1))
    for name, fourth, words in (
        ("mask", np.where(np.arange(W) < 20, 0, 255), "is 0 or 255 in 100% of the pixels"),
        ("soft mask", np.clip(np.arange(W) * 60 - 300, 0, 255), "of the pixels"),
        ("nothing", np.zeros(W), "is 0 everywhere"),
        ("half", np.full(W, 128), "is 128 everywhere"),
    ):
        stored[:, :, 3] = fourth
        Image.fromarray(stored, "RGBA").save(tmp_path / "a.png")
        reason, _ = check_frame(tmp_path / "a.png")
        assert "which the file calls alpha" in reason and words in reason and ".npy" in reason, name


def test_alpha_of_grey_and_of_16_bits(tmp_path):
    grey = values(H, W, 2)
    grey[:, :, 1] = 255
    Image.fromarray(grey, "LA").save(tmp_path / "a.png")
    assert np.array_equal(stored_frame(tmp_path / "a.png"), np.repeat(grey[None, :, :, 0], 3, axis=0))
    two = values(H, W, 2)
    Image.fromarray(two, "LA").save(tmp_path / "a.png")
    assert np.array_equal(stored_frame(tmp_path / "a.png"), two.transpose(2, 0, 1))
    assert without_alpha(np.full((4, 3, 3), 65535, np.uint16)).shape == (3, 3, 3)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bits_of_several_channels_of_png(tmp_path, channels):
    stored = values(H, W, channels, kind=np.uint16) % 256  # all 0 where the low byte is cut off
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(stored))
    assert np.array_equal(stored_frame(tmp_path / "a.png"), stored.transpose(2, 0, 1))
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-500])
    assert check_frame(tmp_path / "a.png")[0]


def test_16_bits_of_several_channels_are_never_cut_to_8(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(values(H, W, 3, kind=np.uint16)))
    reason, _ = check_frame(tmp_path / "a.png")
    assert "16 bits" in reason and "pip install 'learnerkit[tiff]'" in reason


def test_one_channel_of_16_bits_needs_nothing_more(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    stored = values(H, W, kind=np.uint16)
    Image.fromarray(stored).save(tmp_path / "a.png")
    assert np.array_equal(stored_frame(tmp_path / "a.png"), stored[None])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_ordinary_pngs_are_what_pillow_shows(tmp_path, mode):
    image = Image.fromarray(values(H, W, 3)).convert(mode)
    image.save(tmp_path / "a.png")
    assert np.array_equal(stored_frame(tmp_path / "a.png"), np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_cmyk_and_grey_jpegs_are_shown_as_rgb(tmp_path):
    for mode in ("L", "RGB", "CMYK"):
        Image.fromarray(values(H, W, 3)).convert(mode).save(tmp_path / "a.jpg")
        shown = np.asarray(Image.open(tmp_path / "a.jpg").convert("RGB")).transpose(2, 0, 1)
        assert np.array_equal(stored_frame(tmp_path / "a.jpg"), shown)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_animations_are_refused(tmp_path, suffix):
    first, second = (Image.fromarray(values(H, W, 3, seed=seed)) for seed in (1, 2))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    if suffix == "tif":  # two pages of RGB are six channels
        assert stored_frame(tmp_path / "a.tif").shape == (6, H, W)
    else:
        assert "an animation of 2 pictures" in check_frame(tmp_path / f"a.{suffix}")[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_are_turned_as_exif_says(tmp_path, orientation):
    stored = values(H, W, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png"))).transpose(2, 0, 1)
    assert np.array_equal(upright(stored.transpose(2, 0, 1), orientation), shown)
    assert np.array_equal(stored_frame(tmp_path / "a.png"), shown)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_deep_pngs_are_turned_too(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (W, H)).save(tmp_path / "plain.png", exif=exif)
    plain = (tmp_path / "plain.png").read_bytes()
    place = plain.index(b"eXIf") - 4
    chunk = plain[place : place + 12 + int.from_bytes(plain[place : place + 4], "big")]
    stored = values(H, W, 3, kind=np.uint16)
    deep = imagecodecs.png_encode(stored)
    (tmp_path / "a.png").write_bytes(deep[:33] + chunk + deep[33:])
    assert np.array_equal(stored_frame(tmp_path / "a.png"), upright(stored.transpose(2, 0, 1), orientation))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_32_bit_pictures_are_read_or_refused_by_name(tmp_path, kind):
    stored = values(H, W, kind=np.float32) if kind is np.float32 else np.ones((H, W), np.int32)
    Image.fromarray(stored).save(tmp_path / "a.tif")
    if kind is np.float32:
        assert np.array_equal(stored_frame(tmp_path / "a.tif"), stored[None])
    else:
        with pytest.raises(DataError, match="dtype int32"):
            stored_frame(tmp_path / "a.tif")
