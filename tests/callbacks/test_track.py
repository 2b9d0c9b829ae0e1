"""EarlyStop and SaveTopK beside a run."""

from copy import deepcopy

import pytest
from fastai.callback.core import Callback
from fastai.optimizer import ranger
from fastai.torch_core import to_cpu

from learnerkit.all import EarlyStop, RunError, SaveTopK
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core import checkpoint
from learnerkit.core.files import read_json, read_ledger
from tests.conftest import assert_same_weights, state_of, toy_learner


def test_early_stop_lets_the_run_see_its_last_epoch(tmp_path):
    stop = EarlyStop("valid_loss", "min", patience=0, min_delta=100)
    learn = toy_learner([stop, Run(tmp_path, "a", monitor="valid_loss", mode="min", checkpoint_every=50)])
    learn.fit(9)
    assert stop.stopped and len(read_ledger(tmp_path / "a" / "history.jsonl")) == len(learn.recorder.values) == 2
    assert checkpoint.newest(tmp_path / "a" / "checkpoints")[0].epoch == 2


def test_top_k_over_two_fits_has_one_file_an_epoch(tmp_path):
    learn = toy_learner([SaveTopK("valid_loss", "min", k=4, folder=tmp_path)])
    learn.fit(2)
    learn.fit(2)
    kept = read_json(tmp_path / "topk.json")["kept"]
    assert sorted(entry["epoch"] for entry in kept) == [1, 2, 3, 4]
    assert all((tmp_path / entry["file"]).exists() for entry in kept)


@pytest.mark.parametrize("opt", ["adamw", "sgd", ranger])
def test_top_k_brings_weights_and_optimizer_back(tmp_path, opt):
    """Training on from a kept epoch gives the weights that training on from it gave at the time."""

    class Note(Callback):
        order = 90

        def after_epoch(self):
            if self.epoch == 1:
                self.weights, self.opt_state = state_of(self.learn), deepcopy(self.learn.opt.state_dict())

    best = SaveTopK("valid_loss", k=9, folder=tmp_path, optimizer=True)
    learn = toy_learner([best, note := Note()], opt=opt, lr=0.001)
    learn.fit(3)
    assert {file.suffix for file in tmp_path.glob("epoch_*")} == {".safetensors", ".pt"}
    place = [entry["epoch"] for entry in best.kept].index(2)
    assert best.load(place) == 2
    assert_same_weights(note.weights, state_of(learn))
    assert str(to_cpu(learn.opt.state_dict()["state"])) == str(to_cpu(note.opt_state["state"]))
    with pytest.raises(RunError, match=r"holds 3 epoch\(s\); place 3"):
        best.load(3)


def test_what_falls_out_of_the_top_k_is_gone_with_its_optimizer(tmp_path):
    toy_learner([SaveTopK("valid_loss", k=1, folder=tmp_path, optimizer=True)]).fit(3)
    assert len(list(tmp_path.glob("*.safetensors"))) == len(list(tmp_path.glob("*.optimizer.pt"))) == 1
