"""Figures worked by hand, by scikit-learn's default where a class is never seen or never predicted."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import classification_report, f1_score
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from learnerkit.classify.evaluate import write_report_text
from learnerkit.classify.metrics import MacroF1, figures_of

# classes a, b, c; c neither stands in the part nor is predicted; a: 1 right of 2, b: 1 right of 1
TARGETS = np.array([0, 0, 1])
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
F1 = {"a": 2 / 3, "b": 2 / 3}  # a: precision 1, recall 1/2; b: precision 1/2, recall 1


def test_figures_by_hand():
    figures = figures_of(PROBABILITIES, TARGETS)
    assert figures["accuracy"] == pytest.approx(2 / 3) and figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert figures["log_loss"] == pytest.approx(-np.log([0.8, 0.2, 0.8]).mean())


def test_a_class_that_is_predicted_but_absent_counts_as_wrong():
    wrong = np.array([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]])
    assert figures_of(wrong, TARGETS)["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_the_metric_is_the_same_figure():
    class Pass:
        pred, y = torch.tensor(PROBABILITIES), torch.tensor(TARGETS)

    metric = MacroF1(3)
    assert metric.value is None
    metric.accumulate(Pass)
    assert metric.value == pytest.approx(4 / 9)


def test_the_report_is_scikit_learns_and_says_its_convention(tmp_path):
    write_report_text(tmp_path / "report.txt", TARGETS, PROBABILITIES, ["a", "b", "c"], "test")
    said, _, text = (tmp_path / "report.txt").read_text().partition("\n\n")
    assert said == "part: test, 3 images; a class that is never seen or never predicted counts as 0, " + (
        "scikit-learn's default"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the division by zero, that the default takes as 0
        expected = classification_report(
            TARGETS, PROBABILITIES.argmax(axis=1), labels=[0, 1, 2], target_names=["a", "b", "c"], digits=4
        )
    assert text == expected


@pytest.mark.parametrize("seed", range(5))
def test_figures_with_absent_classes_are_those_of_scikit_learn_and_torchmetrics(seed):
    rng = np.random.default_rng(seed)
    targets = rng.choice([0, 2, 3], 40)  # of six classes; 1 is predicted at times, 4 and 5 never
    probabilities = rng.dirichlet(np.ones(6), 40) * np.array([1, 1, 1, 1, 0, 0])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    figures = figures_of(probabilities, targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert figures["macro_f1"] == pytest.approx(f1_score(targets, predicted, labels=range(6), average="macro"))
    by_class = multiclass_f1_score(torch.tensor(predicted), torch.tensor(targets), num_classes=6, average="none")
    assert by_class[4:].tolist() == [0, 0] and figures["macro_f1"] == pytest.approx(float(by_class.mean()))
    kept = probabilities.clip(1e-12)[np.arange(40), targets]
    assert figures["log_loss"] == pytest.approx(float(-np.log(kept).mean()), rel=1e-6)
    right = multiclass_accuracy(torch.tensor(predicted), torch.tensor(targets), num_classes=6, average="micro")
    assert figures["accuracy"] == pytest.approx(float(right))
