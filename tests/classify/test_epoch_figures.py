"""Precision, recall and F1 of each epoch, by hand and against scikit-learn."""

import pytest
import torch
from sklearn.metrics import f1_score, precision_score, recall_score

from learnerkit.all import EarlyStop, SaveTopK
from learnerkit.callbacks.run import RunKeeper
from learnerkit.classify.epoch_figures import class_figures
from tests.conftest import toy_learner


def test_figures_by_hand():
    """Class 0: 2 of 3 predictions right, all 2 found. Class 1: its one prediction right, 1 of 2 found. 2: never."""
    found = class_figures(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1]), 3)
    assert found["macro_precision"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["macro_recall"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["weighted_precision"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["weighted_recall"] == 0.75  # the accuracy
    assert found["weighted_f1"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_figures_equal_scikit_learns():
    generator = torch.Generator().manual_seed(3)
    targets, predicted = torch.randint(0, 7, (2, 200), generator=generator)
    found = class_figures(targets, predicted, 7)
    for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        for average in ("macro", "weighted"):
            assert found[f"{average}_{name}"] == pytest.approx(function(targets, predicted, average=average))


def test_each_epoch_has_them_and_a_monitor_may_be_one(tmp_path):
    learn = toy_learner(
        [RunKeeper(tmp_path, "a", monitor="weighted_f1"), SaveTopK("macro_recall", k=1), EarlyStop("macro_precision")]
    )
    learn.fit(2)
    rows = learn.run_folder.history()
    for row in rows:
        assert row["weighted_recall"] == pytest.approx(row["accuracy"])
        assert row["samples_per_s"] > 0 and row["peak_memory_mb"] > (0 if torch.cuda.is_available() else 100)
        assert {"macro_precision", "macro_recall", "macro_f1", "weighted_precision", "weighted_f1"} <= set(row)
    assert learn.run_folder.results()["valid_weighted_f1"] == pytest.approx(max(row["weighted_f1"] for row in rows))
    assert [name for name in learn.recorder.metric_names if "weighted" in name] == []  # what is printed stays narrow
