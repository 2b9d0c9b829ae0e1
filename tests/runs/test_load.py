"""Learners of finished runs: what is rebuilt, and what is refused rather than guessed."""

import pytest
import torch
from fastai.metrics import accuracy
from torch import nn

from learnerkit.all import MacroF1, Run, digits_dls, evaluate_run, fusion_learner, image_learner, load_run, saliency_dls
from learnerkit.core.errors import ModelError, RunError
from learnerkit.core.finished import label_runs
from learnerkit.runs.compare import compare_runs
from tests.conftest import make_toy_dls, toy_learner
from tests.pairs import write_pairs


def share_of_nothing(pred, target):
    """A metric of a script."""
    return torch.zeros(())


def test_what_cannot_be_recorded_must_be_given_to_load_run(tmp_path):
    learn = toy_learner([Run(tmp_path, "a")], loss_func=torch.nn.CrossEntropyLoss(label_smoothing=0.3))
    learn.fit(1)
    with pytest.raises(RunError, match="loss_func="):
        load_run(tmp_path / "a", data=make_toy_dls())
    loaded = load_run(tmp_path / "a", data=make_toy_dls(), loss_func=torch.nn.CrossEntropyLoss(label_smoothing=0.3))
    assert loaded.validate()[0] == pytest.approx(learn.validate()[0], abs=1e-6)


def test_arguments_of_the_model_are_honoured_as_long_as_its_weights_fit(tmp_path):
    write_pairs(tmp_path / "pairs")
    dls = saliency_dls(tmp_path / "pairs", bs=8)
    learn = fusion_learner(dls, "wrn_10_1", fusion="weighted", cbs=Run(tmp_path, "a"), limit_batches=1, seed=1)
    learn.logger = lambda row: None
    learn.fit(1)
    loaded = load_run(tmp_path / "a", dropout=0.7, fusion_weights=(0.9, 0.1))
    assert {module.p for module in loaded.model.modules() if isinstance(module, nn.Dropout)} == {0.7}
    assert loaded.model.spec["fusion_weights"] == (0.9, 0.1) and loaded.recipe["args"]["dropout"] == 0.7
    assert load_run(tmp_path / "a", fusion="add").model.fusion == "add"
    with pytest.raises(ModelError, match="did you mean dropout"):
        load_run(tmp_path / "a", model_args={"dropuot": 0.1})
    with pytest.raises(ModelError, match="the weights do not fit"):
        load_run(tmp_path / "a", fusion="concat")


@pytest.mark.slow
def test_metrics_of_a_script_change_no_weight_and_stop_nothing(tmp_path):
    dls = digits_dls(bs=64, size=16, limit=120)
    for name, metrics, seed in (("a", None, 1), ("b", [share_of_nothing], 2)):
        settings = {"metrics": metrics, "seed": seed, "model_dir": f"models-{name}"}
        learn = image_learner(dls, "tiny_cnn", cbs=Run(tmp_path, name, monitor="valid_loss", mode="min"), **settings)
        learn.logger = lambda row: None
        learn.fit(1, 0.01)
        learn.run_folder.unlock()
    with pytest.raises(RunError, match="metrics="):
        load_run(tmp_path / "b")
    evaluate_run(tmp_path / "a")
    with pytest.warns(UserWarning, match="metrics of a script, which are not recorded"):
        _, results = evaluate_run(tmp_path / "b")
    assert 0 < results["test_accuracy"] < 1
    compared = compare_runs(tmp_path)
    assert [(row["variant"], row["n"]) for row in compared.rows] == [("all", 2)] and not label_runs(compared.runs)
    keeper = Run(tmp_path, "a", monitor="valid_loss", mode="min", resume=True)
    again = image_learner(dls, "tiny_cnn", cbs=keeper, metrics=[accuracy, MacroF1(10), share_of_nothing], seed=1)
    again.fit(1, 0.01)  # nothing is left to train
