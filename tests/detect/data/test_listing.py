"""What lies in a detection set: pairs of files, names, parts."""

import shutil

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import detection_dls
from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.detect.data.scan import read_detection, scan_detection
from tests.scenes import GOOD, reasons, write_scenes


def test_files_that_do_not_pair(scenes):
    (scenes / "labels" / "0001.txt").unlink()
    (scenes / "labels" / "zzzz.txt").write_text(GOOD)
    shutil.copy(scenes / "images" / "0002.npy", scenes / "images" / "0002.NPY")
    Image.new("RGB", (64, 64)).save(scenes / "images" / "0004.png")
    said = "\n".join(reasons(scenes))
    assert "images/0001.npy: has no label file labels/0001.txt; an image without objects has an empty one" in said
    assert "labels/zzzz.txt: has no image in images/" in said
    assert "has the same name as" in said
    assert "images/0001.npy" not in read_detection(scenes, "skip").ids


def test_names_from_data_yaml_and_without_any(scenes):
    (scenes / "classes.txt").unlink()
    assert read_detection(scenes).vocab == ["0", "1"]
    (scenes / "data.yaml").write_text("nc: 3\nnames: {0: cat, 1: dog, 2: bird}\n")
    assert read_detection(scenes).vocab == ["cat", "dog", "bird"]
    (scenes / "data.yaml").write_text("names: [cat, cat]\n")
    with pytest.raises(DataError, match="'cat' stands twice"):
        read_detection(scenes)


def test_parts_come_from_the_lists(scenes):
    split = detection_dls(scenes).split
    assert split.counts == {"train": 6, "valid": 2, "test": 2}
    (scenes / "val.txt").write_text("0007\n./images/0000.npy\nnobody\n")
    said = reasons(scenes)
    assert said == [
        "val.txt: line 2: './images/0000.npy' stands in train.txt line 1 already",
        "val.txt: line 3: 'nobody' names no image",
    ]


def test_parts_from_folders(tmp_path):
    root = write_scenes(tmp_path / "set", parts=False)
    for part, names in (("train", range(6)), ("val", range(6, 10))):
        for kind, suffix in (("images", "npy"), ("labels", "txt")):
            (root / kind / part).mkdir()
            for name in names:
                (root / kind / f"{name:04d}.{suffix}").rename(root / kind / part / f"{name:04d}.{suffix}")
    assert detection_dls(root).split.counts == {"train": 6, "valid": 4, "test": 0}


def test_what_is_no_detection_set(tmp_path):
    with pytest.raises(LearnerkitError, match="no such file"):
        read_detection(tmp_path / "nothing")
    with pytest.raises(LearnerkitError, match="annotations"):
        read_detection(tmp_path)


def test_linked_folders_are_read(scenes, tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / "elsewhere" / kind).mkdir(parents=True)
        for file in sorted((scenes / kind).iterdir())[:3]:
            shutil.copy(file, tmp_path / "elsewhere" / kind)
        (scenes / kind / "more").symlink_to(tmp_path / "elsewhere" / kind)
        (scenes / kind / "more" / "round").symlink_to(scenes / kind)  # a circle
    source, faults, n = scan_detection(scenes)
    assert n == 13 and not faults and "images/more/0000.npy" in source.ids


def test_lines_of_lists_mean_one_image_each(tmp_path):
    scenes = write_scenes(tmp_path / "set", parts=False)
    for kind, suffix in (("images", "npy"), ("labels", "txt")):
        for folder, names in (("a", range(5)), ("b", range(5, 10))):
            (scenes / kind / folder).mkdir()
            for name in names:
                target = scenes / kind / folder / f"{name % 5:04d}.{suffix}"
                (scenes / kind / f"{name:04d}.{suffix}").rename(target)
    lines = [f"/data/images/nest/images/a/{name:04d}.npy" for name in range(5)]
    (scenes / "train.txt").write_text("\r\n".join([*lines, "b/0000"]))
    (scenes / "val.txt").write_text("./images/b/0001.npy\nc/0003.npy\n0003\n")
    source, _, _ = scan_detection(scenes)
    assert sorted(np.array(source.ids)[source.parts == "train"]) == [
        *(f"images/a/{name:04d}.npy" for name in range(5)),
        "images/b/0000.npy",
    ]
    assert [text.split(": ", 2)[2] for text in reasons(scenes)] == [
        "'c/0003.npy' names no image",
        "'0003' names 2 images; give its folder too",
    ]


def test_odd_numbers_and_encodings_are_named(scenes):
    (scenes / "classes.txt").write_bytes("Stra\xdfe\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"classes\.txt: is not a text file in UTF-8"):
        read_detection(scenes)
    (scenes / "classes.txt").unlink()
    for number in ("1e300", "5000000"):
        (scenes / "labels" / "0000.txt").write_text(f"{number} 0.5 0.5 0.1 0.1\n")
        assert f"class {number} is not in 0..9999" in reasons(scenes)[0]
    (scenes / "labels" / "0000.txt").write_text(GOOD)
    (scenes / "data.yaml").write_text("names: {0: a, x: b}\n")
    with pytest.raises(DataError, match="class numbers from 0 on"):
        read_detection(scenes)
    (scenes / "data.yaml").unlink()
    (scenes / "train.txt").write_text("0000", encoding="utf-16")
    with pytest.raises(DataError, match=r"train\.txt: is not a text file"):
        read_detection(scenes)


def test_a_set_with_a_valid_list_alone(scenes):
    (scenes / "train.txt").unlink(), (scenes / "test.txt").unlink()
    with pytest.raises(DataError, match=r"the part\(s\) valid but no train part"):
        detection_dls(scenes)
