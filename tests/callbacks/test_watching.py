"""What watches a figure: one table of directions, refused before the first epoch, equal values by the loss."""

import pytest
from fastai.callback.core import Callback, CancelValidException
from fastai.callback.tracker import EarlyStoppingCallback
from fastai.metrics import error_rate

from learnerkit.all import EarlyStop, Run, SaveTopK, Schedule
from learnerkit.core.errors import RecipeError
from learnerkit.core.files import read_json
from learnerkit.learner.make import as_list
from tests.conftest import toy_learner

WATCHERS = {
    "Run": lambda tmp, monitor: Run(tmp, "a", monitor=monitor, report=False),
    "EarlyStop": lambda tmp, monitor: EarlyStop(monitor, patience=0),
    "SaveTopK": lambda tmp, monitor: SaveTopK(monitor, k=1, folder=tmp / "k"),
    "plateau": lambda tmp, monitor: Schedule("plateau", monitor=monitor, patience=0, factor=0.5),
}


def feed(callback, figures, metrics=(error_rate,)):
    """Fit while each epoch's figures are those given: (valid_loss, metric)."""

    class Put(Callback):
        order = 51  # after the recorder, before all that decides

        def after_epoch(self):
            self.recorder.values[-1][1:3] = list(figures[self.epoch])

    learn = toy_learner([*as_list(callback), Put()], metrics=list(metrics), limit_batches=1)
    learn.fit(len(figures), 0.1)
    return learn


@pytest.mark.parametrize("name", WATCHERS)
def test_a_monitor_that_is_not_recorded_is_refused_before_the_first_epoch(name, tmp_path):
    trained = []
    learn = toy_learner([WATCHERS[name](tmp_path, "f1_score"), Callback(after_batch=lambda self: trained.append(1))])
    with pytest.raises(RecipeError, match=r"monitor 'f1_score': is not recorded; known: accuracy, macro_f1"):
        learn.fit(1)
    assert not trained


@pytest.mark.parametrize("name", WATCHERS)
def test_an_unknown_direction_must_be_said(name, tmp_path):
    with pytest.raises(RecipeError, match="say mode='min' or mode='max'"):
        WATCHERS[name](tmp_path, "sharpness")


ERRORS = [(1.0, 0.5), (0.9, 0.2), (0.8, 0.4)]  # the second epoch has the least error


def test_the_least_error_is_the_best(tmp_path):
    feed(Run(tmp_path, "a", monitor="error_rate", report=False), ERRORS)
    assert read_json(tmp_path / "a" / "best_model.json")["epoch"] == 2
    assert read_json(tmp_path / "a" / "run.json")["mode"] == "min"
    feed(SaveTopK("error_rate", k=1, folder=tmp_path / "k"), ERRORS)
    assert [entry["epoch"] for entry in read_json(tmp_path / "k" / "topk.json")["kept"]] == [2]
    stop = EarlyStop("error_rate", patience=0)
    assert len(feed(stop, ERRORS).recorder.values) == 3 and stop.stopped
    rates = feed(Schedule("plateau", monitor="error_rate", patience=0, factor=0.5), [*ERRORS, (0.7, 0.1)])
    assert rates.recorder.lrs == pytest.approx([0.1, 0.1, 0.1, 0.05])


@pytest.mark.parametrize("losses", [(3.0, 1.0, 2.0), (1.0, 2.0, 3.0), (2.0, 2.0, 2.0)])
def test_equal_values_go_to_the_lower_loss(losses, tmp_path):
    feed(Run(tmp_path, "a", monitor="error_rate", report=False), [(loss, 1.0) for loss in losses])
    assert read_json(tmp_path / "a" / "best_model.json")["epoch"] == 1 + losses.index(min(losses))
    feed(SaveTopK("error_rate", k=2, folder=tmp_path / "k"), [(loss, 1.0) for loss in losses])
    kept = [entry["epoch"] for entry in read_json(tmp_path / "k" / "topk.json")["kept"]]
    assert kept == sorted([1, 2, 3], key=lambda epoch: losses[epoch - 1])[:2]


def test_the_runs_own_default_follows_what_is_recorded(tmp_path):
    learn = toy_learner(Run(tmp_path, "a", report=False), metrics=[])
    learn.fit(1)  # without an accuracy
    assert learn.run_folder.described()["monitor"] == "valid_loss"


@pytest.mark.parametrize("stop", [EarlyStop("error_rate", patience=0), EarlyStoppingCallback("error_rate", patience=1)])
def test_the_epoch_that_ends_a_fit_is_in_the_ledger_whoever_ends_it(stop, tmp_path):
    learn = feed([stop, Run(tmp_path, "a", report=False)], [(1.0, 0.1)] * 4)
    assert len(learn.run_folder.history()) == len(learn.recorder.values) == 2
    assert (learn.run_folder.checkpoints / "last.json").exists()


def test_a_wrong_monitor_of_a_later_callback_leaves_no_folder(tmp_path):
    for wrong in (EarlyStop("acuracy", "max"), SaveTopK("acuracy", "max"), Schedule("plateau", "acuracy", "max")):
        with pytest.raises(RecipeError, match="monitor 'acuracy'"):
            toy_learner([Run(tmp_path, "a", report=False), wrong]).fit(1)
        assert not (tmp_path / "a").exists()


def test_several_keep_their_weights_apart(tmp_path):
    learn = toy_learner([SaveTopK("valid_loss", k=1), SaveTopK("accuracy", k=1)], path=tmp_path)
    learn.fit(3)
    for name in ("valid_loss", "accuracy"):
        folder = tmp_path / "models" / "topk" / name
        (entry,) = read_json(folder / "topk.json")["kept"]
        assert (folder / entry["file"]).exists()


def test_an_epoch_without_validation_has_no_figure_and_goes_on(tmp_path):
    class Pass(Callback):
        def before_validate(self):
            if self.epoch == 1:
                raise CancelValidException

    learn = toy_learner(
        [Pass(), Run(tmp_path, "a", report=False), EarlyStop("accuracy", patience=3), SaveTopK("accuracy")]
    )
    learn.fit(3)
    assert len(learn.run_folder.history()) == 3
