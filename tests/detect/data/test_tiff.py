"""TIFF frames of any layout against tifffile and Pillow; what is damaged or no frame is refused."""

import struct
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from learnerkit.core.errors import DataError
from learnerkit.detect.data.frames import check_frame, read_frame, stored_frame
from learnerkit.detect.data.tiff import read_tiff, widened

H, W = 48, 64
CONTIG = {"photometric": "minisblack", "planarconfig": "contig"}
SEPARATE = {"photometric": "minisblack", "planarconfig": "separate"}


def values(*shape, kind=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(kind).kind == "f":
        return rng.random(shape).astype(kind)
    return rng.integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)


LAYOUTS = {
    "contiguous samples": ((H, W), -1, CONTIG),
    "separate planes": ((H, W), 0, SEPARATE),
    "tiles": ((H, W), -1, {**CONTIG, "tile": (16, 16)}),
    "tiles of planes": ((H, W), 0, {**SEPARATE, "tile": (16, 32)}),
    "strips": ((H, W), -1, {**CONTIG, "rowsperstrip": 7}),
    "pages": ((H, W), 0, {"photometric": "minisblack", "metadata": None}),
    "pages that tifffile describes": ((H, W), 0, {"photometric": "minisblack"}),
    "an array of rows, columns, channels": ((H, W), -1, {"photometric": "minisblack"}),
    "CYX": ((H, W), 0, {"photometric": "minisblack", "metadata": {"axes": "CYX"}}),
    "YXC": ((H, W), -1, {"photometric": "minisblack", "metadata": {"axes": "YXC"}}),
    "OME": ((H, W), 0, {"photometric": "minisblack", "ome": True, "metadata": {"axes": "CYX"}}),
    "big-endian": ((H, W), -1, {**CONTIG, "byteorder": ">"}),
    "BigTIFF": ((H, W), 0, {**SEPARATE, "bigtiff": True}),
    "deflate": ((H, W), -1, {**CONTIG, "compression": "zlib"}),
    "deflate with a predictor": ((H, W), 0, {**SEPARATE, "compression": "zlib", "predictor": True}),
    "LZW": ((H, W), -1, {**CONTIG, "compression": "lzw"}),
    "zstd tiles": ((H, W), -1, {**CONTIG, "compression": "zstd", "tile": (16, 16)}),
}


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_every_channel_and_bit(tmp_path, layout, kind):
    size, axis, settings = LAYOUTS[layout]
    for channels in (2, 5, 16):
        shape = (channels, *size) if axis == 0 else (*size, channels)
        stored = values(*shape, kind=kind)
        tifffile.imwrite(tmp_path / "a.tif", stored, **settings)
        assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), stored)
        found = stored_frame(tmp_path / "a.tif")
        expected = stored if axis == 0 else stored.transpose(2, 0, 1)
        assert found.dtype == kind and found.shape == expected.shape and np.array_equal(found, expected)


def test_imagej_stacks_are_channels(tmp_path):
    stored = values(5, H, W, kind=np.uint16)
    for axes in ("CYX", "ZYX"):
        tifffile.imwrite(tmp_path / "a.tif", stored, imagej=True, metadata={"axes": axes})
        assert np.array_equal(stored_frame(tmp_path / "a.tif"), stored)


