"""Arrays, lists, tables and packed files as people hold them: taken as meant, or refused with the remedy."""

import pickle

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from learnerkit.classify.arrays import array_source, as_codes, as_pixels
from learnerkit.classify.dls import array_dls
from learnerkit.classify.other import read_other
from learnerkit.classify.packed import read_packed
from learnerkit.core.errors import DataError, UnsafeFileError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 3, 9, 7), dtype=np.uint8)
LABELS = np.arange(12) % 3


@pytest.mark.parametrize(
    "given",
    [
        PIXELS,
        PIXELS.transpose(0, 2, 3, 1),
        torch.from_numpy(PIXELS),
        PIXELS.astype(np.int64),
        PIXELS.astype(np.float64),
        PIXELS.astype(np.float32) / 255,
        torch.from_numpy(PIXELS).float() / 255,
        [Image.fromarray(pixels.transpose(1, 2, 0)) for pixels in PIXELS],
        [pixels.transpose(1, 2, 0) for pixels in PIXELS],
        pandas.Series([pixels.transpose(1, 2, 0) for pixels in PIXELS]),
    ],
)
def test_images_of_every_layout_and_type(given):
    pixels, notes = as_pixels(given)
    assert np.array_equal(pixels, PIXELS) and pixels.dtype == np.uint8 and not notes


@pytest.mark.parametrize(
    ("shape", "channels"), [((5, 32, 32, 4), 4), ((5, 4, 32, 32), 4), ((5, 32, 32), 1), ((5, 32, 32, 1), 1)]
)
def test_channels_are_found(shape, channels):
    pixels, notes = as_pixels(np.zeros(shape, np.uint8))
    assert pixels.shape == (5, channels, 32, 32) and not notes


@pytest.mark.parametrize(
    ("shape", "found"),
    [((5, 3, 40, 3), (5, 3, 40, 3)), ((5, 8, 40, 40), (5, 8, 40, 40)), ((5, 40, 40, 6), (5, 6, 40, 40))],
)
def test_an_order_of_axes_that_is_guessed_is_said(shape, found):
    pixels, notes = as_pixels(np.zeros(shape, np.uint8))
    assert pixels.shape == found and "is taken as the channels" in notes[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (PIXELS.astype(np.float32) / 127.5 - 1, r"float32 from -1 to 1; .*\(images - images.min\(\)\)"),
        (PIXELS.astype(np.uint16) * 257, r"uint16 from .*\(images // 257\)"),
        (np.full((4, 8, 8), np.nan), "NaN or infinite"),
        (np.zeros((4, 8, 8), complex), "dtype complex128"),
        (np.zeros((4, 30, 40, 50), np.uint8), "no axis is of 1 to 16 channels"),
        (np.zeros((4, 8), np.uint8), r"shape \(4, 8\)"),
        ([np.zeros((8, 8), np.uint8), np.zeros((9, 8), np.uint8)], "2 of 2 shapes"),
        (
            pandas.DataFrame({"file": ["a.png"], "label": ["cat"]}),
            r"a table with the columns file, label; .*array_dls\(table\['file'\]",
        ),
        (["no/such/file.png"], "No such file"),
        ("a.png", "is str 'a.png'; arrays"),
        (7, "is int 7; arrays"),
    ],
)
def test_images_that_are_refused_with_the_remedy(given, said):
    with pytest.raises(DataError, match=said):
        as_pixels(given)


def test_floats_of_more_than_256_levels_are_rounded_and_said():
    pixels, notes = as_pixels(np.linspace(0, 1, 4 * 64, dtype=np.float32).reshape(4, 8, 8) * 0.9991)
    assert pixels.dtype == np.uint8 and "rounded to 256 levels" in notes[0]


@pytest.mark.parametrize(
    ("given", "codes", "vocab", "said"),
    [
        ([1, 2, 3, 1], [0, 1, 2, 0], ["1", "2", "3"], "labels are 1, 2, 3, not 0 to 2"),
        ([0, 5, 9, 5], [0, 1, 2, 1], ["0", "5", "9"], "labels are 0, 5, 9"),
        (["cat", "dog", "cat", "ant"], [1, 2, 1, 0], ["ant", "cat", "dog"], ""),
        (np.array(["b", "a", "b", "a"], object), [1, 0, 1, 0], ["a", "b"], ""),
        (pandas.Series(["b", "a", "b", "a"]), [1, 0, 1, 0], ["a", "b"], ""),
        (np.eye(3)[[2, 0, 1, 1]], [2, 0, 1, 1], ["0", "1", "2"], "one-hot"),
        ([[1], [0], [1], [0]], [1, 0, 1, 0], ["0", "1"], ""),
        (torch.tensor([1, 0, 1, 0]), [1, 0, 1, 0], ["0", "1"], ""),
        (np.array([1.0, 0.0, 1.0, 0.0]), [1, 0, 1, 0], ["0", "1"], ""),
    ],
)
def test_labels_of_every_kind(given, codes, vocab, said):
    found, names, notes, faults = as_codes(given, 4)
    assert found.tolist() == codes and names == vocab and not faults
    assert said in "".join(notes) and bool(notes) == bool(said)


