"""Sets of boxes in the layouts of other tools: boxes, parts and pixels as of their plain twin, or refused by name."""

import json
import re
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from learnerkit.all import detection_dls, verify
from learnerkit.core.errors import DataError
from learnerkit.detect.data.listing import is_detection
from learnerkit.detect.data.scan import read_detection, scan_detection
from learnerkit.tasks import find_task
from tests.foreign.builders import (
    LAYOUTS,
    NAMES,
    coco_content,
    darknet,
    expected,
    found,
    listed,
    modalities,
    of_part,
    official_coco,
    plain_set,
    roboflow_coco,
    save,
    ultralytics,
    voc,
    write,
    yolo_lines,
    yolo_pairs,
)

IMAGES = plain_set()


@pytest.fixture(params=LAYOUTS)
def foreign(request, tmp_path):
    LAYOUTS[request.param](IMAGES, tmp_path / "set")
    return tmp_path / "set"


def test_a_layout_is_its_plain_twin(foreign):
    source = read_detection(foreign)
    assert find_task(foreign).name == "detect" and verify(foreign)
    assert sorted(source.vocab) == sorted(NAMES)
    codes = {source.vocab.index(name): number for number, name in enumerate(NAMES)}  # VOC has them by the alphabet
    source.codes = [np.array([codes[int(code)] for code in row], dtype=np.int64) for row in source.codes]
    assert found(source) == expected(IMAGES)
    for row, name in enumerate(source.ids):
        with Image.open(foreign / name) as image:
            assert np.array_equal(source.frame(row) * 255, np.asarray(image).transpose(2, 0, 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*left out")
        assert len(detection_dls(foreign).train_ds) == 5


def test_coco_is_read_as_pycocotools_reads_it(tmp_path):
    roboflow_coco(IMAGES, tmp_path)
    source = read_detection(tmp_path)
    for part in ("train", "valid", "test"):
        reference = COCO(str(tmp_path / part / "_annotations.coco.json"))
        for entry in reference.imgs.values():
            row = source.ids.index(f"{part}/{entry['file_name']}")
            boxes = [annotation["bbox"] for annotation in reference.imgToAnns[entry["id"]]]
            ours = source.boxes[row]
            assert np.allclose(np.concatenate([ours[:, :2], ours[:, 2:] - ours[:, :2]], 1), boxes)


# a data.yaml is obeyed


def test_the_description_may_be_the_path_and_lie_elsewhere(tmp_path):
    ultralytics(IMAGES, tmp_path / "set")
    (tmp_path / "set" / "data.yaml").rename(tmp_path / "my.yaml")
    assert is_detection(tmp_path / "my.yaml") and found(read_detection(tmp_path / "my.yaml")) == expected(IMAGES)


def test_parts_may_be_lists_of_folders_and_what_stands_in_none_is_named(tmp_path):
    ultralytics(IMAGES, tmp_path / "set")
    write(tmp_path / "set" / "data.yaml", "train: [images/train, images/test]\nval: images/val\nnames: [square, bar]\n")
    parts = {name: part for name, (part, _) in found(read_detection(tmp_path / "set")).items()}
    assert parts == {image.name: {"val": "valid"}.get(image.part, "train") for image in IMAGES}
    write(tmp_path / "set" / "data.yaml", "train: images/train\nval: images/val\nnames: [square, bar]\n")
    source = read_detection(tmp_path / "set")
    assert "2 picture(s) that belong to no part of the set left out: images/test/" in source.notes[0]
    assert not np.isin(source.parts, ["test", ""]).any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: images/train\nval: images/val\nnc: 3\nnames: [square, bar]\n", "nc is 3, but names has 2"),
        ("train: images/train\nval: images/valid\nnames: [square, bar]\n", "val: images/valid is not there"),
        ("train: images/train\nval: images\nnames: [square, bar]\n", "stands in both train and valid"),
        ("train: images/train\nval: labels/val\nnames: [square, bar]\n", "val: labels/val holds no picture"),
        ("train: images/train\nval: images/val\nnames: {1: square, 2: bar}\n", "class numbers from 0 on are needed"),
        ("train: images/train\nval: images/val\nnc: two\n", "nc is 'two'"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(tmp_path, text, said):
    ultralytics(IMAGES, tmp_path)
    write(tmp_path / "data.yaml", text)
    with pytest.raises(DataError, match=said):
        read_detection(tmp_path)


def test_paths_of_another_machine_are_found_by_their_end_and_said(tmp_path):
    ultralytics(IMAGES, tmp_path / "set")
    text = "path: /elsewhere/set\ntrain: /elsewhere/set/images/train\nval: images/val\ntest: images/test\n"
    write(tmp_path / "set" / "data.yaml", text + "names: [square, bar]\n")
    source = read_detection(tmp_path / "set")
    assert found(source) == expected(IMAGES) and "/elsewhere/set/images/train, which is not here" in " ".join(
        source.notes
    )


@pytest.mark.parametrize("file", ["classes.txt", "obj.names", "my.names", "labels.txt", "notes.json"])
def test_names_from_every_file_that_says_them(tmp_path, file):
    listed(IMAGES, tmp_path)
    (tmp_path / "classes.txt").unlink()
    text = "\n".join(NAMES)
    if file == "notes.json":
        text = json.dumps({"categories": [{"id": 1, "name": "bar"}, {"id": 0, "name": "square"}], "info": {}})
    write(tmp_path / file, text)
    assert read_detection(tmp_path).vocab == list(NAMES)
    write(tmp_path / "data.yaml", "names: [bar, square]\n")
    with pytest.raises(DataError, match=r"names the classes .*Leave one"):
        read_detection(tmp_path)


def test_further_parts_and_images_in_no_list_are_named(tmp_path):
    yolo_pairs(IMAGES, tmp_path, lambda image: (tmp_path, {"test": "extra"}.get(image.part, image.part)))
    write(tmp_path / "classes.txt", "\n".join(NAMES))
    with pytest.warns(UserWarning, match=r"2 sample\(s\) stand in no part by the files, left out: images/extra/"):
        assert detection_dls(tmp_path).split.counts == {"train": 5, "valid": 2, "test": 0}


def test_classes_without_a_name_are_said(tmp_path):
    listed(IMAGES, tmp_path)
    (tmp_path / "classes.txt").unlink()
    with pytest.warns(UserWarning, match="no file names its classes; they are called by their numbers, 0, 1"):
        dls = detection_dls(tmp_path)
    assert "no file names its classes" in dls.facts()["notes"][-1]


# what labels hold


def label_set(root, lines):
    """A set whose label files hold the given lines, an image each."""
    for number, text in enumerate(lines):
        save(IMAGES[number], root / "images" / f"{number}.png")
        write(root / "labels" / f"{number}.txt", text)
    write(root / "classes.txt", "\n".join(NAMES))
    return root


def test_polygons_become_the_boxes_around_them(tmp_path):
    ring, triangle = "0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6 0.3 0.4", "1 0.2 0.2 0.6 0.2 0.4 0.8"
    source = read_detection(label_set(tmp_path / "a", [ring, f"{triangle}\n{ring}"]))
    assert np.allclose(source.boxes[0], [[6.4, 9.6, 32, 28.8]]) and source.codes[1].tolist() == [1, 0]
    assert "its 3 label lines are polygons: the box around each is taken" in source.notes
    mixed = label_set(tmp_path / "b", ["0 0.5 0.5 0.2 0.2", ring])
    with pytest.raises(DataError, match=r"1\.txt: line 1: has 11 columns.*a polygon of 5 points: polygons=True"):
        read_detection(mixed)
    assert sum(map(len, read_detection(mixed, polygons=True).boxes)) == 2


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["0 0.5 0.5 0.2 0.2 0.9"] * 3, "every label line has 6 columns .*predictions are no labels"),
        (["0 0.1 0.1 0.4 0.1 0.4 0.4 0.1 0.4"] * 3, "8 coordinates .*Rotated boxes are not learnt; polygons=True"),
        (["0 32 24 10 10", "1 20 30 12 12"], r"label lines hold pixels \(such as '0 32 24 10 10'\).*are relative"),
        (["square 0.5 0.5 0.2 0.2"] * 2, "'square' is not a number"),
        (["0 0.5 0.5 0.001 0.3"] * 2, "is under a pixel: 0.064 x 14.4 of 64x48"),
        (["0 0.5 0.5 1e-9 0.3"] * 2, "is under a pixel"),
        (["0 0.5 0.5 0.014 0.014"] * 2, "is under a pixel: 0.896 x 0.672"),
    ],
)
def test_labels_of_another_kind_are_refused_by_name(tmp_path, lines, said):
    with pytest.raises(DataError, match=said):
        read_detection(label_set(tmp_path, lines))


