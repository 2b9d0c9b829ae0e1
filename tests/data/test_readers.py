"""CIFAR files, image folders, arrays, digits, downloads: what is read, and what is refused by name."""

import io
import pickle
import shutil
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from learnerkit.core.errors import DataError, UnsafeFileError
from learnerkit.data.cifar import CIFAR10, read_cifar
from learnerkit.data.digits import read_digits
from learnerkit.data.dls import array_dls, cifar_dls, folder_dls
from learnerkit.data.download import fetch_cifar
from learnerkit.data.folder import list_folder, read_folder, stream_folder
from learnerkit.data.source import ImageSource, array_source
from learnerkit.data.split import deal, make_split
from tests.conftest import toy_arrays

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def write_cifar10(folder, rows=20, **changes):
    """A small CIFAR-10 folder in the official layout; `changes` by file name replace a batch's content."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for file in (*CIFAR10.train, CIFAR10.test):
        batch = {
            b"data": rng.integers(0, 256, (rows, 3072), dtype=np.uint8),
            b"labels": [n % 10 for n in range(rows)],
            b"filenames": [f"{n}.png".encode() for n in range(rows)],
        }
        (folder / file).write_bytes(pickle.dumps(changes.get(file, batch), protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [n.encode() for n in NAMES]}, protocol=2))
    return folder


def test_official_cifar10(real_data):
    source = read_cifar(real_data)
    assert len(source) == 6000 and source.images.shape == (6000, 3, 32, 32) and source.vocab == NAMES
    counts = [int((source.labels[source.parts == "train"] == code).sum()) for code in range(10)]
    assert counts == [508, 515, 478, 484, 527, 469, 497, 512, 518, 492]
    with (real_data / "cifar-10-batches-py" / "data_batch_2").open("rb") as file:
        raw = pickle.load(file, encoding="latin1")
    assert np.array_equal(source.images[1000], raw["data"][0].reshape(3, 32, 32))
    assert source.labels[1000] == raw["labels"][0]


def test_official_cifar100_fine_and_coarse(real_data):
    fine, coarse = read_cifar(real_data / "cifar-100-python"), read_cifar(real_data / "cifar-100-python", "coarse")
    assert len(fine.vocab) == 100 and len(coarse.vocab) == 20 and coarse.name == "cifar100-coarse"
    assert (fine.parts == "train").sum() == 1117 and (fine.parts == "test").sum() == 916
    assert np.array_equal(fine.images, coarse.images) and "apple" in fine.vocab and "fish" in coarse.vocab
    with pytest.raises(DataError, match="fine"):
        read_cifar(real_data, "middle")


def test_an_archive_is_streamed_and_equals_its_folder(tmp_path):
    folder = write_cifar10(tmp_path / "cifar-10-batches-py")
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, "cifar-10-batches-py")
        hostile = tarfile.TarInfo("../../outside")
        hostile.size = 3
        tar.addfile(hostile, io.BytesIO(b"bad"))
    assert read_cifar(archive).fingerprint == read_cifar(folder).fingerprint
    assert not (tmp_path.parent / "outside").exists()
    archive.write_bytes(archive.read_bytes()[:500])
    with pytest.raises(DataError, match=r"not a readable archive|fault"):
        read_cifar(archive)


def good_batch(rows=20, columns=3072, labels=None):
    data = np.zeros((rows, columns), np.uint8)
    return {b"data": data, b"labels": [0] * rows if labels is None else labels}


class Hostile:
    def __reduce__(self):
        return (print, ("executed",))


def test_every_bad_batch_is_listed_in_one_error(tmp_path, capsys):
    folder = write_cifar10(
        tmp_path / "c",
        data_batch_1=good_batch(columns=3071),
        data_batch_2=good_batch(labels=[0] * 19 + [10]),
        data_batch_3=Hostile(),
        data_batch_4=good_batch(labels=[0] * 3),
    )
    (folder / "data_batch_5").write_bytes((folder / "data_batch_5").read_bytes()[:-900])
    (folder / "test_batch").unlink()
    with pytest.raises(DataError) as caught:
        read_cifar(folder)
    text = str(caught.value)
    assert "6 fault(s)" in text
    assert "data_batch_1: pixels are (20, 3071); rows of 3,072 bytes" in text
    assert "data_batch_2: row 19: label 10 is not in 0..9" in text
    assert "data_batch_3: asks for builtins.print" in text or "data_batch_3: asks for __builtin__.print" in text
    assert "data_batch_4: 20 images but 3 labels" in text
    assert "data_batch_5: is truncated" in text
    assert "test_batch: is missing" in text
    assert "executed" not in capsys.readouterr().out


def test_missing_paths_and_unknown_content(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        cifar_dls(tmp_path / "nope")
    with pytest.raises(DataError, match="holds no CIFAR python files"):
        cifar_dls(tmp_path)
    assert issubclass(UnsafeFileError, DataError)


def test_download_checks_the_sum_and_says_what_to_do_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    source = tmp_path / "cifar-10-python.tar.gz"
    source.write_bytes(b"content")
    md5 = "9a0364b9e99bb480dd25e1f0284c8555"
    fetched = fetch_cifar("cifar10", source.as_uri(), md5)
    assert fetched.read_bytes() == b"content" and fetched.parent == tmp_path / "home"
    with pytest.raises(DataError, match="damaged"):
        fetch_cifar("cifar10", source.as_uri(), "0" * 32)
    fetched.unlink()
    with pytest.raises(DataError, match=r"thrown away.*digits_dls"):
        fetch_cifar("cifar10", source.as_uri(), "0" * 32)
    with pytest.raises(DataError, match=r"(?s)could not be downloaded.*put it at .*digits_dls\(\)"):
        fetch_cifar("cifar10", (tmp_path / "absent.tar.gz").as_uri(), md5)
    assert not list((tmp_path / "home").iterdir())


def write_folder(root, classes=("a", "b"), n=4, size=(8, 8), parts=("",)):
    rng = np.random.default_rng(0)
    for part in parts:
        for name in classes:
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for k in range(n):
                Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{k}.png")
    return root


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
    assert "3 fault(s) in 8 samples" in text and "a/0.png" in text and "b/1.png" in text and "b/2.png: I" in text
    sizes = write_folder(tmp_path / "sizes")
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(sizes / "b" / "3.png")
    with pytest.raises(DataError, match=r"b/3\.png: 8x9 pixels.*pass size="):
        read_folder(list_folder(sizes))
    assert read_folder(list_folder(sizes), 6).images.shape == (8, 3, 6, 6)
    with pytest.raises(DataError, match="not among the classes"):
        list_folder(sizes, ["a"])


def test_a_folder_that_streams_equals_one_in_memory(tmp_path):
    root = write_folder(tmp_path, n=20)
    kwargs = {"size": 8, "bs": 8, "crop": 0, "flip": False, "fractions": (0.6, 0.2, 0.2)}
    resident, stream = folder_dls(root, **kwargs), folder_dls(root, resident=False, **kwargs)
    for (x, y), (a, b) in zip(resident.valid, stream.valid, strict=True):
        assert torch.equal(x, a) and torch.equal(y, b)
    assert type(stream.train).__name__ == "TfmdDL" and stream.train.one_batch()[0].shape == (8, 3, 8, 8)
    source = stream_folder(list_folder(root), 8)
    (root / "a" / "3.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a/3\.png"):
        stream_folder(list_folder(root), 8)
    with pytest.raises(DataError, match=r"a/3\.png"):
        source.images[source.ids.index("a/3.png")]
    with pytest.raises(DataError, match="needs size="):
        folder_dls(root, resident=False)


def test_digits():
    source = read_digits()
    assert source.images.shape == (1797, 1, 32, 32) and source.keeps == ("shift",)
    assert source.images.max() == 255


def test_sources_check_themselves():
    images = np.zeros((4, 3, 8, 8), np.uint8)
    with pytest.raises(DataError, match=r"label 5 of image 3 \(and 0 more\) is outside the 2 classes 0\.\.1"):
        ImageSource("s", images, np.array([0, 1, 1, 5]), ["a", "b"])
    with pytest.raises(DataError, match=r"4 images but 2 labels.*same name.*float32"):
        ImageSource("s", images.astype(np.float32), np.array([0, 1]), ["a", "a"])
    assert array_source(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1])).images.shape == (4, 3, 8, 8)
    assert array_source(np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])).images.shape == (4, 1, 8, 8)


def test_split_is_stratified_fixed_and_exact():
    labels = read_digits().labels
    split = make_split(labels, np.full(len(labels), ""))
    assert split.counts == {"train": 1257, "valid": 270, "test": 270}
    everything = np.concatenate([split.train, split.valid, split.test])
    assert sorted(everything.tolist()) == list(range(1797))
    for rows in (split.valid, split.test):
        share = np.bincount(labels[rows], minlength=10) / np.bincount(labels, minlength=10)
        assert (abs(share - 0.15) < 0.01).all()
    again = make_split(labels, np.full(len(labels), ""))
    ids = [str(n) for n in range(1797)]
    assert split.hash(ids) == again.hash(ids)
    assert split.hash(ids) != make_split(labels, np.full(len(labels), ""), split_seed=1).hash(ids)


def test_groups_never_fall_into_two_parts():
    labels = np.repeat([0, 1], 60)
    groups = np.repeat(np.arange(40), 3)
    parts = deal(labels, (0.6, 0.2, 0.2), 0, groups)
    for first in range(3):
        for second in range(first):
            assert not set(groups[parts[first]]) & set(groups[parts[second]])
    assert [len(part) for part in parts] == [72, 24, 24]


def test_official_parts_and_valid_on_test():
    labels, parts = np.arange(120) % 3, np.array(["train"] * 90 + ["test"] * 30)
    split = make_split(labels, parts, valid=0.2)
    assert split.counts == {"train": 72, "valid": 18, "test": 30}
    compared = make_split(labels, parts, valid="test")
    assert compared.valid_is_test and np.array_equal(compared.valid, compared.test) and len(compared.train) == 90
    with pytest.raises(DataError, match="between 0 and 1"):
        make_split(labels, parts, valid=1.5)
    with pytest.raises(DataError, match="no official test part"):
        make_split(labels, np.full(120, ""), valid="test")


def test_impossible_splits_are_refused_and_thin_ones_warned_of():
    parts = np.array(["train"] * 20 + ["valid"] * 10 + ["test"] * 10)
    with pytest.raises(DataError, match="one class only"):
        make_split(np.zeros(40, int), parts)
    with pytest.raises(DataError, match=r"code\(s\) \[2\] stand in valid but not in train"):
        make_split(np.where(np.arange(40) == 25, 2, np.arange(40) % 2), parts)
    with pytest.warns(UserWarning, match="no image in test"):
        make_split(np.where(np.arange(40) >= 30, 0, np.arange(40) % 2), parts)
    with pytest.raises(DataError, match="cannot hold every class"):
        make_split(np.arange(40) % 20, np.full(40, ""))
    different = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8) + np.arange(40, dtype=np.uint8)[:, None, None]
    with pytest.raises(DataError, match="make no batch of 64"):
        array_dls(different, np.arange(40) % 2, bs=64)
    with pytest.raises(DataError, match=r"valid part is empty.*39 of 40 images are copies of others"):
        array_dls(np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2, bs=8)


def test_refused_augmentations(tmp_path):
    shutil.rmtree(tmp_path)
    with pytest.raises(DataError, match="does not keep its classes under a mirror"):
        array_dls(*toy_arrays(), bs=8, flip=True)