@pytest.mark.parametrize(
    ("given", "vocab", "said"),
    [
        ([1, 2, 3, 3], ["a", "b", "c"], "labels run from 1 to 3; .*labels - 1"),
        (["cat", "cow", "dog", "dog"], ["cat", "dog"], "'cow' are not among the classes cat, dog"),
        ([[1, 1], [1, 0], [0, 1], [0, 1]], None, "row 0 is 1, 1.*several classes an image are not learnt"),
        ([[0.7, 0.3]] * 4, None, "are not one-hot"),
        ([0, 1, 2], None, r"4 images but labels of shape \(3,\)"),
        (["a", "b", float("nan"), "a"], None, r"1 label\(s\) are no names, in the rows 2"),
        (["a", "b", None, "a"], None, r"1 image\(s\) without a label, in the rows 2"),
        (["a", "b", "", "a"], None, r"1 image\(s\) without a label, in the rows 2"),
        (["Cat", "cat", "dog", "dog"], None, "look like one class"),
        (np.eye(3)[[0, 1, 2, 0]], ["a", "b"], "labels have 3 columns, one a class, and there are 2"),
        ([[1], [1, 2], [3], [0]], None, "labels are of several lengths"),
    ],
)
def test_labels_that_are_refused_with_the_remedy(given, vocab, said):
    with pytest.raises(DataError, match=said):
        as_codes(given, 4, vocab)


def test_a_table_of_paths_and_labels(tmp_path):
    for row, pixels in enumerate(PIXELS):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / f"{row}.png")
    table = pandas.DataFrame(
        {"file": [str(tmp_path / f"{row}.png") for row in range(12)], "label": [f"c{code}" for code in LABELS]}
    )
    source = array_source(table["file"], table["label"])
    assert np.array_equal(source.images, PIXELS) and source.vocab == ["c0", "c1", "c2"]
    dls = array_dls(table["file"], table["label"], bs=2, split=(0.5, 0.25, 0.25))
    assert dls.one_batch()[0].shape == (2, 3, 9, 7)


DESCRIBED = {
    "classes": ["a", "b", "c"],
    "data": {"name": "s", "shape": [3, 9, 7], "stats": None, "keeps": ["shift"]},
}


def write_npz(file, **arrays):
    np.savez(file, **arrays)
    return file


def write_pickle(file, protocol=4, **content):
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    return file


@pytest.mark.parametrize(
    ("write", "name", "content"),
    [
        (write_npz, "a.npz", {"data": PIXELS, "labels": LABELS}),
        (write_npz, "b.npz", {"x_test": PIXELS.transpose(0, 2, 3, 1), "y_test": LABELS[:, None]}),
        (write_npz, "c.npz", {"images": PIXELS / 255, "labels": np.array(list("abcabcabcabc"))}),
        (write_pickle, "d.pkl", {"data": PIXELS, "labels": LABELS, "ids": np.arange(100, 112)}),
        (
            write_pickle,
            "e.pickle",
            {"data": PIXELS.astype(np.float32), "labels": LABELS.tolist(), "ids": list("lkjihgfedcba")},
        ),
        (write_pickle, "f.p", {"images": PIXELS, "label": [np.int64(code) for code in LABELS]}),
    ],
)
def test_packed_files_of_competitions(tmp_path, write, name, content):
    source = read_other(write(tmp_path / name, **content), DESCRIBED)
    assert np.array_equal(source.images, PIXELS) and np.array_equal(source.labels, LABELS)
    ids = content.get("ids", range(12))
    assert list(source.ids) == [str(name) for name in ids]


def test_pairs_and_files_of_other_kinds(tmp_path):
    (tmp_path / "pair.pkl").write_bytes(
        pickle.dumps(
            (
                PIXELS,
                LABELS,
            )
        )
    )
    assert np.array_equal(read_other(tmp_path / "pair.pkl", DESCRIBED).labels, LABELS)
    nested = write_pickle(tmp_path / "nested.pkl", data=PIXELS.tolist(), labels=LABELS.tolist(), note=None)
    assert np.array_equal(read_other(nested, DESCRIBED).images, PIXELS)
    for suffix in (".csv", ".zip", ".h5", ".txt"):
        (tmp_path / f"x{suffix}").write_bytes(b"PK")
        with pytest.raises(DataError, match=f"x{suffix}: files of this kind are not read"):
            read_other(tmp_path / f"x{suffix}", DESCRIBED)
    assert as_pixels(torch.zeros(2, 3, 8, 8, dtype=torch.bfloat16))[0].shape == (2, 3, 8, 8)


def test_packed_files_without_labels_and_rows_of_squares(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS)
    assert (read_packed(tmp_path / "x.npy", ["a", "b"]).labels == -1).all()
    square = RNG.integers(0, 256, (5, 3, 16, 16), dtype=np.uint8)
    read = read_packed(write_pickle(tmp_path / "rows.bin", data=square.reshape(5, -1)), ["a"])
    assert np.array_equal(read.images, square)


def test_packed_files_that_are_refused_name_their_own_cause(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}, 1], object), allow_pickle=True)
    for file, kind, said in (
        (tmp_path / "objects.npy", DataError, "Python objects, which are never loaded"),
        (write_pickle(tmp_path / "evil.pkl", data=print), UnsafeFileError, "asks for .*print"),
        (
            write_pickle(tmp_path / "keys.pkl", foo=PIXELS),
            DataError,
            "has the keys foo; images are needed as data, images",
        ),
        (write_pickle(tmp_path / "wrong.pkl", data=PIXELS, labels=LABELS + 5), DataError, "12 label\\(s\\) are wrong"),
    ):
        with pytest.raises(kind, match=said) as caught:
            read_other(file, DESCRIBED)
        assert file.name in str(caught.value) and "official" not in str(caught.value)


def test_flat_pictures_are_in_natural_order_and_one_alone_is_a_set(tmp_path):
    for number in (10, 2, 0, 1):
        Image.fromarray(PIXELS[number].transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
    source = read_other(tmp_path, DESCRIBED)
    assert source.ids == ["0", "1", "2", "10"] and np.array_equal(source.images, PIXELS[[0, 1, 2, 10]])
    assert np.array_equal(read_other(tmp_path / "10.png", DESCRIBED).images, PIXELS[[10]])