@pytest.mark.parametrize("layout", ["yolo", "voc"])
def test_images_without_a_label(tmp_path, layout):
    (listed if layout == "yolo" else voc)(IMAGES, tmp_path)
    for file in tmp_path.rglob("0000.txt" if layout == "yolo" else "0000.xml"):
        file.unlink()
    with pytest.raises(DataError, match=r"0000\.png: has no label file .*unlabelled='background' \(--unlabelled\)"):
        read_detection(tmp_path)
    background = read_detection(tmp_path, unlabelled="background")
    row = next(row for row, name in enumerate(background.ids) if "0000" in name)
    assert len(background) == 9 and len(background.boxes[row]) == 0
    skipped = read_detection(tmp_path, unlabelled="skip")
    assert len(skipped) == 8 and "1 image(s) without a label file left out" in skipped.notes[-1]
    with pytest.raises(DataError, match="unlabelled='nothing'; one of refuse, background, skip"):
        read_detection(tmp_path, unlabelled="nothing")


# COCO


def coco_set(root, change=lambda content: None, file_name=None):
    content = coco_content(IMAGES, **({"file_name": file_name} if file_name else {}))
    for image in IMAGES:
        save(image, root / "images" / f"{image.name}.png")
    change(content)
    write(root / "annotations.json", json.dumps(content))
    return root


