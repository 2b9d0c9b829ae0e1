"""EarlyStop and SaveTopK beside a run."""

from learnerkit.all import (
    EarlyStop,
    SaveTopK,
)
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core import checkpoint
from learnerkit.core.files import read_json, read_ledger
from tests.conftest import toy_learner


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
