"""Sets that changed after a training, or hold what was trained on: measured on the same samples, or refused."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import Run, evaluate_run, folder_dls, load_run
from learnerkit.core.errors import DataError
from tests.conftest import toy_learner
from tests.images import image_folder, write_cifar10


@pytest.fixture
def trained(tmp_path):
    """A run on a folder of pictures, and the folder."""
    root = image_folder(tmp_path / "pictures", 60)
    dls = folder_dls(root, size=12, bs=8)
    toy_learner([Run(tmp_path / "runs", "a")], dls=dls).fit(1)
    return tmp_path / "runs" / "a", root, dls


def results(run):
    return json.loads((run / "results.json").read_text())


@pytest.mark.slow
def test_a_picture_that_was_added_changes_no_part(trained):
    run, root, dls = trained
    evaluate_run(run)
    before = results(run)
    Image.fromarray(np.full((12, 12, 3), 7, np.uint8)).save(root / "a" / "0000.png")
    with pytest.warns(UserWarning, match=r"1 sample\(s\) are new, for the given parts name none of them: a/0000\.png"):
        evaluate_run(run)
    assert results(run) == before
    with pytest.warns(UserWarning, match="are new"):
        again = load_run(run).dls
    assert [again.ids(part) for part in ("train", "valid", "test")] == [
        dls.ids(part) for part in ("train", "valid", "test")
    ]


def test_a_picture_that_is_gone_or_another_is_refused(trained):
    run, root, dls = trained
    name = dls.ids("test")[0]
    pixels = (root / name).read_bytes()
    (root / name).unlink()
    with pytest.raises(DataError, match=rf"1 listed sample\(s\) are not in the set, or not any more: {name}"):
        evaluate_run(run)
    Image.fromarray(np.full((12, 12, 3), 7, np.uint8)).save(root / name)
    with pytest.raises(DataError, match=rf"1 of the samples .* are others now: {name}.*--data"):
        load_run(run)
    (root / name).write_bytes(pixels)
    load_run(run)


@pytest.mark.slow
def test_training_images_that_are_measured_are_counted(trained, tmp_path):
    run, root, dls = trained
    with pytest.warns(UserWarning, match=rf"{len(dls.ids('train'))} of 60 samples are of the run's own training part"):
        folder, found = evaluate_run(run, data=root)
    assert found["trained_on"] == len(dls.ids("train")) and results(folder)["trained_on"] == found["trained_on"]
    held = tmp_path / "held"
    for name in dls.ids("test"):
        (held / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, held / name)
    assert "trained_on" not in evaluate_run(run, data=held)[1]


@pytest.mark.parametrize(("parts", "meant"), [(("train", "test"), "test"), (("train", "val"), "valid")])
def test_with_official_parts_the_measured_part_is_meant(trained, tmp_path, parts, meant):
    run = trained[0]
    other = tmp_path / "other"
    for seed, part in enumerate(parts, 5):
        image_folder(other / part, 20, seed)
    with pytest.warns(UserWarning, match=f"its {meant} part is measured, 20 of 40 samples"):
        assert evaluate_run(run, data=other)[1]["images"] == 20


def test_a_wrong_place_is_told_as_one(command, tmp_path):
    (tmp_path / "x.npy").write_bytes(b"")
    write_cifar10(tmp_path / "cifar")
    for place, said in (
        ("nowhere", "nowhere: no such file or folder. --data takes class folders"),
        ("x.npy", "x.npy: is a file. --data takes class folders"),
        ("cifar", "90 training samples make no batch of 128"),  # of any size
    ):
        code, _, err = command("train", "cifar10-se-resnet", "--data", tmp_path / place, "--size", "32")
        assert code == 2 and said in " ".join(err.split()), err
