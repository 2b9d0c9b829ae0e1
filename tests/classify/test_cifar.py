"""CIFAR files, image folders, arrays, digits, downloads: what is read, and what is refused by name."""

import io
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import verify
from learnerkit.classify.cifar import read_cifar
from learnerkit.classify.dls import cifar_dls, folder_dls
from learnerkit.classify.download import fetch_cifar
from learnerkit.core.errors import DataError, UnsafeFileError
from tests.images import CIFAR10_NAMES, good_batch, write_cifar10, write_folder

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def test_official_cifar10(real_data):
    source = read_cifar(real_data)
    assert len(source) == 6000 and source.images.shape == (6000, 3, 32, 32) and source.vocab == CIFAR10_NAMES
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
    with pytest.raises(DataError, match=r"is no whole archive|fault"):
        read_cifar(archive)


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
    assert "data_batch_1: pixels are uint8 (20, 3071); rows of 3,072 bytes" in text
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


def test_damaged_archives_and_enormous_images(tmp_path, monkeypatch):
    for name in ("a.tar.xz", "b.tar.gz", "c.tar"):
        (tmp_path / name).write_bytes(b"\xfd7zXZ\x00" + b"junk" * 50)
        with pytest.raises(DataError):
            read_cifar(tmp_path / name)
    root = write_folder(tmp_path / "f", size=(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"8 fault\(s\) in 8 samples"):
        folder_dls(root, bs=4)


def test_a_cifar_set_with_damaged_names_or_a_folder_for_a_file(tmp_path):
    import pickle

    for number, names in enumerate(([], 5, b"abcdefghij", [1, 2])):
        folder = write_cifar10(tmp_path / str(number))
        (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, protocol=2))
        with pytest.raises(DataError, match=r"batches\.meta: .*"):
            read_cifar(folder)
    folder = write_cifar10(tmp_path / "folder")
    (folder / "data_batch_3").unlink()
    (folder / "data_batch_3").mkdir()
    with pytest.raises(DataError, match=r"data_batch_3: .*directory"):
        read_cifar(folder)
    assert len(verify(folder).faults) == 1
