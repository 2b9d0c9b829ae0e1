"""Boxes on frames that a detector was not trained on: every form of a frame, and files in original pixels."""

import csv
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from learnerkit.all import DataError, Run, detection_dls, load_run, predict_run
from learnerkit.core.files import read_json
from learnerkit.detect.boxes import unpack_boxes
from learnerkit.detect.predict import frames_in
from tests.scenes import SMALL, toy_detector, write_scenes


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose model sees frames of 64 pixels in 96, and its learner."""
    root = tmp_path_factory.mktemp("detector")
    dls = detection_dls(write_scenes(root / "set"), size=96)
    settings = {"limit_batches": 1, "model_args": {**SMALL, "score_threshold": 0.0}}
    learn = toy_detector(None, [Run(root, "run", report=False, keep_checkpoints=False)], dls=dls, **settings)
    learn.fit(1, 1e-3)
    return root / "run", learn


def test_each_form_of_a_frame_gives_the_same_without_data(trained, tmp_path):
    run, learn = trained
    file = learn.dls.source.frames[0].files[0]
    frame, away = np.load(file), load_run(run, data=False)
    rgb, thermal, event = (tmp_path / name for name in ("rgb.png", "thermal.png", "event.png"))
    for path, pixels in ((rgb, frame[..., :3]), (thermal, frame[..., 3]), (event, frame[..., 4])):
        Image.fromarray(pixels).save(path)
    expected = load_run(run).predict(0)
    assert len(expected.boxes)
    for item in (
        file,
        str(file),
        frame,
        frame.transpose(2, 0, 1),
        torch.as_tensor(frame),
        np.float32(frame / 255),
        (rgb, thermal, event),
        [str(rgb), str(thermal), str(event)],
    ):
        found = away.predict(item)
        assert torch.allclose(found.boxes, expected.boxes, atol=1e-3) and found.names == expected.names
    for item, said in (
        (0, "row 0: this learner was loaded without its data"),
        (None, "NoneType: is no frame"),
        (rgb, "3 channel.*5 are needed"),
        (np.zeros((5, 9, 5), np.uint8), "both ends could be the 5 channels"),
        (np.zeros((1, 5, 64, 64), np.uint8), "the array has the shape"),
        (tmp_path / "absent.npy", "absent.npy: No such file"),
        ((rgb, file), "differ"),
    ):
        with pytest.raises(DataError, match=said):
            away.predict(item)


def test_files_are_predicted_in_their_own_pixels(trained, tmp_path):
    run, learn = trained
    frames = tmp_path / "frames"
    shutil.copytree(learn.dls.source.frames[0].files[0].parent, frames)
    wide = np.concatenate([np.load(frames / "0000.npy")] * 2, axis=1)
    np.save(frames / "wide.npy", wide)  # 64x128: seen as 48x96
    place, facts = predict_run(run, frames, drawn=3)
    assert place == run / "predictions" / "frames" and facts["samples"] == 11 and facts["drawn"] == 3
    assert len(list((place / "pictures").iterdir())) == 3
    rows = list(csv.DictReader((place / "predictions.csv").read_text().splitlines()))
    results, images = read_json(place / "predictions.json"), read_json(place / "images.json")["images"]
    assert len(rows) == len(results) == facts["boxes"] > 0
    best = load_run(run)
    detections = best.get_preds(dl=best.dls.test_dl([np.load(frames / "0003.npy"), wide], bs=1))[0]
    for name, seen in zip(("0003", "wide"), detections, strict=True):
        mine = [[float(row[key]) for key in ("x1", "y1", "x2", "y2")] for row in rows if row["ID"] == name]
        boxes, _ = unpack_boxes(seen)
        factor = 64 / 96 if name == "0003" else 128 / 96
        assert np.allclose(mine, (boxes * factor).numpy(), atol=0.02)  # two digits in the file
    (of_wide,) = [image for image in images if image["file_name"] == "wide"]
    assert (of_wide["height"], of_wide["width"]) == (64, 128)
    coco = [one["bbox"] for one in results if one["image_id"] == of_wide["id"]]
    mine = [[float(row[key]) for key in ("x1", "y1", "x2", "y2")] for row in rows if row["ID"] == "wide"]
    assert np.allclose([[x, y, x + w, y + h] for x, y, w, h in coco], mine, atol=0.01)


def test_folders_of_modalities_are_frames_and_bad_ones_are_listed(trained, tmp_path):
    run, learn = trained
    for number in range(3):
        frame = np.load(learn.dls.source.frames[number].files[0])
        for name, pixels in (("rgb", frame[..., :3]), ("thermal", frame[..., 3]), ("event", frame[..., 4])):
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            if (number, name) != (2, "event"):
                Image.fromarray(pixels).save(tmp_path / "set" / name / f"{number}.png")
    with pytest.raises(DataError, match=r"2.png: has 4 channel\(s\); 5 are needed \(red, green, blue, thermal, event"):
        predict_run(run, tmp_path / "set")
    place, facts = predict_run(run, tmp_path / "set", bad="skip", drawn=0)
    assert facts["samples"] == 2 and facts["left_out"] == 1
    first = load_run(run).predict(0)
    rows = [row for row in csv.DictReader((place / "predictions.csv").read_text().splitlines()) if row["ID"] == "0"]
    assert np.allclose([float(row["Score"]) for row in rows], first.scores.numpy(), atol=1e-4)


def test_frames_that_a_prediction_drew_are_no_inputs(tmp_path):
    for name in ("frames/a.png", "frames/b.png", "out/pictures/a.png", "out/pictures/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "out" / "prediction.json").write_text("{}")
    assert frames_in(tmp_path) == [tmp_path / "frames" / "a.png", tmp_path / "frames" / "b.png"]
    (tmp_path / "frames").rename(tmp_path / "rgb")
    shutil.copytree(tmp_path / "rgb", tmp_path / "thermal")
    expected = [(tmp_path / "rgb" / name, tmp_path / "thermal" / name) for name in ("a.png", "b.png")]
    assert frames_in(tmp_path) == expected
