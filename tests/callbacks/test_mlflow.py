"""Runs in an MLflow store: what is sent, what is not sent twice, and a store that is away."""

import contextlib
import json
import time
import warnings

import pytest

from learnerkit.all import MLflowTracker, RecipeError
from learnerkit.callbacks import mlflow_store as store
from learnerkit.callbacks.run import RunKeeper
from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.runs.report import write_report
from learnerkit.runs.train import train
from tests.conftest import toy_learner
from tests.runs.test_settle import digits


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sent(folder):
    said = read_json(folder.file("mlflow.json"))
    with quiet():
        client = store.client_of(said["uri"])
        return client, client.get_run(said["run_id"])


@pytest.mark.slow
def test_a_run_is_sent_whole_and_an_epoch_once(tmp_path):
    uri = str(tmp_path / "mlflow.db")
    folder = train(digits(mlflow=uri, bs="32"), tmp_path / "runs", "a")
    write_report(folder)
    write_report(folder)
    client, run = sent(folder)
    assert run.info.run_name == "a" and run.info.status == "FINISHED"
    assert run.data.params["model.arch"] == "tiny_cnn" and run.data.params["train.epochs"] == "2"
    for row in folder.history():
        points = client.get_metric_history(run.info.run_id, "accuracy")
        assert [point.value for point in points if point.step == row["epoch"]] == [row["accuracy"]]
    losses = [point.step for point in client.get_metric_history(run.info.run_id, "valid_loss")]
    assert losses == [row["epoch"] for row in folder.history()]  # no result is one of its points
    assert run.data.metrics["run_valid_loss"] == folder.results()["valid_loss"]
    assert run.data.metrics["test_accuracy"] == folder.results()["test_accuracy"]
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"figures", "model", "report.html", "metrics.csv", "run.json"} <= names
    assert "figures/confusion_matrix.png" in {f.path for f in client.list_artifacts(run.info.run_id, "figures")}
    assert client.get_experiment(run.info.experiment_id).name == "runs"


def test_a_resumed_run_goes_on_in_its_mlflow_run(tmp_path):
    def learner(resume, epochs):
        keeper = RunKeeper(tmp_path, "a", checkpoint_every=1, resume=resume, allow=("epochs",))
        learn = toy_learner([keeper, MLflowTracker(str(tmp_path / "m.db"), "toys")])
        learn.fit(epochs)
        return learn.run_folder

    learner(False, 2)
    folder = learner(True, 3)
    client, run = sent(folder)
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "valid_loss")]
    assert steps == [1, 2, 3]
    experiment = client.get_experiment_by_name("toys").experiment_id
    assert len(client.search_runs([experiment])) == 1


def test_a_store_that_is_away_is_told_of_and_training_goes_on(tmp_path):
    begun = time.monotonic()
    learn = toy_learner([RunKeeper(tmp_path, "a"), MLflowTracker("http://127.0.0.1:9")])
    with pytest.warns(UserWarning, match=r"MLflow: .*a could not be sent .*it is whole") as told:
        learn.fit(2)
    assert len([line for line in told if "MLflow" in str(line.message)]) == 1
    assert len(learn.run_folder.history()) == 2 and time.monotonic() - begun < 60


def test_what_a_store_missed_is_sent_when_it_is_back(tmp_path, monkeypatch):
    def away(*args):
        raise OSError("no route to host")

    entering = store.new_run
    monkeypatch.setattr(store, "new_run", away)
    learn = toy_learner([RunKeeper(tmp_path / "runs", "a"), MLflowTracker(str(tmp_path / "m.db"), "toys")])
    with pytest.warns(UserWarning, match="no route to host"):
        learn.fit(2)
    monkeypatch.setattr(store, "new_run", entering)
    above = {"run_id": store.new_run(str(tmp_path / "m.db"), "toys", "all")[0], "experiment": "toys"}
    store.begin(learn.run_folder, str(tmp_path / "m.db"), None, json.dumps({**above, "root": str(tmp_path / "runs")}))
    store.mirrored(learn.run_folder)
    client, run = sent(learn.run_folder)
    assert run.data.tags["mlflow.parentRunId"] == above["run_id"]  # of a sweep that was entered in the meantime
    assert len(client.get_metric_history(run.info.run_id, "valid_loss")) == 2 and run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "toys" and run.info.run_name == "a"


@pytest.mark.parametrize("content", ['{"uri": ', "[1]", "{}", ""])
def test_a_damaged_note_of_what_was_sent_stops_nothing(tmp_path, content):
    tracker = MLflowTracker(str(tmp_path / "m.db"))
    learn = toy_learner([RunKeeper(tmp_path / "runs", "a"), tracker])
    learn.fit(1)
    note = learn.run_folder.file(store.SENT)
    note.write_text(content)
    with pytest.warns(UserWarning, match=r"mlflow\.json: is damaged; without it"):
        learn.fit(1)
    with pytest.warns(UserWarning, match="is damaged"):
        store.mirrored(learn.run_folder)
    assert len(learn.run_folder.history()) == 2
    note.unlink()
    assert store.tried(store.begin, learn.run_folder, str(tmp_path / "m.db"))


def test_a_failing_run_is_marked_and_a_run_is_needed(tmp_path):
    def fail(pred, *targets):
        raise ValueError("no")

    learn = toy_learner([RunKeeper(tmp_path, "a"), MLflowTracker(str(tmp_path / "m.db"))], loss_func=fail)
    with pytest.raises(ValueError, match="no"):
        learn.fit(1)
    assert sent(RunFolder(tmp_path / "a"))[1].info.status == "FAILED"
    with pytest.raises(RecipeError, match=r"add one, cbs=\[Run"):
        toy_learner([MLflowTracker(str(tmp_path / "m.db"))]).fit(1)


def test_a_trial_of_a_sweep_is_nested_in_it(tmp_path, monkeypatch):
    uri = str(tmp_path / "m.db")
    with quiet():
        parent, _ = store.new_run(uri, "sweep", "sweep")
    above = {"run_id": parent, "experiment": "sweep", "root": str(tmp_path / "sweep")}
    monkeypatch.setenv(store.PARENT, json.dumps(above))
    learn = toy_learner([RunKeeper(tmp_path / "sweep" / "resnet", "32"), MLflowTracker(uri)])
    learn.fit(1)
    client, run = sent(learn.run_folder)
    assert run.data.tags["mlflow.parentRunId"] == parent and run.info.run_name == "resnet/32"
    assert client.get_experiment(run.info.experiment_id).name == "sweep"


@pytest.mark.parametrize(
    ("uri", "address"),
    [("http://h:1", "http://h:1"), ("sqlite:////a/b.db", "sqlite:////a/b.db"), ("/a/b.db", "sqlite:////a/b.db")],
)
def test_addresses(uri, address):
    assert store.store_of(uri) == address
