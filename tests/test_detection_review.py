"""Faults that a second reader found in detection, each held by a test."""

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import Run, combine_modalities, detection_dls, load_run, read_detection
from learnerkit.core.errors import DataError, LearnerkitError, RecipeError
from learnerkit.data.detection import scan_detection
from learnerkit.data.frames import read_frame
from learnerkit.runs.evaluate import evaluate_run
from learnerkit.runs.report import write_report
from learnerkit.tasks.evaluate_detection import evaluate_detection
from tests.data.test_detection import GOOD, picture, reasons, write_coco
from tests.runs.test_detection_runs import QUICK, call
from tests.scenes import scene, toy_detector, write_scenes


@pytest.fixture
def root(tmp_path):
    return write_scenes(tmp_path / "set")


def trained(root, out, **kwargs):
    learn = toy_detector(root, [Run(out, "a")], **kwargs)
    learn.fit(1)
    return learn


def test_a_run_is_loaded_with_the_anchors_it_was_trained_with(root, tmp_path):
    learn = trained(root, tmp_path / "runs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = load_run(tmp_path / "runs" / "a", data=detection_dls(root, size=192))
    assert other.model.spec["anchors"] == learn.model.spec["anchors"]


def test_the_file_of_first_weights_is_not_needed_again(root, tmp_path):
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    config = transformers.SegformerConfig(depths=[2, 2, 2, 2], hidden_sizes=[32, 64, 160, 256])
    file = tmp_path / "seg.safetensors"
    save_file({k: v.contiguous() for k, v in transformers.SegformerModel(config).state_dict().items()}, file)
    trained(root, tmp_path / "runs", weights=file)
    file.unlink()
    assert load_run(tmp_path / "runs" / "a").model.spec["name"] == "detector:mit_b0"


def test_frames_without_labels_and_the_whole_of_other_data_are_evaluated(root, tmp_path):
    trained(root, tmp_path / "runs", limit_batches=1)
    shutil.copytree(root / "images", tmp_path / "plain")
    folder, results = evaluate_run(tmp_path / "runs" / "a", data=tmp_path / "plain")
    assert results["images"] == 10 and (folder / "predictions.csv").exists()
    shutil.copytree(root, tmp_path / "other")
    (tmp_path / "other" / "classes.txt").unlink()
    for label in (tmp_path / "other" / "labels").iterdir():  # of the first class alone
        label.write_text("".join(f"{line}\n" for line in label.read_text().splitlines() if line.startswith("0")))
    folder, results = evaluate_run(tmp_path / "runs" / "a", data=tmp_path / "other")
    assert len(json.loads((folder / "annotations.json").read_text())["images"]) == 10
    assert "limited_to" not in results


def test_a_limit_that_leaves_no_box_is_refused(root):
    for name in ("0000", "0001", "0002", "0003", "0004"):
        (root / "labels" / f"{name}.txt").write_text("")
    with warnings.catch_warnings(), pytest.raises(DataError, match="no box stands on any of the 1 training frames"):
        warnings.simplefilter("ignore")
        detection_dls(root, bs=1, limit=1)


@pytest.mark.parametrize("kind", [">u2", "<u2"])
def test_either_byte_order_is_scaled(tmp_path, kind):
    values = np.full((20, 30, 1), 40000, dtype=kind)
    np.save(tmp_path / "a.npy", values)
    Image.frombytes("I;16B" if kind == ">u2" else "I;16", (30, 20), values.tobytes()).save(tmp_path / "a.tif")
    for name in ("a.npy", "a.tif"):
        assert read_frame(tmp_path / name).max() == pytest.approx(40000 / 65535)


def test_linked_folders_are_read(root, tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / "elsewhere" / kind).mkdir(parents=True)
        for file in sorted((root / kind).iterdir())[:3]:
            shutil.copy(file, tmp_path / "elsewhere" / kind)
        (root / kind / "more").symlink_to(tmp_path / "elsewhere" / kind)
        (root / kind / "more" / "round").symlink_to(root / kind)  # a circle
    source, faults, n = scan_detection(root)
    assert n == 13 and not faults and "images/more/0000.npy" in source.ids


def test_lines_of_lists_mean_one_image_each(tmp_path):
    root = write_scenes(tmp_path / "set", parts=False)
    for kind, suffix in (("images", "npy"), ("labels", "txt")):
        for folder, names in (("a", range(5)), ("b", range(5, 10))):
            (root / kind / folder).mkdir()
            for name in names:
                target = root / kind / folder / f"{name % 5:04d}.{suffix}"
                (root / kind / f"{name:04d}.{suffix}").rename(target)
    lines = [f"/data/images/nest/images/a/{name:04d}.npy" for name in range(5)]
    (root / "train.txt").write_text("\r\n".join([*lines, "b/0000"]))
    (root / "val.txt").write_text("./images/b/0001.npy\nc/0003.npy\n0003\n")
    source, _, _ = scan_detection(root)
    assert sorted(np.array(source.ids)[source.parts == "train"]) == [
        *(f"images/a/{name:04d}.npy" for name in range(5)),
        "images/b/0000.npy",
    ]
    assert [text.split(": ", 2)[2] for text in reasons(root)] == [
        "'c/0003.npy' names no image",
        "'0003' names 2 images; give its folder too",
    ]


def test_boxes_of_another_picture_are_left_out(root):
    _, content = write_coco(root)
    content["images"][0]["width"], content["images"][1]["width"] = 640, None
    (root / "annotations.json").write_text(json.dumps(content))
    source = read_detection(root, "skip")
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
def test_coco_files_that_contradict_themselves(root, change, words):
    _, content = write_coco(root)
    change(content)
    (root / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=words):
        read_detection(root / "annotations.json")


def test_coco_with_a_byte_order_mark_and_linked_images(root, tmp_path):
    _, content = write_coco(root)
    (root / "annotations.json").write_text(json.dumps(content), encoding="utf-8-sig")
    (root / "images").rename(tmp_path / "far")
    (root / "images").symlink_to(tmp_path / "far")
    assert len(read_detection(root)) == 10


def test_a_valid_part_without_boxes_is_refused_before_the_training(root, tmp_path):
    for name in ("0006", "0007"):
        (root / "labels" / f"{name}.txt").write_text("")
    said = call("train", "rgbx-mit", "--data", root, *QUICK, "--out", tmp_path, "--name", "a")
    assert "no box stands on the 2 frames of the valid part" in said and "--monitor valid_loss" in said
    words = ["--out", tmp_path, "--name", "a", "--monitor", "valid_loss", "--mode", "min"]
    call("train", "rgbx-mit", "--data", root, *QUICK, *words)
    assert (tmp_path / "a" / "report.html").exists()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels_goes_to_the_report(tmp_path, channels):
    root = write_scenes(tmp_path / "set", channels=5)
    for file in (root / "images").iterdir():
        np.save(file, np.load(file)[:, :, :channels])
    learn = trained(root, tmp_path / "runs")
    learn.dls.show_batch(max_n=1)
    results = evaluate_detection(learn, learn.run_folder, ["valid"])
    assert write_report(learn.run_folder).exists()
    assert ("ablation" in results) == (channels in (2, 4))


def test_views_that_a_detector_does_not_have(root, tmp_path):
    trained(root, tmp_path / "runs")
    with pytest.raises(RecipeError, match="0 or 2"):
        evaluate_run(tmp_path / "runs" / "a", tta=8)
    learn = toy_detector(None, [Run(tmp_path / "runs", "b")], dls=detection_dls(root, keeps=()))
    learn.fit(1)
    with pytest.raises(RecipeError, match="mirror"):
        evaluate_run(tmp_path / "runs" / "b", tta=2)


def test_combining_refuses_what_it_would_damage(tmp_path):
    picture(tmp_path / "rgb" / "a.png", (8, 6), (255, 0, 0))
    (tmp_path / "thermal").mkdir()
    np.save(tmp_path / "thermal" / "a.npy", np.full((6, 8), 30.0, np.float32))
    with pytest.raises(DataError, match=r"thermal/a\.npy: holds floats from 30 to 30"):
        combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out")
    picture(tmp_path / "rgb" / "a.bmp", (8, 6), (255, 0, 0))
    with pytest.raises(DataError, match="more than one file is called a"):
        combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out")
    with pytest.raises(DataError, match="bad='foo'"):
        combine_modalities(tmp_path / "rgb", None, None, tmp_path / "out", bad="foo")


def test_odd_numbers_and_encodings_are_named(root):
    (root / "classes.txt").write_bytes("Stra\xdfe\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"classes\.txt: is not a text file in UTF-8"):
        read_detection(root)
    (root / "classes.txt").unlink()
    for number in ("1e300", "5000000"):
        (root / "labels" / "0000.txt").write_text(f"{number} 0.5 0.5 0.1 0.1\n")
        assert f"class {number} is not in 0..9999" in reasons(root)[0]
    (root / "labels" / "0000.txt").write_text(GOOD)
    (root / "data.yaml").write_text("names: {0: a, x: b}\n")
    with pytest.raises(DataError, match="class numbers from 0 on"):
        read_detection(root)
    (root / "data.yaml").unlink()
    (root / "train.txt").write_text("0000", encoding="utf-16")
    with pytest.raises(DataError, match=r"train\.txt: is not a text file"):
        read_detection(root)


@pytest.mark.parametrize(
    "settings",
    [{"bs": 0}, {"size": 3}, {"scale_jitter": 1}, {"iou_crop": 2}, {"split": (0, 0, 1)}, {"split": (0.5, 0.6, -0.1)}],
)
def test_arguments_out_of_range_are_named(root, settings):
    (name,) = settings
    with pytest.raises(DataError, match=name):
        detection_dls(root, **settings)


def test_a_set_with_a_valid_list_alone(root):
    (root / "train.txt").unlink(), (root / "test.txt").unlink()
    with pytest.raises(DataError, match=r"the part\(s\) valid but no train part"):
        detection_dls(root)


def test_floats_a_hair_above_one_are_rounding(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20, 20, 5), 1.0000001, np.float32))
    assert read_frame(tmp_path / "a.npy").shape == (5, 20, 20)


def test_an_own_set_evaluated_as_it_was_taken(root, tmp_path):
    (root / "labels" / "0001.txt").write_text(f"{GOOD}\n0 0.95 0.5 0.2 0.2\n")
    learn = toy_detector(None, [Run(tmp_path / "runs", "a")], dls=detection_dls(root, bad="clip"))
    learn.fit(1)
    assert evaluate_run(tmp_path / "runs" / "a", data=root)[1]["images"] == 10


def test_evaluation_of_frames_alone_needs_channels_that_fit(root, tmp_path):
    trained(root, tmp_path / "runs")
    frame, _ = scene(np.random.default_rng(0), channels=3)
    (tmp_path / "rgb").mkdir()
    np.save(tmp_path / "rgb" / "a.npy", frame)
    with pytest.raises(LearnerkitError, match=r"3 channel\(s\), the run's 5"):
        evaluate_run(tmp_path / "runs" / "a", data=tmp_path / "rgb")
