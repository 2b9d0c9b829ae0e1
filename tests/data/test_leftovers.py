"""Half downloads: each file that a stopped download left is named, and a path without a set is told what it lacks."""

import pytest

from learnerkit.core.errors import DataError
from learnerkit.data.leftovers import not_whole, unfinished_downloads
from learnerkit.runs.verify import verify
from learnerkit.tasks import find_task
from tests.images import write_folder
from tests.pairs import write_pairs
from tests.scenes import write_scenes


@pytest.mark.parametrize("suffix", [".part", ".crdownload", ".aria2", ".!ut", ".PART"])
def test_what_a_download_left_is_named(tmp_path, suffix):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / f"1.jpg{suffix}").write_bytes(b"x")
    (fault,) = unfinished_downloads(tmp_path)
    assert fault.file == f"cat/1.jpg{suffix}" and fault.samples == 0
    assert fault.reason == "a download that did not end; fetch 1.jpg again and remove it"


def test_a_control_file_of_aria2_speaks_of_the_file_beside_it(tmp_path):
    for name in ("1.jpg", "1.jpg.aria2", "2.jpg", "2.jpg.part"):
        (tmp_path / name).write_bytes(b"x")
    first, second = unfinished_downloads(tmp_path)
    assert first.reason.startswith("1.jpg is not downloaded whole")
    assert second.reason.endswith("2.jpg stands beside it, so remove it if that is whole")


def test_a_whole_folder_and_hidden_files_are_left_alone(tmp_path):
    (tmp_path / ".cache").mkdir()
    for name in ("1.jpg", "a.part.jpg", ".x.part", ".cache/y.part"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "body.part").mkdir()  # a class may be called so
    assert unfinished_downloads(tmp_path) == [] and not_whole(tmp_path) == ""


def missing(path):
    with pytest.raises(DataError) as refused:
        find_task(path)
    return str(refused.value)


def test_a_path_that_holds_no_set_is_told_what_it_lacks(tmp_path):
    assert "The folder is empty." in missing(tmp_path)
    (tmp_path / "set.zip").write_bytes(b"PK")
    assert "It holds set.zip, still packed; unpack that first" in missing(tmp_path)
    assert "It is still packed; unpack it first" in missing(tmp_path / "set.zip")
    (tmp_path / "cifar-10-python.tar.gz.part").write_bytes(b"x")
    said = missing(tmp_path)
    assert "Its download did not end: cifar-10-python.tar.gz.part; fetch what is missing again" in said
    assert "did not end" in missing(tmp_path / "cifar-10-python.tar.gz.part")


def test_labels_without_images(tmp_path):
    (tmp_path / "labels").mkdir()
    for name in ("1.txt", "2.txt"):
        (tmp_path / "labels" / name).write_text("0 0.5 0.5 0.1 0.1\n")
    assert "labels/ holds 2 file(s) and no image lies beside it; fetch the images" in missing(tmp_path)


def test_a_set_with_an_unfinished_file_is_not_good(tmp_path):
    images = write_folder(tmp_path / "images", n=3)
    scenes, pairs = write_scenes(tmp_path / "scenes"), tmp_path / "pairs"
    write_pairs(pairs, n=4)
    for root in (images, scenes, pairs):
        assert verify(root)
        (root / "more.bin.crdownload").write_bytes(b"x")
        (fault,) = verify(root).faults
        assert fault.file == "more.bin.crdownload" and "did not end" in fault.reason
