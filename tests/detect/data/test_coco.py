"""COCO annotations: the same set as labels, every contradiction named."""

import json

import numpy as np
import pytest

from learnerkit.core.errors import DataError
from learnerkit.detect.data.listing import is_detection
from learnerkit.detect.data.scan import read_detection
from tests.scenes import reasons, write_coco


def test_coco_annotations_are_the_same_set(scenes):
    source, _ = write_coco(scenes)
    read = read_detection(scenes)
    assert is_detection(scenes) and read.vocab == ["bar", "square"]  # in the order of their ids
    for row, name in enumerate(read.ids):
        other = source.ids.index(name)
        assert np.allclose(read.boxes[row], source.boxes[other], atol=1e-3)
        assert (1 - read.codes[row]).tolist() == source.codes[other].tolist()
    assert len(read_detection(scenes / "annotations.json")) == 10


def test_bad_coco_annotations_are_named(scenes):
    _, content = write_coco(scenes)
    content["annotations"][0]["bbox"] = [10, 10, 0, 5]
    content["annotations"][1]["bbox"] = [60, 10, 30, 5]
    content["annotations"][2]["bbox"] = "10 10 5 5"
    content["annotations"][3]["category_id"] = 99
    content["annotations"][4]["image_id"] = 4711
    content["images"][9]["file_name"] = "../../etc/passwd"
    content["images"][8]["width"] = 640
    (scenes / "annotations.json").write_text(json.dumps(content))
    said = "\n".join(reasons(scenes))
    for words in (
        "annotation 0: the box has the size 0 x 5",
        "annotation 1: the box [60, 10, 30, 5] reaches past",
        "annotation 2: bbox is '10 10 5 5'",
        "annotation 3: category 99",
        "image 4711",
        "../../etc/passwd is not there",
        "says 0008.npy is 640x64 pixels; it is 64x64",
    ):
        assert words in said, said


def test_crowd_regions_are_left_out(scenes):
    _, content = write_coco(scenes)
    content["annotations"][0]["iscrowd"] = 1
    (scenes / "annotations.json").write_text(json.dumps(content))
    assert sum(map(len, read_detection(scenes).boxes)) == len(content["annotations"]) - 1


def test_boxes_of_another_picture_are_left_out(scenes):
    _, content = write_coco(scenes)
    content["images"][0]["width"], content["images"][1]["width"] = 640, None
    (scenes / "annotations.json").write_text(json.dumps(content))
    source = read_detection(scenes, "skip")
    assert len(source) == 9 and "images/0000.npy" not in source.ids


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["images"].append("x"), r"images\[10\]: is str"),
        (lambda c: c["images"][0].pop("id"), r"images\[0\]: its id is None"),
        (lambda c: c["images"].append(dict(c["images"][0])), "images: the id 100 stands 2 times"),
        (lambda c: c["annotations"][0].update(image_id=[1]), r"annotations\[0\]: its image_id is \[1\]"),
        (lambda c: c["categories"].append({"id": 7, "name": "z"}), "categories: the id 7 stands 2 times"),
        (lambda c: c["categories"].append({"id": 9, "name": "bar"}), "categories: the name 'bar' stands 2 times"),
        (lambda c: c["categories"].append({"id": 9}), r"categories\[2\]: its name is None"),
        (lambda c: c["categories"].append({"id": "9", "name": "z"}), "some ids are numbers"),
        (lambda c: c["annotations"][0].update(category_id=[7]), r"category \[7\] is not among"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 10**400, 4]), "bbox is"),
        (lambda c: c["annotations"][0].update(iscrowd="0"), "iscrowd is '0'"),
    ],
)
def test_coco_files_that_contradict_themselves(scenes, change, words):
    _, content = write_coco(scenes)
    change(content)
    (scenes / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=words):
        read_detection(scenes / "annotations.json")


def test_coco_with_a_byte_order_mark_and_linked_images(scenes, tmp_path):
    _, content = write_coco(scenes)
    (scenes / "annotations.json").write_text(json.dumps(content), encoding="utf-8-sig")
    (scenes / "images").rename(tmp_path / "far")
    (scenes / "images").symlink_to(tmp_path / "far")
    assert len(read_detection(scenes)) == 10
