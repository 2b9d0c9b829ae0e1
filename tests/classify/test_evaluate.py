"""Figures worked by hand, and 'n/a' where one is undefined."""

import numpy as np
import pytest
import torch

from learnerkit.classify.evaluate import write_report_text
from learnerkit.classify.metrics import MacroF1, figures_of

# classes a, b, c; c neither stands in the part nor is predicted; a: 1 right of 2, b: 1 right of 1
TARGETS = np.array([0, 0, 1])
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
F1 = {"a": 2 / 3, "b": 2 / 3}  # a: precision 1, recall 1/2; b: precision 1/2, recall 1


def test_figures_by_hand():
    figures = figures_of(PROBABILITIES, TARGETS)
    assert figures["accuracy"] == pytest.approx(2 / 3) and figures["macro_f1"] == pytest.approx(2 / 3)
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
    assert metric.value == pytest.approx(2 / 3)


def test_an_undefined_figure_is_not_a_number_that_looks_like_one(tmp_path):
    write_report_text(tmp_path / "report.txt", TARGETS, PROBABILITIES, ["a", "b", "c"], "test")
    lines = {line.split()[0]: line.split()[1:] for line in (tmp_path / "report.txt").read_text().splitlines() if line}
    assert lines["c"] == ["n/a", "n/a", "n/a", "0"] and lines["a"] == ["1.0000", "0.5000", "0.6667", "2"]
    assert "nan" not in (tmp_path / "report.txt").read_text()
