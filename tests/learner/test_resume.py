"""A resumed run is the uninterrupted run, bit for bit; what differs is refused."""

import os
import signal
import sys

import pytest
import torch
from fastai.callback.core import Callback
from fastai.optimizer import ranger

from learnerkit.all import (
    EMA,
    Autocast,
    CutMix,
    EarlyStop,
    SaveTopK,
    Schedule,
    StochasticDepth,
    image_learner,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core.errors import RunError
from learnerkit.core.files import read_ledger
from learnerkit.core.run_folder import OF_THE_MACHINE
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_learner

EPOCHS = 3


class StopAt(Callback):
    """Asks for a polite stop after one batch of one epoch, as a signal does."""

    order = 70

    def __init__(self, epoch, batch):
        self.at = epoch, batch

    def after_batch(self):
        if self.training and (self.epoch, self.iter) == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


EXTRAS = {
    "plain": lambda: [],
    "cutmix": lambda: [CutMix(p=0.5)],
    "ema": lambda: [EMA(0.9)],
    "accumulate": lambda: [Accumulate(2)],
    "bf16": lambda: [Autocast("bf16")],
    "stop": lambda: [EarlyStop("valid_loss", "min", 10), SaveTopK("accuracy", "max", 2)],
}


def learner(root, extras, name="a", resume=False, at=None, **kwargs):
    run = Run(root, name, checkpoint_every=2, resume=resume, **kwargs)
    dls = make_toy_dls(crop=2, randaugment=(1, 5))
    return build([*EXTRAS[extras](), run, *([StopAt(*at)] if at else [])], dls)


def build(cbs, dls):
    learn = image_learner(dls, "simple_cnn", cbs=cbs, seed=1, model_args={"width": 4, "dropout": 0.3})
    learn.logger = lambda row: None
    return learn


@pytest.mark.parametrize("extras", list(EXTRAS))
@pytest.mark.parametrize("at", [(0, 1), (2, 2)], ids=["early", "late"])
def test_resume_is_bit_identical(tmp_path, extras, at):
    whole = learner(tmp_path / "whole", extras)
    whole.fit_one_cycle(EPOCHS, 0.05)
    stopped = learner(tmp_path / "cut", extras, at=at)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit_one_cycle(EPOCHS, 0.05)
    assert stopped.run_folder.status()["state"] == "interrupted"
    stopped.run_folder.unlock()
    resumed = learner(tmp_path / "cut", extras, resume=True)
    resumed.fit_one_cycle(EPOCHS, 0.05)
    assert_same_weights(state_of(whole), state_of(resumed))
    assert whole.recorder.losses == resumed.recorder.losses and whole.recorder.lrs == resumed.recorder.lrs
    drop = OF_THE_MACHINE
    rows = [
        [{k: v for k, v in row.items() if k not in drop} for row in x.run_folder.history()] for x in (whole, resumed)
    ]
    assert rows[0] == rows[1]
    tables = [x.run_folder.file("batch_metrics.csv").read_text().splitlines() for x in (whole, resumed)]
    assert tables[0][0] == "step,epoch,loss,lr,batch,seconds"
    assert [row.rsplit(",", 1)[0] for row in tables[0]] == [row.rsplit(",", 1)[0] for row in tables[1]]
    for rows in tables:
        seconds = [float(row.rsplit(",", 1)[1]) for row in rows[1:]]
        assert seconds == sorted(seconds)  # what was trained before the stop counts as well
    for a, b in zip(whole.opt.opt.state.values(), resumed.opt.opt.state.values(), strict=True):
        assert torch.equal(a["momentum_buffer"], b["momentum_buffer"])
    if extras == "ema":
        assert_same_weights(whole.eval_model().state_dict(), resumed.eval_model().state_dict())
    if extras == "stop":
        assert whole.save_top_k.kept == resumed.save_top_k.kept
        assert whole.early_stop.best == resumed.early_stop.best


@pytest.mark.parametrize("kind", ["cosine", "step", "plateau", "exponential"])
def test_schedules_resume(tmp_path, kind):
    def fit(folder, resume=False, at=None):
        learn = learner(tmp_path / folder, "plain", resume=resume, at=at)
        learn.fit(EPOCHS, 0.05, cbs=Schedule(kind, patience=0) if kind == "plateau" else Schedule(kind))
        return learn

    whole = fit("whole")
    with pytest.raises(KeyboardInterrupt):
        fit("cut", at=(2, 1))
    resumed = fit("cut", resume=True)
    assert whole.recorder.lrs == resumed.recorder.lrs
    assert_same_weights(state_of(whole), state_of(resumed))


def test_a_resume_that_forgets_its_position_would_be_seen(tmp_path):
    """The negative control: without the seed of the position the weights differ."""
    whole = learner(tmp_path / "whole", "plain")
    whole.fit_one_cycle(EPOCHS, 0.05)
    stopped = learner(tmp_path / "cut", "plain", at=(1, 1))
    with pytest.raises(KeyboardInterrupt):
        stopped.fit_one_cycle(EPOCHS, 0.05)
    stopped.run_folder.unlock()
    resumed = learner(tmp_path / "cut", "plain", resume=True)
    resumed.positioned = lambda first: enumerate(resumed.dl)
    resumed.fit_one_cycle(EPOCHS, 0.05)
    assert not torch.equal(whole.model[0][0].weight, resumed.model[0][0].weight)


def test_changed_things_are_refused_by_name_or_allowed_and_recorded(tmp_path):
    first = learner(tmp_path, "plain", at=(1, 1))
    with pytest.raises(KeyboardInterrupt):
        first.fit_one_cycle(EPOCHS, 0.05)
    first.run_folder.unlock()
    other = image_learner(
        make_toy_dls(crop=2, randaugment=(1, 5)), "simple_cnn", lr=0.7, cbs=Run(tmp_path, "a", resume=True), seed=1
    )
    with pytest.raises(RunError, match=r"cannot be resumed, since recipe was .*lr.*allow=\['recipe'\]"):
        other.fit_one_cycle(EPOCHS, 0.05)
    longer = learner(tmp_path, "plain", resume=True)
    with pytest.raises(RunError, match="n_epoch was 3, now 9"):
        longer.fit_one_cycle(9, 0.05)
    with pytest.raises(RunError, match="say which run"):
        Run(tmp_path, resume=True)


def test_a_missing_callback_is_refused(tmp_path):
    first = learner(tmp_path, "ema", at=(1, 1))
    with pytest.raises(KeyboardInterrupt):
        first.fit_one_cycle(EPOCHS, 0.05)
    first.run_folder.unlock()
    with pytest.raises(RunError, match="callback 'ema' is missing now"):
        learner(tmp_path, "plain", resume=True).fit_one_cycle(EPOCHS, 0.05)


def test_stochastic_depth_resumes(tmp_path):
    def build(folder, resume=False, at=None):
        cbs = [StochasticDepth(0.5), Run(tmp_path / folder, "a", resume=resume), *([StopAt(*at)] if at else [])]
        learn = image_learner(make_toy_dls(), "wrn_10_1", cbs=cbs, seed=1)
        learn.logger = lambda row: None
        return learn

    whole = build("whole")
    whole.fit_one_cycle(2, 0.05)
    with pytest.raises(KeyboardInterrupt):
        build("cut", at=(1, 0)).fit_one_cycle(2, 0.05)
    resumed = build("cut", resume=True)
    resumed.fit_one_cycle(2, 0.05)
    assert_same_weights(state_of(whole), state_of(resumed))


def test_resume_with_a_live_progress_bar(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    stopped = learner(tmp_path, "plain", at=(1, 1))
    stopped.logger = print
    with pytest.raises(KeyboardInterrupt):
        stopped.fit_one_cycle(EPOCHS, 0.05)
    resumed = learner(tmp_path, "plain", resume=True)
    resumed.logger = print
    resumed.fit_one_cycle(EPOCHS, 0.05)
    assert resumed.progress.live is False and resumed.logger is print
    done = learner(tmp_path, "plain", resume=True)
    done.fit_one_cycle(EPOCHS, 0.05)
    assert "Epoch 3/3" in capsys.readouterr().out


def test_a_script_with_two_fits_is_not_resumed_wrongly(tmp_path):
    class Stop(Callback):
        def at_boundary(self, whole_epoch):
            if whole_epoch and self.learn.start.epochs_before == 2:
                raise KeyboardInterrupt

    first = toy_learner([Run(tmp_path, "a", checkpoint_every=1), Stop()])
    first.fit(2)
    with pytest.raises(KeyboardInterrupt):
        first.fit(2)
    with pytest.raises(RunError, match="later fit of the script, after 2 epochs"):
        toy_learner([Run(tmp_path, "a", resume=True, allow=("recipe",))]).fit(2)
    assert len(read_ledger(tmp_path / "a" / "history.jsonl")) == 3


def test_a_resume_with_another_rate_or_callback_is_refused(tmp_path):
    def build(p, resume=False):
        return toy_learner([CutMix(p=p), Run(tmp_path, "a", checkpoint_every=1, resume=resume)])

    build(0.7).fit_one_cycle(2, 0.01)
    with pytest.raises(RunError, match=r"fit was lr: 0\.01, now 5\.0; settings was cut_mix: p: 0\.7, now 0\.1"):
        build(0.1, True).fit_one_cycle(2, 5.0)
    build(0.7, True).fit_one_cycle(2, 0.01)


def test_ranger_resumes(tmp_path):
    def build(folder, resume=False, stop=False):
        class Stop(Callback):
            order = 90

            def after_epoch(self):
                if self.epoch == 0:
                    raise KeyboardInterrupt

        run = Run(tmp_path / folder, "a", checkpoint_every=1, resume=resume, allow=("recipe",))
        return toy_learner([run, *([Stop()] if stop else [])], opt=ranger, lr=0.01)

    whole = build("whole")
    whole.fit(2)
    with pytest.raises(KeyboardInterrupt):
        build("cut", stop=True).fit(2)
    resumed = build("cut", resume=True)
    resumed.fit(2)
    assert_same_weights(state_of(whole), state_of(resumed))
