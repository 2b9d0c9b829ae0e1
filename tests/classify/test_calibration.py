"""Calibration by hand, against scikit-learn and torchmetrics, and the coverage of sets over many splits."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from learnerkit.classify.calibration import (
    brier,
    calibration_figures,
    conformal_threshold,
    ece,
    fit_calibration,
    fit_temperature,
    nll,
    reliability,
)
from learnerkit.core.calibrated import Calibration, read_calibration, sets_of, tempered, write_calibration
from learnerkit.core.errors import DataError, RecipeError
from learnerkit.core.tensors import weights_bytes

# confidences .9, .9, .6, .6 of two classes, of which the first three are right
FOUR = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.6, 0.4]])
TRUE = np.array([0, 1, 0, 1])


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(n, k, seed=0, heat=1.0, sharp=2.0):
    """Probabilities of a softmax, truth drawn from them, and the same logits times `heat`."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((n, k)) * sharp
    fair = softmax(logits)
    targets = (fair.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return softmax(logits * heat), targets


def test_by_hand():
    # in the bin to .6: 1 of 2 right at .6, a gap of .1; in the bin to .933: 2 of 2 right at .9, a gap of .1
    assert ece(FOUR, TRUE) == pytest.approx(0.1)
    # squared distances summed over two classes: .02, .02, .32, .72
    assert brier(FOUR, TRUE) == pytest.approx((0.02 + 0.02 + 0.32 + 0.72) / 4)
    assert nll(FOUR, TRUE) == pytest.approx(-np.log([0.9, 0.9, 0.6, 0.4]).mean())
    bins = reliability(FOUR, TRUE)
    assert bins["count"].sum() == 4 and bins["count"][8] == 2 and bins["count"][13] == 2
    assert bins["accuracy"][8] == 0.5 and bins["accuracy"][13] == 1 and np.isnan(bins["accuracy"][0])


@pytest.mark.parametrize("k", [2, 5, 100])
def test_they_are_those_of_other_libraries(k):
    probabilities, targets = drawn(500, k, seed=k, heat=1.7)
    labels = list(range(k))
    theirs = multiclass_calibration_error(torch.tensor(probabilities), torch.tensor(targets), k, n_bins=15)
    assert ece(probabilities, targets) == pytest.approx(float(theirs), abs=1e-6)
    assert nll(probabilities, targets) == pytest.approx(log_loss(targets, probabilities, labels=labels))
    truth = np.eye(k)[targets]
    whole = (
        brier_score_loss(truth, probabilities, scale_by_half=False) if k > 2 else ((probabilities - truth) ** 2).sum(1)
    )
    assert brier(probabilities, targets) == pytest.approx(np.mean(whole))


@pytest.mark.parametrize("heat", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_a_heating(heat):
    probabilities, targets = drawn(20_000, 6, heat=heat)
    found = fit_temperature(probabilities, targets)
    assert found == pytest.approx(heat, rel=0.04)
    best = nll(tempered(probabilities, found), targets)
    for other in (found * 0.97, found * 1.03):
        assert nll(tempered(probabilities, other), targets) > best
    fitted = fit_calibration(probabilities, targets)
    figures = calibration_figures(probabilities, targets, fitted)
    assert figures["ece_calibrated"] < 0.02 and figures["temperature"] == fitted.temperature
    assert heat == 1 or figures["ece"] > 0.05


def test_a_temperature_needs_mistakes_and_stays_in_its_bounds():
    right = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(right, np.array([0, 1])) == 1.0 and fit_temperature(right[:0], np.array([], int)) == 1.0
    assert fit_temperature(right, np.array([1, 0])) == 20.0  # all wrong: as flat as may be
    assert fit_temperature(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])) == 20.0


def test_tempering_is_that_of_the_logits():
    logits = np.random.default_rng(0).standard_normal((7, 4)) * 3
    assert np.allclose(tempered(softmax(logits), 2.5), softmax(logits / 2.5), atol=1e-6)
    kept = softmax(logits).astype(np.float32)
    assert np.array_equal(tempered(kept, 1.0), kept)
    assert tempered(kept[:0], 2.0).shape == (0, 4)


def test_a_threshold_by_hand():
    of_truth = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])  # n = 9: ranks of tenths
    assert conformal_threshold(of_truth, 0.8) == pytest.approx(0.2)  # the 8th greatest
    assert conformal_threshold(of_truth, 0.9) == pytest.approx(0.1)
    assert conformal_threshold(of_truth, 0.95) == 0.0  # nine samples cannot promise it: all classes
    for wrong in (0, 1, 1.2, -0.1):
        with pytest.raises(RecipeError, match="coverage"):
            conformal_threshold(of_truth, wrong)


@pytest.mark.parametrize("stated", [0.8, 0.9])
def test_sets_hold_the_truth_as_often_as_stated(stated):
    probabilities, targets = drawn(2000, 10, sharp=1.5)
    of_truth = probabilities[np.arange(len(targets)), targets]
    rng, n, covered = np.random.default_rng(1), 200, []
    for _ in range(500):
        order = rng.permutation(len(targets))
        threshold = conformal_threshold(of_truth[order[:n]], stated)
        held = sets_of(probabilities[order[n:]], threshold)
        covered.append(held[np.arange(len(held)), targets[order[n:]]].mean())
    assert stated - 0.01 <= np.mean(covered) <= stated + 1 / (n + 1) + 0.01


def test_what_is_kept_is_of_its_weights(tmp_path):
    fitted = {"plain": Calibration(1.5, {"0.9": 0.25}, "valid", 40), "tta": Calibration(1.2, {}, "valid", 40)}
    (tmp_path / "best_model.safetensors").write_bytes(weights_bytes({"a": torch.ones(3)}))
    write_calibration(tmp_path, fitted)
    assert read_calibration(tmp_path) == fitted["plain"] and read_calibration(tmp_path, tta=True) == fitted["tta"]
    (tmp_path / "best_model.safetensors").write_bytes(weights_bytes({"a": torch.zeros(3)}))
    assert read_calibration(tmp_path) is None  # of other weights
    assert read_calibration(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "damage", [{"temperature": -1}, {"temperature": "hot"}, {"heat": 2}, {"thresholds": {"0.9": 7}}]
)
def test_a_damaged_file_says_so(tmp_path, damage):
    (tmp_path / "best_model.safetensors").write_bytes(weights_bytes({"a": torch.ones(3)}))
    write_calibration(tmp_path, {"plain": Calibration()})
    file = tmp_path / "calibration.json"
    content = json.loads(file.read_text())
    content["plain"] |= damage
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"calibration\.json.*learnerkit evaluate"):
        read_calibration(tmp_path)


def test_a_temperature_at_its_bound_is_none():
    """One mistake among few, or no model at all: the fit runs to its end, and the probabilities stay as they are."""
    sure = np.array([[0.01, 0.99]] * 3)
    assert (
        fit_temperature(sure, np.array([1, 0, 0])) == 20 and fit_calibration(sure, np.array([1, 0, 0])).temperature == 1
    )