@pytest.mark.parametrize("extra", ["unspecified", "unassalpha", "assocalpha"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_fourth_channel_that_varies_is_kept_whatever_the_tag_says(tmp_path, kind, extra):
    stored = values(H, W, 4, kind=kind)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=[extra])
    assert np.array_equal(stored_frame(tmp_path / "a.tif"), stored.transpose(2, 0, 1))


def test_an_opaque_alpha_is_none_and_an_unspecified_channel_stays(tmp_path):
    stored = values(H, W, 4)
    stored[:, :, 3] = 255
    tifffile.imwrite(tmp_path / "alpha.tif", stored, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "channel.tif", stored, photometric="rgb", extrasamples=["unspecified"])
    assert stored_frame(tmp_path / "alpha.tif").shape[0] == 3 and stored_frame(tmp_path / "channel.tif").shape[0] == 4
    stored[:, :20, 3] = 0
    tifffile.imwrite(tmp_path / "mask.tif", stored, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(DataError, match="its channel 3, which the file calls alpha, is 0 or 255 in 100%"):
        stored_frame(tmp_path / "mask.tif")


def test_16_bits_of_colours_keep_what_8_bits_would_lose(tmp_path):
    stored = np.arange(H * W * 3, dtype=np.uint16).reshape(H, W, 3) % 256  # zeros where the low byte is cut off
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb")
    assert np.array_equal(stored_frame(tmp_path / "a.tif"), stored.transpose(2, 0, 1))
    assert read_frame(tmp_path / "a.tif").max() == pytest.approx(255 / 65535)


MODES = ("1", "L", "P", "RGB", "CMYK")


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("mode", MODES)
def test_ordinary_pictures_are_what_pillow_shows(tmp_path, mode, compression):
    image = Image.fromarray(values(H, W, 3)).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    shown = np.asarray(Image.open(tmp_path / "a.tif").convert("RGB")).transpose(2, 0, 1)
    assert read_tiff(tmp_path / "a.tif") is None and np.array_equal(stored_frame(tmp_path / "a.tif"), shown)


def test_fewer_bits_are_spread_over_the_range(tmp_path):
    assert widened(np.array([False, True]), 1).tolist() == [0, 255]
    twelve = np.arange(4096, dtype=np.uint16)
    spread = widened(twelve, 12)
    assert spread[0] == 0 and spread[-1] == 65535 and len(np.unique(spread)) == 4096
    assert widened(np.array([0, 3, 15], np.uint8), 4).tolist() == [0, 51, 255]
    masks = values(3, H, W) > 127
    tifffile.imwrite(tmp_path / "a.tif", masks, photometric="minisblack")  # three pages of 1 bit
    assert np.array_equal(stored_frame(tmp_path / "a.tif"), masks * np.uint8(255))


def test_white_is_the_greatest_value_where_the_file_says_that_0_is(tmp_path):
    stored = values(5, H, W, kind=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", planarconfig="separate")
    assert np.array_equal(stored_frame(tmp_path / "a.tif"), 65535 - stored)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_are_upright_as_pillow_turns_them(tmp_path, orientation):
    stored = values(H, W, 5)
    tifffile.imwrite(tmp_path / "a.tif", stored, **CONTIG, extratags=[(274, 3, 1, orientation, True)])
    Image.fromarray(stored[:, :, :3]).save(tmp_path / "b.tif", tiffinfo={274: orientation})
    found, shown = stored_frame(tmp_path / "a.tif"), stored_frame(tmp_path / "b.tif")
    assert found.shape[0] == 5 and np.array_equal(found[:3], shown)
    assert (found.shape[1:] == (W, H)) == (orientation > 4)


def pages_that_differ(path):
    with tifffile.TiffWriter(path) as writer:
        writer.write(values(H, W), photometric="minisblack", metadata=None)
        writer.write(values(H // 2, W), photometric="minisblack", metadata=None)


def pages_of_two_types(path):
    with tifffile.TiffWriter(path) as writer:
        writer.write(values(H, W), photometric="minisblack", metadata=None)
        writer.write(values(H, W, kind=np.uint16), photometric="minisblack", metadata=None)


def two_pictures(path):
    with tifffile.TiffWriter(path) as writer:
        writer.write(values(3, H, W), photometric="minisblack")
        writer.write(values(2, H, W), photometric="minisblack")


def cut(path):
    tifffile.imwrite(path, values(H, W, 5), **CONTIG)
    path.write_bytes(path.read_bytes()[:-100])


def cut_between_pages(path):
    tifffile.imwrite(path, values(5, H, W), photometric="minisblack", metadata=None, contiguous=False)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])


def broken_chain(path):
    tifffile.imwrite(path, values(5, H, W), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[2]
        place = page.offset + 2 + 12 * len(page.tags)
    content = bytearray(path.read_bytes())
    content[place : place + 4] = struct.pack("<I", 2**31)
    path.write_bytes(content)


def sparse(path):
    tifffile.imwrite(path, values(H, W, 5), **CONTIG, rowsperstrip=16)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tag = tiff.pages[0].tags["StripByteCounts"]
        tag.overwrite((0, *tag.value[1:]))


def damaged_deflate(path):
    tifffile.imwrite(path, values(H, W, 5), **CONTIG, compression="zlib")
    content = bytearray(path.read_bytes())
    content[-400:-200] = bytes(200)
    path.write_bytes(content)


def part_of_many(path, others=True):
    """One of two OME files that make five channels together."""
    names = ("a.tif", "b.tif")
    places = "".join(
        f'<TiffData IFD="{number - 3 * (number > 2)}" FirstC="{number}" PlaneCount="1">'
        f'<UUID FileName="{names[number > 2]}">urn:uuid:{names[number > 2]}</UUID></TiffData>'
        for number in range(5)
    )
    channels = "".join(f'<Channel ID="Channel:0:{number}"/>' for number in range(5))
    for name, n in zip(names, (3, 2), strict=True):
        text = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{name}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
            f'SizeX="{W}" SizeY="{H}" SizeC="5" SizeZ="1" SizeT="1">{channels}{places}</Pixels></Image></OME>'
        )
        if name == path.name or others:
            stored = values(n, H, W)
            tifffile.imwrite(path.parent / name, stored, photometric="minisblack", metadata=None, description=text)


def no_tiff(path):
    path.write_bytes(b"II*\0 nothing of a picture")


def floats(low, high):
    def write(path):
        stored = values(H, W, 5, kind=np.float32) * (high - low) + low
        tifffile.imwrite(path, stored, **CONTIG)

    return write


def not_a_number(path):
    stored = values(5, H, W, kind=np.float32)
    stored[2, 3, 4] = np.nan
    tifffile.imwrite(path, stored, **SEPARATE)


def array_of(kind, *shape):
    return lambda path: tifffile.imwrite(path, np.ones(shape, kind), photometric="minisblack", metadata=None)


REFUSED = {
    "pages of two sizes": (pages_that_differ, "its 2 pages differ"),
    "pages of two types": (pages_of_two_types, "its 2 pages differ"),
    "two pictures": (two_pictures, "a frame is one"),
    "cut": (cut, "not whole"),
    "cut between pages": (cut_between_pages, ""),
    "broken chain": (broken_chain, "is damaged"),
    "a strip that was never written": (sparse, "page 0 is not whole"),
    "damaged deflate": (damaged_deflate, ""),
    "one of several files of OME": (part_of_many, "other parts lie in other files"),
    "one of several files, of which one is missing": (lambda path: part_of_many(path, False), "in other files"),
    "no TIFF": (no_tiff, ""),
    "floats past 1": (floats(0, 255), "floats are in 0..1"),
    "negative floats": (floats(-1, 1), "floats are in 0..1"),
    "not a number": (not_a_number, "NaN or infinite, the first in channel 2"),
    "int32": (array_of(np.int32, H, W), "dtype int32"),
    "int16": (array_of(np.int16, H, W), "dtype int16"),
    "int8": (array_of(np.int8, H, W), "dtype int8"),
    "uint32": (array_of(np.uint32, 4, H, W), "dtype uint32"),
    "17 channels": (array_of(np.uint8, 17, H, W), "17 channels"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_no_whole_frame_is_refused(tmp_path, fault):
    write, words = REFUSED[fault]
    write(tmp_path / "a.tif")
    reason, digest = check_frame(tmp_path / "a.tif")
    assert reason and words in reason and not digest and "a.tif" not in reason


def test_smaller_copies_that_the_file_names_are_passed_over(tmp_path):
    stored = values(H, W, 5)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(stored, **CONTIG, metadata=None)
        writer.write(stored[::2, ::2], **CONTIG, metadata=None, subfiletype=1)
    assert np.array_equal(stored_frame(tmp_path / "a.tif"), stored.transpose(2, 0, 1))


def test_a_suffix_does_not_hide_a_tiff(tmp_path):
    stored = values(5, H, W, kind=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack")
    (tmp_path / "a.tif").rename(tmp_path / "a.png")
    assert np.array_equal(stored_frame(tmp_path / "a.png"), stored)


@pytest.mark.parametrize("compression", ["lzw", "zstd", "jpeg2000"])
def test_what_needs_imagecodecs_says_how_to_get_it(tmp_path, monkeypatch, compression):
    tifffile.imwrite(tmp_path / "a.tif", values(H, W, 5), **CONTIG, compression=compression)

    class Lacking(dict):
        def __getitem__(self, key):
            raise KeyError("requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", Lacking())
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    reason, _ = check_frame(tmp_path / "a.tif")
    assert "pip install 'learnerkit[tiff]'" in reason and "imagecodecs" in reason


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("settings", [{}, *({"compression": name} for name in ("lzw", "zlib", "packbits"))])
def test_16_bits_of_grey_need_no_imagecodecs(tmp_path, monkeypatch, settings, order):
    stored = values(H, W, kind=np.uint16)
    for predictor in (False, True) if settings.get("compression") in ("lzw", "zlib") else (False,):
        more = {"predictor": True} if predictor else {}
        tifffile.imwrite(tmp_path / "a.tif", stored, byteorder=order, photometric="minisblack", **settings, **more)
        with monkeypatch.context() as patch:
            patch.setattr(tifffile.TIFF, "DECOMPRESSORS", {})
            patch.setitem(sys.modules, "imagecodecs", None)
            assert np.array_equal(stored_frame(tmp_path / "a.tif"), stored[None])
