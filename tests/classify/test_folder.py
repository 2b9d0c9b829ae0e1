"""Image folders: classes, parts, files that cannot be used."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from learnerkit.all import ResidentDL, Run, verify
from learnerkit.classify.dls import folder_dls
from learnerkit.classify.folder import list_folder
from learnerkit.classify.reading import read_folder, stream_folder
from learnerkit.core.errors import DataError
from tests.conftest import toy_learner
from tests.images import image_folder, write_folder


def test_folder_of_class_folders(tmp_path):
    source = read_folder(list_folder(write_folder(tmp_path, ("b", "a", "c"))))
    assert source.vocab == ["a", "b", "c"] and len(source) == 12 and source.ids[0] == "a/0.png"
    with Image.open(tmp_path / "b" / "2.png") as image:
        assert np.array_equal(source.images[source.ids.index("b/2.png")], np.asarray(image).transpose(2, 0, 1))
    parted = list_folder(write_folder(tmp_path / "p", parts=("train", "val", "test")))
    assert sorted(set(parted.parts)) == ["test", "train", "valid"]


def test_bad_folders_are_refused_with_every_file(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        list_folder(tmp_path / "x")
    with pytest.raises(DataError, match="no image in any class folder"):
        list_folder(tmp_path)
    write_folder(tmp_path / "one", ("a",))
    with pytest.raises(DataError, match=r"one class only \('a'\)"):
        list_folder(tmp_path / "one")
    root = write_folder(tmp_path / "bad")
    (root / "a" / "0.png").write_bytes(b"not an image")
    whole = (root / "b" / "1.png").read_bytes()
    (root / "b" / "1.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((9, 8), np.uint16)).save(root / "b" / "2.png")
    with pytest.raises(DataError) as caught:
        read_folder(list_folder(root))
    text = str(caught.value)
    assert "3 fault(s) in 8 samples" in text and "a/0.png" in text and "b/1.png" in text and "b/2.png: 16-bit" in text
    sizes = write_folder(tmp_path / "sizes")
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(sizes / "b" / "3.png")
    with pytest.raises(
        DataError, match=r"2 sizes in pixels \(7 of 8x8 such as a/0\.png, 1 of 8x9 such as b/3\.png\); pass size="
    ):
        read_folder(list_folder(sizes))
    assert read_folder(list_folder(sizes), (6, 6)).images.shape == (8, 3, 6, 6)
    with pytest.raises(DataError, match="not among the classes"):
        list_folder(sizes, ["a"])


def test_a_folder_that_streams_equals_one_in_memory(tmp_path):
    root = write_folder(tmp_path, n=20)
    kwargs = {"size": 8, "bs": 8, "crop": 0, "flip": False, "split": (0.6, 0.2, 0.2)}
    resident, stream = folder_dls(root, **kwargs), folder_dls(root, cache="stream", **kwargs)
    for (x, y), (a, b) in zip(resident.valid, stream.valid, strict=True):
        assert torch.equal(x, a) and torch.equal(y, b)
    assert not isinstance(stream.train, ResidentDL) and stream.train.one_batch()[0].shape == (8, 3, 8, 8)
    source = stream_folder(list_folder(root), (8, 8))
    (root / "a" / "3.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a/3\.png"):
        stream_folder(list_folder(root), (8, 8))
    with pytest.raises(DataError, match=r"a/3\.png"):
        source.images[source.ids.index("a/3.png")]
    with pytest.raises(DataError, match="needs size="):
        folder_dls(root, cache="stream")


def test_part_folders_in_any_case_and_hidden_folders(tmp_path):
    root = write_folder(tmp_path / "p", parts=("Train", "TEST"), n=20)
    (root / "Train" / ".ipynb_checkpoints").mkdir()
    dls = folder_dls(root, bs=4, crop=0)
    assert list(dls.vocab) == ["a", "b"] and dls.split.counts["test"] == 40


def test_limits_keep_all_classes(tmp_path):
    dls = folder_dls(write_folder(tmp_path, ("a", "b", "c"), n=30), bs=4, crop=0, limit=9)
    assert set(dls.source.labels[dls.split.train]) == {0, 1, 2} and dls.split.counts["train"] == 9
    whole = folder_dls(tmp_path, bs=4, crop=0, split=(0.4, 0.4, 0.2))
    first = next(iter(whole.valid.new(bs=12)))[1]
    assert len(set(first.tolist())) == 3


def test_names_that_are_no_utf8(tmp_path):
    root = image_folder(tmp_path / "images", 40)
    os.rename(os.fsencode(root / "a" / "000.png"), os.fsencode(root / "a") + b"/\xff.png")
    dls = folder_dls(root, size=12, bs=8)
    learn = toy_learner([Run(tmp_path / "runs", "a")], dls=dls)
    learn.fit(1)
    assert verify(root) and folder_dls(root, size=12, bs=8, cache="stream").source.fingerprint


def test_a_class_that_loses_every_image_is_named(tmp_path):
    root = image_folder(tmp_path / "images", 40)
    (root / "c").mkdir()
    for number in range(3):
        (root / "c" / f"{number}.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"every image of the class\(es\) c is bad"):
        folder_dls(root, size=12, bs=8, bad="skip")


def test_a_folder_with_the_name_of_an_archive(tmp_path):
    root = image_folder(tmp_path / "images.tar", 40)
    assert verify(root) and len(read_folder(list_folder(root))) == 40


def test_verify_sees_equal_pixels_in_other_files(tmp_path):
    root = image_folder(tmp_path / "images", 12)
    Image.open(root / "a" / "000.png").save(root / "b" / "again.png", compress_level=1)
    assert (root / "b" / "again.png").read_bytes() != (root / "a" / "000.png").read_bytes()
    assert {fault.file for fault in verify(root).faults} == {"a/000.png", "b/again.png"}
