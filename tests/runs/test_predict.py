"""Files predicted by a finished run: what is written, without its data and never over anything else."""

import csv
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from learnerkit.all import DataError, Run, RunError, folder_dls, image_learner, load_run, predict_run
from learnerkit.core.calibrated import Calibration, read_calibration, tempered, write_calibration
from learnerkit.core.files import read_json, write_json
from learnerkit.core.run_folder import RunFolder
from tests.conftest import make_toy_dls, toy_arrays, toy_learner

VOCAB = ["top", "middle", "bottom"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of arrays, whose data no run.json can give back, and its learner with the best weights."""
    root = tmp_path_factory.mktemp("made")
    learn = toy_learner([Run(root, "run", report=False)])
    learn.fit(2, 0.05)
    return root / "run", load_run(root / "run", data=make_toy_dls())


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "run")


@pytest.fixture
def pictures(tmp_path):
    """Twelve pictures in two folders, of several sizes and modes."""
    images, _ = toy_arrays(12)
    for number, pixels in enumerate(images):
        picture = Image.fromarray(pixels.transpose(1, 2, 0))
        picture = picture.resize((20, 30)) if number == 3 else picture.convert("L") if number == 4 else picture
        folder = tmp_path / "pictures" / f"{'ab'[number % 2]}"
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number:02d}.png")
    return tmp_path / "pictures"


def rows_of(place, name="predictions.csv"):
    return list(csv.DictReader((place / name).read_text().splitlines()))


def test_predictions_equal_get_preds_on_the_same_pictures(made, run, pictures):
    place, facts = predict_run(run, pictures)
    assert place == run / "predictions" / "pictures" and facts["samples"] == 12
    rows, files = rows_of(place), sorted(pictures.rglob("*.png"))
    learn = made[1]
    expected = learn.get_preds(dl=learn.dls.test_dl(files))[0]
    assert [row["ID"] for row in rows] == [file.stem for file in files]
    for row, probabilities in zip(rows, expected, strict=True):
        order = probabilities.argsort(descending=True)
        assert [row[key] for key in ("Label", "Label2", "Label3")] == [VOCAB[code] for code in order]
        sure = [float(row[key]) for key in ("Confidence", "Confidence2", "Confidence3")]
        assert np.allclose(sure, probabilities[order], atol=1e-6)
    assert "Set_0.9" not in rows[0] and not (run / "predictions.csv").exists()
    assert rows_of(place, "submission.csv") == [{"ID": row["ID"], "Labels": row["Label"]} for row in rows]
    for row, file in zip(rows, files, strict=True):
        assert load_run(run, data=False).predict(file)[0] == row["Label"]


def test_calibrated_confidences_and_sets_come_from_the_run(run, pictures):
    plain = rows_of(predict_run(run, pictures)[0])
    ways = {"plain": Calibration(2.5, {"0.9": 0.3, "0.5": 0.99}), "tta": Calibration(1.0, {"0.9": 0.0})}
    write_calibration(run, ways)
    place, facts = predict_run(run, pictures, codes=True)
    assert facts["temperature"] == 2.5 and facts["threshold"] == 0.3
    for before, row in zip(plain, rows_of(place), strict=True):
        names = [before[key] for key in ("Label", "Label2", "Label3")]
        own = np.array([[float(before[key]) for key in ("Confidence", "Confidence2", "Confidence3")]])
        expected = tempered(own, 2.5)[0]
        said = [float(row[key]) for key in row if key.startswith("Calibrated_confidence")]
        assert np.allclose(said, expected, atol=1e-6)
        held = {name for name, share in zip(names, expected, strict=True) if share >= 0.3}
        assert set(filter(None, row["Set_0.9"].split(";"))) == held
    labels = [row["Labels"] for row in rows_of(place, "submission.csv")]
    assert labels == [str(VOCAB.index(row["Label"])) for row in plain]
    half = rows_of(predict_run(run, pictures, coverage=0.5)[0])
    assert {row["Set_0.5"] for row in half} == {""}  # no class is that likely
    with_views = rows_of(predict_run(run, pictures, tta=2)[0])
    assert all(row["Set_0.9"].count(";") == 2 for row in with_views)
    with pytest.raises(DataError, match=r"coverage=0\.8.*fitted are: 0\.9, 0\.5"):
        predict_run(run, pictures, coverage=0.8)
    final = rows_of(predict_run(run, pictures, weights="final")[0])
    assert "Confidence" in final[0] and "Set_0.9" not in final[0]  # nothing was fitted for these


def test_bad_pictures_are_listed_and_refused_or_left_out(run, pictures):
    (pictures / "a" / "broken.png").write_bytes((pictures / "a" / "00.png").read_bytes()[:60])
    (pictures / "b" / "empty.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"(?s)2 fault\(s\) in 14 samples.*broken.png.*empty.jpg: is empty.*--bad skip"):
        predict_run(run, pictures)
    assert not (run / "predictions").exists() or not list((run / "predictions").iterdir())
    place, facts = predict_run(run, pictures, bad="skip")
    assert len(rows_of(place)) == facts["samples"] == 12
    assert [row["file"].rpartition("/")[2] for row in rows_of(place, "left_out.csv")] == ["broken.png", "empty.jpg"]
    only = pictures / "a" / "broken.png"
    few = predict_run(run, [only, pictures / "b" / "empty.jpg", pictures / "a" / "00.png"], bad="skip")[0]
    assert len(rows_of(few)) == 1 and len(rows_of(few, "left_out.csv")) == 2
    with pytest.raises(DataError, match=r"none of its 1 sample\(s\) can be read:\n  .*broken\.png"):
        predict_run(run, only, bad="skip")


def test_blocks_change_nothing(run, pictures, monkeypatch):
    whole = rows_of(predict_run(run, pictures)[0])
    monkeypatch.setattr("learnerkit.data.inputs.Inputs.blocks", lambda self: (range(n, n + 3) for n in (0, 3, 6, 9)))
    parts = rows_of(predict_run(run, pictures)[0])
    assert [row["ID"] for row in parts] == [row["ID"] for row in whole]
    for one, other in zip(whole, parts, strict=True):
        assert one["Label"] == other["Label"] and abs(float(one["Confidence"]) - float(other["Confidence"])) < 1e-6


def test_nothing_of_others_is_overwritten(run, pictures, tmp_path):
    before = {file: file.read_bytes() for file in run.iterdir() if file.is_file()}
    for out, said in ((run, "is a run"), (pictures, "holds other files"), (pictures / "a" / "00.png", "is a file")):
        with pytest.raises(RunError, match=said):
            predict_run(run, pictures, out)
    assert before == {file: file.read_bytes() for file in run.iterdir() if file.is_file()}
    first = predict_run(run, pictures, tmp_path / "out")[0]
    assert predict_run(run, pictures / "a", tmp_path / "out")[0] == first and len(rows_of(first)) == 6  # replaced whole
    (first / "mine.txt").write_text("x")
    with pytest.raises(RunError, match=r"other files, such as mine.txt"):
        predict_run(run, pictures, first)
    other = shutil.copytree(pictures / "a", tmp_path / "b" / "pictures")
    own, further = predict_run(run, pictures)[0], predict_run(run, other)[0]
    assert own != further and own.parent == further.parent


def test_a_folder_of_our_names_alone_is_of_others_until_it_says_that_it_is_ours(run, pictures, tmp_path):
    for name in ("pictures/a.png", "submission.csv"):
        mine = tmp_path / name.split(".")[0].replace("/", "-") / name
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        with pytest.raises(RunError, match=f"holds other files, such as {name.split('/')[0]}"):
            predict_run(run, pictures, mine.parents[name.count("/")])
        assert mine.read_text() == "mine"


def test_what_is_to_be_predicted_is_not_replaced(run, pictures, tmp_path):
    out = predict_run(run, pictures, tmp_path / "out")[0]
    shutil.copytree(pictures, out / "pictures")
    for files in (out / "pictures", out / "pictures" / "a" / "00.png"):
        with pytest.raises(RunError, match="holds what is to be predicted"):
            predict_run(run, files, out)
    with pytest.warns(UserWarning, match="no pictures"), pytest.raises(RunError, match="holds what is to be predicted"):
        predict_run(run, out, out)
    assert len(list(out.rglob("*.png"))) == 12
    inside = shutil.copytree(pictures, run / "predictions" / "own")  # where predictions of `own` would go by themselves
    with pytest.raises(RunError, match="other files, such as a, b"):
        predict_run(run, inside)
    assert len(list(inside.rglob("*.png"))) == 12


def test_earlier_predictions_below_an_input_are_none(run, pictures):
    for _ in range(2):
        place, facts = predict_run(run, pictures, pictures / "deep" / "out")
        assert facts["samples"] == 12
        shutil.copytree(pictures / "a", place / "pictures")  # as drawn frames are
    assert predict_run(run, pictures)[1]["samples"] == 12
    assert predict_run(run, place / "pictures")[1]["samples"] == 6  # asked for by name


def test_a_run_that_has_not_begun_is_told(run, pictures):
    for file in run.glob("*.safetensors"):
        file.unlink()
    write_json(run / "status.json", {"state": "failed"})
    with pytest.warns(UserWarning), pytest.raises(RunError, match=r"nothing has been trained yet \(it is 'failed'\)"):
        predict_run(run, pictures)
    (run / "status.json").unlink()
    (run / "model.json").unlink()
    with pytest.raises(RunError, match="run: nothing has been trained yet, so it has no weights"):
        predict_run(run, pictures)


def test_a_link_has_a_row_of_its_own(run, pictures, tmp_path):
    file = pictures / "a" / "00.png"
    (tmp_path / "link.png").symlink_to(file)
    (pictures / "a" / "second.png").symlink_to(file)
    rows = rows_of(predict_run(run, [file, tmp_path / "link.png"])[0], "submission.csv")
    assert [row["ID"] for row in rows] == ["00", "link"] and rows[0]["Labels"] == rows[1]["Labels"]
    assert "second" in {row["ID"] for row in rows_of(predict_run(run, pictures)[0])}


def test_what_cannot_be_asked_for_is_refused(run, pictures, tmp_path):
    (tmp_path / "nothing").mkdir()
    for files, said in (
        (tmp_path / "absent", "no such file or folder"),
        (tmp_path / "nothing", "holds no pictures"),
        ([], "which samples"),
    ):
        with pytest.raises(DataError, match=said):
            predict_run(run, files)
    with pytest.raises(RunError, match="is not a run folder"):
        predict_run(tmp_path, pictures)
    (run / "model.json").unlink()
    with pytest.raises(RunError, match="its model was not built by name"):
        predict_run(run, pictures)


def test_a_run_in_progress_is_refused_and_one_that_died_is_told(run, pictures):
    folder = RunFolder.open(run)
    write_json(run / "status.json", {"state": "running"})
    folder.lock()
    with pytest.raises(RunError, match="is in use"):
        predict_run(run, pictures)
    folder.unlock()
    with pytest.warns(UserWarning, match=r"not trained to its end \(killed\)"):
        assert predict_run(run, pictures)[1]["samples"] == 12


def test_names_stay_apart(run, pictures, tmp_path):
    for name in ("x.png", "x.jpg"):
        shutil.copy(pictures / "a" / "00.png", tmp_path / name)
    names = [row["ID"] for row in rows_of(predict_run(run, [tmp_path / "x.png", tmp_path / "x.jpg"])[0])]
    assert names == ["x.png", "x.jpg"]
    shutil.copy(pictures / "a" / "00.png", pictures / "b" / "00.png")
    place = predict_run(run, [pictures, pictures / "a" / "00.png"])[0]  # a file that is given twice counts once
    assert [row["ID"] for row in rows_of(place)][:2] == ["a/00.png", "a/02.png"] and len(rows_of(place)) == 13


def test_when_the_data_are_away_a_learner_still_predicts(tmp_path):
    images, labels = toy_arrays(48)
    for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        (tmp_path / "set" / VOCAB[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / "set" / VOCAB[label] / f"{number}.png")
    dls = folder_dls(tmp_path / "set", bs=8, size=12, min_scale=0.5)  # of which the middle is seen
    loss, cbs = nn.CrossEntropyLoss(), [Run(tmp_path, "run", report=False)]
    learn = image_learner(dls, "tiny_cnn", loss_func=loss, cbs=cbs, model_args={"width": 4}, limit_batches=2)
    learn.logger = lambda row: None
    learn.fit(1)
    file = sorted((tmp_path / "set").rglob("*.png"))[0]
    expected = load_run(tmp_path / "run", loss_func=loss).predict(file)[2].softmax(0)
    shutil.copy(file, tmp_path / "one.png")
    (tmp_path / "set").rename(tmp_path / "moved")
    with pytest.raises(DataError, match="load_run\\(run, data=False\\)"):
        load_run(tmp_path / "run", loss_func=loss)
    away = load_run(tmp_path / "run", data=False, loss_func=None)
    assert torch.allclose(away.predict(tmp_path / "one.png")[2], expected, atol=1e-6)
    with pytest.raises(DataError, match="row 0: this learner was loaded without its data"):
        away.predict(0)
    with pytest.warns(UserWarning, match="a loss of a script"):
        place, _ = predict_run(tmp_path / "run", tmp_path / "one.png")
    assert place.name == "one" and float(rows_of(place)[0]["Confidence"]) == pytest.approx(float(expected.max()), 1e-5)


def test_the_command_says_what_it_did(made, run, pictures, command):
    code, out, err = command("predict", run, pictures, "-o", "out", "--tta", 2)
    assert code == 0 and "12 samples" in out and "not calibrated" in out, err
    assert read_json(pictures.parent / "out" / "prediction.json")["tta_views"] == 2
    assert read_calibration(run) is None
    code, _, err = command("predict", run, "nowhere")
    assert code == 2 and "nowhere: no such file or folder" in err
    code, _, err = command("predict", run, pictures, "--weights", "last")
    assert code == 2 and "weights='last'" in err