def test_other_annotation_files_are_left_out_and_damaged_ones_are_faults(tmp_path):
    official_coco(IMAGES, tmp_path)
    notes = " ".join(read_detection(tmp_path).notes)
    assert "3 file(s) of captions left out" in notes and "3 file(s) of keypoints left out" in notes
    damaged = tmp_path / "annotations" / "instances_val2017.json"
    damaged.write_text(damaged.read_text()[:-40])
    with pytest.raises(
        DataError, match=r"annotations/instances_val2017\.json: is not a COCO annotation file: it cannot"
    ):
        read_detection(tmp_path)


def test_segmentations_become_boxes_and_relative_ones_are_refused(tmp_path):
    def without_boxes(content):
        for annotation in content["annotations"]:
            del annotation["bbox"]

    assert {
        name: boxes for name, (_, boxes) in found(read_detection(coco_set(tmp_path / "a", without_boxes))).items()
    } == {name: boxes for name, (_, boxes) in expected(IMAGES).items()}

    def relative(content):
        for annotation in content["annotations"]:
            annotation["bbox"] = [value / 64 for value in annotation["bbox"]]

    with pytest.raises(DataError, match=r"every bbox is within 0\.\.1.*COCO's are in pixels"):
        read_detection(coco_set(tmp_path / "b", relative))


@pytest.mark.parametrize("key", ["iscrowd", "ignore"])
def test_regions_to_be_ignored_are_neither_learnt_nor_lost(tmp_path, key):
    def crowd(content):
        content["annotations"][0][key] = 1

    source = read_detection(coco_set(tmp_path, crowd))
    code, *box = IMAGES[0].boxes[0]
    assert source.ignored[0].tolist() == [[*map(float, box), code]] and len(source.boxes[0]) == 0


