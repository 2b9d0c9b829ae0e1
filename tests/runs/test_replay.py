"""A step of a run once more: the loss it had, sample by sample; nothing of the run is changed."""

import csv
import hashlib
import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from learnerkit import cli
from learnerkit.all import Run
from learnerkit.core.errors import DataError, RecipeError, RunError
from learnerkit.core.run_folder import RunFolder
from learnerkit.runs.replay import replay_step
from learnerkit.runs.replayed import write_replay
from tests.conftest import toy_learner
from tests.images import QUICK
from tests.json_page import check_document


def train(*words, code=0):
    assert cli.main(["train", "digits", *map(str, words)]) == code


def digests(run):
    return {
        file.relative_to(run).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in run.rglob("*")
        if file.is_file()
    }


def test_every_step_has_its_recorded_loss_and_the_run_stays_as_it_was(digits_run):
    before = digests(digits_run)
    with (digits_run / "batch_metrics.csv").open() as file:
        recorded = [float(row["loss"]) for row in csv.DictReader(file)]
    for step, loss in enumerate(recorded, 1):
        found = replay_step(digits_run, step)
        assert found.loss == pytest.approx(loss, abs=1e-6)
        assert found.same
        assert np.mean([row["loss"] for row in found.samples]) == pytest.approx(loss, abs=1e-5)
    assert digests(digits_run) == before
    assert [found.step, found.epoch, found.batch] == [6, 2, 3]
    assert found.begun == "epoch_001_step_000003"
    assert found.trained == 2


def test_the_batch_is_that_of_the_model_and_its_samples_have_their_names(digits_run):
    found = replay_step(digits_run, 1)
    source = found.learn.dls.source
    labels = [int(source.labels[source.ids.index(row["id"])]) for row in found.samples]
    assert labels == found.yb[0].tolist()
    logits = found.learn.model.train()(found.xb[0])  # nothing of tiny_cnn is drawn
    smoothing = found.run.described()["resolved"]["train"]["label_smoothing"]
    each = functional.cross_entropy(logits, found.yb[0], reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(each, torch.tensor([row["loss"] for row in found.samples]))


def test_a_mixed_batch_says_with_whom_and_how_much(tmp_path):
    train(*QUICK, "--tta", 0, "--cutmix", 1, "--out", tmp_path, "--name", "a")
    found = replay_step(tmp_path / "a", 2)
    assert found.same
    ids = [row["id"] for row in found.samples]
    assert sorted(row["mixed_with"] for row in found.samples) == sorted(ids)
    kept = {row["kept"] for row in found.samples}
    assert len(kept) == 1
    assert 0 <= kept.pop() < 1
    assert np.mean([row["loss"] for row in found.samples]) == pytest.approx(found.recorded, abs=1e-5)


def test_without_a_checkpoint_before_it_the_run_is_trained_again_from_its_beginning(digits_run):
    checkpoints = digits_run / "checkpoints"
    (checkpoints / "epoch_001_step_000003" / "state.pt").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="checkpoint passed over"):
        found = replay_step(digits_run, 5)
    assert (found.begun, found.trained, found.same) == ("", 4, True)


@pytest.mark.filterwarnings("ignore:.*was measured on its test part once")
def test_steps_before_and_after_a_training_was_made_longer(tmp_path):
    constant = ["--schedule", "constant", "--schedule-args", "{}", "--checkpoint-every", 1]
    train(*QUICK, *constant, "--tta", 0, "--out", tmp_path, "--name", "a")
    assert cli.main(["train", "--resume", str(tmp_path / "a"), "--epochs", "3"]) == 0
    assert len(RunFolder.open(tmp_path / "a").history()) == 3
    assert [replay_step(tmp_path / "a", step).same for step in (2, 6, 7, 9)] == [True] * 4


def test_what_is_written(digits_run, capsys):
    folder = write_replay(replay_step(digits_run, 4))
    assert folder == digits_run / "replays" / "step_000004"
    assert sorted(file.name for file in folder.iterdir()) == ["batch.pdf", "batch.png", "replay.json", "samples.csv"]
    capsys.readouterr()
    assert cli.main(["replay", str(digits_run), "--step", "4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    check_document(document, "replay")
    assert document["samples"] == json.loads((folder / "replay.json").read_text())["samples"]


def test_a_step_that_there_is_not(digits_run):
    with pytest.raises(RunError, match=r"step 7: .* has the steps 1 to 6"):
        replay_step(digits_run, 7)
    with pytest.raises(RecipeError, match="step"):
        replay_step(digits_run, 0)


def test_an_edited_history(digits_run, capsys):
    file = digits_run / "batch_metrics.csv"
    whole = file.read_text()
    lines = whole.splitlines(keepends=True)
    file.write_text("".join(lines[:3] + lines[4:]))
    with pytest.raises(RunError, match="the history was edited"):
        replay_step(digits_run, 5)
    file.write_text(whole.replace(lines[3].split(",")[2], "nonsense"))
    with pytest.raises(RunError, match=r"the row of step 3 is damaged"):
        replay_step(digits_run, 3)
    file.write_text(whole.replace(lines[3].split(",")[2], "2.5"))
    assert cli.main(["replay", str(digits_run), "--step", "3"]) == 1
    assert "and recorded was 2.5" in capsys.readouterr().out


def test_a_run_of_a_script_one_that_goes_on_and_data_that_are_away(tmp_path, digits_run):
    learn = toy_learner(cbs=Run(tmp_path, "script", report=False))
    with learn.no_bar():
        learn.fit_one_cycle(1)
    with pytest.raises(RunError, match=r"by a script, and of it run.json cannot say images, labels of array_dls"):
        replay_step(tmp_path / "script", 1)
    owner = RunFolder.open(digits_run)
    owner.lock()
    owner.set_status("running")
    with pytest.raises(RunError, match="is in use, its training goes on"):
        replay_step(digits_run, 1)
    owner.set_status("done")
    owner.unlock()
    with pytest.raises(DataError, match=str(tmp_path / "nowhere")):
        replay_step(digits_run, 1, data=tmp_path / "nowhere")


def test_other_versions_are_said(digits_run):
    file = digits_run / "run.json"
    described = json.loads(file.read_text())
    described["versions"]["torch"] = "1.0"
    file.write_text(json.dumps(described))
    with pytest.warns(UserWarning, match=r"other versions \(torch: '1.0', now"):
        assert replay_step(digits_run, 1).same
