"""The callback Run: what it commits, keeps and refuses."""

from pathlib import Path

import pytest
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.optimizer import ranger

from learnerkit.all import (
    EarlyStop,
)
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core import checkpoint, fsops
from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.files import read_json, read_ledger
from tests.conftest import toy_learner


def test_two_owners_in_one_process_are_refused(tmp_path):
    running = Callback(after_epoch=lambda self: toy_learner([Run(tmp_path, "a", resume=True)]).fit(1))
    running.order = 90
    with pytest.raises(RunError, match="in use by this process"):
        toy_learner([Run(tmp_path, "a", checkpoint_every=1), running]).fit(2)


def test_skipped_epochs_are_no_error(tmp_path):
    learn = toy_learner([Run(tmp_path, "a")])
    learn.fit(3, 0.01, start_epoch=1)
    assert [row["epoch"] for row in read_ledger(tmp_path / "a" / "history.jsonl")] == [2, 3]


def test_a_fit_cancelled_within_an_epoch_commits_nothing(tmp_path):
    class Cancel(Callback):
        order = 90

        def after_batch(self):
            if self.training and (self.epoch, self.iter) == (1, 1):
                raise CancelFitException

    learn = toy_learner([Run(tmp_path, "a", checkpoint_every=1), Cancel()])
    learn.fit(3)
    assert checkpoint.newest(tmp_path / "a" / "checkpoints")[0].epoch == 1


def test_a_done_run_is_not_begun_anew(tmp_path):
    first = toy_learner([Run(tmp_path, "d", keep_checkpoints=False, checkpoint_every=1)])
    first.fit(2)
    first.run_folder.unlock()
    with pytest.raises(RunError, match="is done and its checkpoints were removed"):
        toy_learner([Run(tmp_path, "d", resume=True, keep_checkpoints=False, checkpoint_every=1)]).fit(2)
    assert len(first.run_folder.history()) == 2 and first.run_folder.status()["state"] == "done"


def test_a_run_that_was_stopped_early_stays_as_it_ended(tmp_path):
    def build(resume=False):
        return toy_learner([Run(tmp_path, "e", resume=resume), EarlyStop("accuracy", patience=0)])

    first = build()
    first.fit(9)
    epochs = len(first.run_folder.history())
    first.run_folder.unlock()
    again = build(resume=True)
    again.fit(9)
    assert len(again.run_folder.history()) == epochs < 9
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True))


def test_permanent_checkpoints_are_whole_epochs(tmp_path):
    learn = toy_learner([Run(tmp_path, "a", checkpoint_every=1, keep_every=2)])
    learn.fit(7)
    kept = [path.name[:9] for path in reversed(checkpoint.candidates(learn.run_folder.checkpoints))]
    best = read_json(learn.run_folder.checkpoints / "best.json")["checkpoint"][:9]
    assert set(kept) == {"epoch_002", "epoch_004", "epoch_006", "epoch_007", best}


def test_a_fit_cancelled_before_its_first_checkpoint_is_done(tmp_path):
    class Cancel(Callback):
        def before_batch(self):
            raise CancelFitException

    learn = toy_learner([Run(tmp_path, "a", keep_checkpoints=False), Cancel()])
    learn.fit(1)
    assert learn.run_folder.status()["state"] == "done"


@pytest.mark.parametrize(("settings", "copies"), [({"checkpoint_every": 0}, 2), ({"checkpoint_every": 1}, 4)])
def test_the_forecast_counts_what_is_committed(tmp_path, settings, copies):
    learn = toy_learner([Run(tmp_path, "a", **settings)])
    learn.create_opt()
    learn.n_epoch = 5
    weights = sum(t.numel() * t.element_size() for t in learn.model.state_dict().values())
    assert learn.run_log.retention.forecast(learn) == copies * 2 * weights + 2 * weights
    other = toy_learner([Run(tmp_path, "b", checkpoint_every=1)], opt=ranger)
    other.create_opt()
    other.n_epoch = 5
    assert other.run_log.retention.forecast(other) == 4 * 4 * weights + 2 * weights


def test_a_torn_ledger_line_does_not_spoil_the_run(tmp_path, monkeypatch):
    learn = toy_learner([Run(tmp_path, "a")])
    learn.fit(1)
    with learn.run_folder.file("history.jsonl").open("a") as file:
        file.write('{"epoch": 2, "tra')
    learn.fit(1)
    assert [row["epoch"] for row in learn.run_folder.history()] == [1, 2]
    plain = fsops.append

    def full(path, data):
        plain(path, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fsops, "append", full)
    with pytest.raises(LearnerkitError, match="No space left"):
        learn.run_folder.append_epoch({"epoch": 3})
    monkeypatch.undo()
    assert learn.run_folder.file("history.jsonl").read_text().endswith("}\n")


def test_a_disk_that_refuses_everything_does_not_hide_the_cause(tmp_path, monkeypatch):
    class Boom(Callback):
        def after_batch(self):
            def refuse(*_, **__):
                raise OSError(30, "Read-only file system")

            for name in ("write", "append", "replace"):
                monkeypatch.setattr(fsops, name, refuse)
            monkeypatch.setattr(Path, "unlink", refuse)
            raise RuntimeError("the real cause")

    learn = toy_learner([Run(tmp_path, "a"), Boom()])
    with pytest.raises(RuntimeError, match="the real cause"):
        learn.fit(1)
    monkeypatch.undo()
    learn.run_folder.lock()  # was given up


def test_a_resume_removes_what_a_kill_left_though_nothing_is_committed(tmp_path):
    first = toy_learner([Run(tmp_path, "a", checkpoint_every=1)])
    first.fit(2)
    first.run_folder.unlock()
    (first.run_folder.checkpoints / ".del-epoch_000_step_000001").mkdir()
    toy_learner([Run(tmp_path, "a", checkpoint_every=1, resume=True)]).fit(2)
    assert not list(first.run_folder.checkpoints.glob(".del-*"))