@pytest.mark.parametrize(
    "file_name",
    [
        lambda image: f"images\\{image.name}.png",
        lambda image: f"../images/{image.name}.png",
        lambda image: f"{image.name}.PNG",
        lambda image: f"C:\\data\\images\\{image.name}.png",
        lambda image: f"./{image.name}.png",
    ],
)
def test_file_names_of_other_systems_are_found(tmp_path, file_name):
    source = read_detection(coco_set(tmp_path, file_name=file_name))
    assert [boxes for _, boxes in found(source).values()] == [boxes for _, boxes in expected(IMAGES).values()]


def test_a_file_that_is_not_there_shows_the_one_probably_meant(tmp_path):
    root = coco_set(tmp_path / "set", file_name=lambda image: f"other/{image.name}.png")
    with pytest.raises(DataError, match=r"its image other/0000\.png is not there; images/0000\.png is probably meant"):
        read_detection(root)
    save(IMAGES[0], tmp_path / "secret.png")
    root = coco_set(tmp_path / "b", file_name=lambda image: "../../secret.png")
    with pytest.raises(DataError, match=r"image 100, .* and 6 more: its image \.\./\.\./secret\.png is not there"):
        read_detection(root)


# VOC


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda xml: xml[:-20], r"0000\.xml: cannot be read as an annotation"),
        (
            lambda xml: xml.replace("<bndbox>", "<robndbox>").replace("</bndbox>", "</robndbox>"),
            "holds robndbox without",
        ),
        (lambda xml: xml.replace("<width>64", "<width>640"), "says its image is 640x48 pixels; it is 64x48"),
        (lambda xml: "<!DOCTYPE a [<!ENTITY b 'c'>]>" + xml, "defines entities"),
        (lambda xml: re.sub(r"<xmax>\d+", "<xmax>1", xml), "both must be above 0"),
    ],
)
def test_annotations_of_voc_that_are_refused(tmp_path, change, said):
    voc(IMAGES, tmp_path)
    file = tmp_path / "Annotations" / "0000.xml"
    file.write_text(change(file.read_text()))
    with pytest.raises(DataError, match=said):
        read_detection(tmp_path)


def test_difficult_objects_and_boxes_from_0(tmp_path):
    voc(IMAGES, tmp_path)
    file = tmp_path / "Annotations" / "0000.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>1"))
    assert len(read_detection(tmp_path).ignored[0]) == len(IMAGES[0].boxes)
    file.write_text(re.sub(r"<xmin>\d+", "<xmin>0", file.read_text().replace("<difficult>1", "<difficult>0")))
    source = read_detection(tmp_path)
    assert source.boxes[0][0, 0] == 0 and "counted from 0 on, for a 0 stands among them" in source.notes[0]


# folders of modalities


