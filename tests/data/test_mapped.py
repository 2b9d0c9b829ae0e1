"""The packed set of image files: whole or not used, going on after a kill, made anew where files have changed."""

import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learnerkit.core import disk
from learnerkit.core.errors import DataError, RunError
from learnerkit.data import mapped
from learnerkit.data.mapped import MappedImages, pack_images
from learnerkit.data.pictures import decode

SIZE = (8, 6)
DYING = """
import os, signal, sys
from pathlib import Path
from learnerkit.data import mapped, pictures
mapped.BLOCK, real, seen = 4, mapped.append_line, []
def append(path, line):
    real(path, line)
    seen.append(path)
    if len(seen) == {at}:
        os.kill(os.getpid(), signal.{signal})
mapped.append_line = append
root = Path(sys.argv[1])
mapped.pack_images(root, sorted(root.glob("*.png")), (8, 6), "squish")
"""


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Twenty-two files, blocks of four of them, and a home of their own."""
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(mapped, "BLOCK", 4)
    root, rng = tmp_path / "pictures", np.random.default_rng(0)
    root.mkdir()
    for number in range(22):
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(root / f"{number:02d}.png")
    return root


@pytest.fixture
def read(monkeypatch):
    """The names of the files that are decoded."""
    names, real = [], mapped.decoded
    monkeypatch.setattr(mapped, "decoded", lambda files, *how: names.extend(f.name for f in files) or real(files, *how))
    return names


def pack(root, size=SIZE, resize="squish"):
    return pack_images(root, sorted(root.glob("*.png")), size, resize)


def child(root, at=99, number="SIGKILL"):
    code = DYING.format(at=at, signal=number)
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(root)])


def check(root, found):
    for row, file in enumerate(sorted(root.glob("*.png"))):
        assert np.array_equal(found.images[row], decode(file, SIZE)), file


def packed_sets():
    return sorted(entry.name for entry in (Path(os.environ["LEARNERKIT_HOME"]) / "images").iterdir() if entry.is_dir())


def test_what_was_read_once_is_not_read_again(pictures, read):
    first = pack(pictures)
    check(pictures, first)
    assert len(read) == 22 and not first.faults and len(set(first.hashes)) == 22
    again = pack(pictures)
    assert len(read) == 22 and np.array_equal(again.images, first.images) and again.hashes == first.hashes
    pack(pictures, resize="crop")
    pack(pictures, size=(9, 9))
    assert len(read) == 66 and len(packed_sets()) == 3


def test_a_killed_build_goes_on_where_it_stopped(pictures, read):
    dying = child(pictures, at=3)
    assert dying.wait() == -signal.SIGKILL
    (building,) = packed_sets()
    assert building.startswith(".")  # it is not taken for a whole one
    check(pictures, pack(pictures))
    assert read == [f"{number:02d}.png" for number in range(12, 22)]  # three blocks of four were there
    assert len(packed_sets()) == 1 and not packed_sets()[0].startswith(".")


@pytest.mark.parametrize("spoil", ["torn line", "no array", "another array"])
def test_a_damaged_build_is_made_right(pictures, spoil):
    assert child(pictures, at=2).wait() == -signal.SIGKILL
    folder = Path(os.environ["LEARNERKIT_HOME"]) / "images" / packed_sets()[0]
    if spoil == "torn line":
        with (folder / "done.jsonl").open("a") as ledger:
            ledger.write('{"faults": {}, "dig')
    elif spoil == "no array":
        (folder / "images.npy").unlink()
    else:
        np.save(folder / "images.npy", np.zeros((3, 3)))
    check(pictures, pack(pictures))


@pytest.mark.parametrize("spoil", ["index.json", "images.npy"])
def test_a_damaged_pack_is_made_anew(pictures, spoil):
    pack(pictures)
    file = Path(os.environ["LEARNERKIT_HOME"]) / "images" / packed_sets()[0] / spoil
    file.write_bytes(file.read_bytes()[:-40])
    check(pictures, pack(pictures))
    assert len(packed_sets()) == 1


def test_files_that_changed_alone_are_read_again(pictures, read):
    pack(pictures)
    read.clear()
    file = pictures / "07.png"
    Image.fromarray(np.full((12, 10, 3), 9, np.uint8)).save(file)
    (pictures / "03.png").unlink()
    shutil.copy(pictures / "05.png", pictures / "99.png")
    found = pack(pictures)
    check(pictures, found)
    assert sorted(read) == ["07.png", "99.png"] and len(found.images) == 22
    assert len(packed_sets()) == 1  # the former is gone


def test_faults_are_kept_with_their_rows(pictures):
    (pictures / "04.png").write_bytes(b"no picture")
    (pictures / "21.png").unlink()
    (pictures / "21.png").symlink_to("nowhere.png")
    found = pack(pictures)
    assert set(found.faults) == {4, 21} and found.hashes[4] == found.hashes[21] == ""
    assert set(pack(pictures).faults) == {4, 21}
    shutil.copy(pictures / "05.png", pictures / "04.png")  # mended
    assert set(pack(pictures).faults) == {21}


@pytest.mark.slow
def test_two_processes_at_once_do_not_hurt_each_other(pictures):
    both = [child(pictures), child(pictures)]
    assert [process.wait() for process in both] == [0, 0]
    check(pictures, pack(pictures))
    assert len(packed_sets()) == 1


def test_a_disk_without_room_is_told_before_anything_is_written(pictures, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    with pytest.raises(RunError, match=r"the packed images will take 1\.1 MB.*1\.0 kB are free.*cache='stream'"):
        pack(pictures)
    monkeypatch.setenv("LEARNERKIT_HOME", str(pictures / "00.png"))
    with pytest.raises(DataError, match="cannot be written there"):
        pack(pictures)


def test_a_mapped_set_has_the_face_of_an_array():
    array = np.arange(5 * 3 * 2 * 2, dtype=np.uint8).reshape(5, 3, 2, 2)
    some = MappedImages(array, np.array([4, 1, 2]))
    assert some.shape == (3, 3, 2, 2) and len(some) == 3
    assert np.array_equal(some[0], array[4]) and np.array_equal(some[np.array([2, 0])], array[[2, 4]])
    assert np.array_equal(some[1:], array[[1, 2]])
    assert np.array_equal(some.subset(np.array([1]))[0], array[1])