@pytest.mark.parametrize("folders", [("rgb", "thermal"), ("visible", "infrared", "event"), ("a", "b")])
def test_folders_of_modalities_are_one_set(tmp_path, folders):
    modalities(IMAGES, tmp_path, folders)
    source = read_detection(tmp_path)
    assert find_task(tmp_path).name == "detect" and source.modalities == folders[1:]
    assert found(source) == expected(IMAGES) and source.channels == 2 + len(folders)
    for row, image in enumerate(
        sorted(IMAGES, key=lambda one: source.ids.index(f"{folders[0]}/{one.part}/{one.name}.png"))
    ):
        frame = (source.frame(row) * 255).round()
        assert np.array_equal(frame[:3], image.pixels.transpose(2, 0, 1))
        assert np.array_equal(frame[3], image.pixels[..., 0] // 2)
    said = "its channels are taken in the order a, b" in " ".join(source.notes)
    assert said is (folders == ("a", "b"))


@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_modalities_with_other_annotations(tmp_path, kind):
    modalities(IMAGES, tmp_path, labels=False)
    if kind == "coco":
        for part, those in of_part(IMAGES).items():
            names = {"file_name": lambda image: f"{image.part}/{image.name}.png"}
            write(tmp_path / f"{part}.json", json.dumps(coco_content(those, **names)))
    else:
        voc(IMAGES, tmp_path)
        shutil.rmtree(tmp_path / "JPEGImages")
    source = read_detection(tmp_path)
    assert source.channels == 4 and source.modalities == ("thermal",) and sum(map(len, source.boxes)) == 18


def test_modalities_that_do_not_fit_are_named(tmp_path):
    modalities(IMAGES, tmp_path)
    (tmp_path / "thermal" / "train" / "0000.png").unlink()
    Image.new("L", (32, 24)).save(tmp_path / "thermal" / "train" / "0001.png")
    Image.fromarray(IMAGES[2].pixels).save(tmp_path / "thermal" / "train" / "0002.png")
    said = "\n".join(map(str, scan_detection(tmp_path)[1]))
    assert "rgb/train/0000.png: is missing in thermal/" in said
    assert "its modalities have several sizes (rgb 64x56, thermal 32x24); combine_modalities resizes them" in said
    assert "thermal: has 3 channels that differ" in said


def test_masks_in_labels_are_no_boxes(tmp_path):
    for image in IMAGES:
        save(image, tmp_path / "images" / f"{image.name}.png")
        save(image, tmp_path / "labels" / f"{image.name}.png")
    assert not is_detection(tmp_path)
    with pytest.raises(DataError):
        verify(tmp_path)


def test_a_refusal_writes_nothing(tmp_path, command):
    darknet(IMAGES, tmp_path / "set")
    file = tmp_path / "set" / "obj_train_data" / "0000.txt"
    file.write_text(yolo_lines(IMAGES[0]) + "7 0.5 0.5 0.1 0.1\n")
    words = ["--data", tmp_path / "set", "--out", tmp_path / "runs", "--name", "a"]
    code, _, err = command("train", "rgbx-mit", *words)
    assert code == 2 and "class 7 is not in 0..1" in err and not (tmp_path / "runs").exists()


# what lies around and beside a set


def voc_devkit(images, root):
    voc(images, root / "VOCdevkit" / "VOC2012")


def visdrone(images, root):
    yolo_pairs(images, root, lambda image: (root / f"VisDrone2019-DET-{image.part}", ""))
    write(root / "classes.txt", "\n".join(NAMES))


def autosplit(images, root):
    yolo_pairs(images, root, lambda image: (root, ""))
    write(root / "classes.txt", "\n".join(NAMES))
    for part, those in of_part(images).items():
        write(root / f"autosplit_{part}.txt", "".join(f"./images/{image.name}.png\n" for image in those))


def with_obj_data(images, root):
    darknet(images, root)
    (root / "train.txt").rename(root / "first.txt")
    text = "classes = 2\ntrain = data/first.txt\nvalid = data/val.txt\nnames = data/obj.names\n"
    write(root / "obj.data", text)


def labels_beside(images, root):
    for image in images:
        save(image, root / "images" / image.part / f"{image.name}.png")
        write(root / "images" / image.part / f"{image.name}.txt", yolo_lines(image))
    write(root / "classes.txt", "\n".join(NAMES))


def wrapped(images, root):
    ultralytics(images, root / "download" / "set")


def capital(images, root):
    listed(images, root)
    for name in ("images", "labels"):
        (root / name).rename(root / name.capitalize())


def annots(images, root):
    official_coco(images, root)
    (root / "annotations").rename(root / "annots")


@pytest.mark.parametrize(
    "layout", [voc_devkit, visdrone, autosplit, with_obj_data, labels_beside, wrapped, capital, annots]
)
def test_habits_of_people_and_tools(tmp_path, layout):
    layout(IMAGES, tmp_path)
    read, said = found(read_detection(tmp_path)), expected(IMAGES)
    assert {name: part for name, (part, _) in read.items()} == {name: part for name, (part, _) in said.items()}
    assert {name: len(boxes) for name, (_, boxes) in read.items()} == {n: len(boxes) for n, (_, boxes) in said.items()}


@pytest.mark.parametrize("folder", ["masks", "SegmentationClass", "visualized", "gt"])
def test_masks_beside_images_are_no_channel(tmp_path, folder):
    listed(IMAGES, tmp_path)
    for image in IMAGES:
        save(image, tmp_path / folder / f"{image.part}2017" / f"{image.name}.png")
    source = read_detection(tmp_path)
    assert source.channels == 3 and found(source) == expected(IMAGES)
    assert "9 picture(s) that belong to no part of the set left out" in " ".join(source.notes)


def test_folders_that_are_no_part_and_formats_that_are_none_are_named(tmp_path):
    listed(IMAGES, tmp_path)
    save(IMAGES[0], tmp_path / "more" / "s.jpg")
    (tmp_path / "images" / "a.heic").write_bytes(b"x")
    notes = " ".join(read_detection(tmp_path).notes)
    assert "1 picture(s) that belong to no part of the set left out: more/s.jpg" in notes
    assert "1 file(s) of no format of frames left out: images/a.heic" in notes


def test_keypoints_are_cut_off_as_the_description_says(tmp_path):
    lines = "0 0.5 0.5 0.2 0.2 0.5 0.5 2 0.6 0.6 2\n"
    root = label_set(tmp_path, [lines, lines])
    (root / "classes.txt").unlink()
    write(root / "data.yaml", "names: [square, bar]\nkpt_shape: [2, 3]\n")
    source = read_detection(root)
    assert np.allclose(source.boxes[0], [[25.6, 19.2, 38.4, 28.8]]) and "the 2 keypoints" in source.notes[0]


def test_parts_above_modalities_and_sets_of_modalities(tmp_path):
    for part, those in of_part(IMAGES).items():
        modalities([*those], tmp_path / "a" / part)
        for file in (tmp_path / "a" / part).rglob("*.*"):
            if file.parent.name == part and file.name != "classes.txt":
                file.rename(file.parent.parent / file.name)
    source = read_detection(tmp_path / "a")
    assert source.channels == 4 and found(source) == expected(IMAGES)
    for kind in ("rgb", "ir"):
        yolo_pairs(IMAGES, tmp_path, lambda image, kind=kind: (tmp_path / "b" / kind, ""))
    with pytest.raises(DataError, match=r"ir/, rgb/ are modalities with labels each"):
        read_detection(tmp_path / "b")


def test_frames_that_most_lack_are_named_where_folders_are_called_modalities(tmp_path):
    modalities(IMAGES, tmp_path, ("rgb", "ir"))
    for image in IMAGES[:7]:
        (tmp_path / "ir" / image.part / f"{image.name}.png").unlink()
    assert sum("is missing in ir/" in str(fault) for fault in scan_detection(tmp_path)[1]) == 7


def test_nothing_is_left_where_no_image_is_labelled(tmp_path):
    listed(IMAGES, tmp_path)
    for file in (tmp_path / "labels").rglob("*.txt"):
        file.unlink()
    write(tmp_path / "labels" / "classes.txt", "\n".join(NAMES))
    with pytest.raises(DataError, match="none of its 9 samples can be used"):
        read_detection(tmp_path, unlabelled="skip")


def test_cvat_and_run_length_masks_are_named(tmp_path):
    save(IMAGES[0], tmp_path / "a" / "images" / "0000.png")
    write(tmp_path / "a" / "annotations.xml", "<annotations><version>1.1</version></annotations>")
    with pytest.raises(DataError, match="is of CVAT's own format; export Pascal VOC, YOLO or COCO"):
        read_detection(tmp_path / "a")

    def run_length(content):
        content["annotations"][0] |= {"bbox": [], "segmentation": {"counts": [1, 2], "size": [48, 64]}}

    with pytest.raises(DataError, match="has a run-length mask and no bbox"):
        read_detection(coco_set(tmp_path / "b", run_length))
