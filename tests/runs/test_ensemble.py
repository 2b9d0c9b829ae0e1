"""Ensembles of finished runs."""

import numpy as np
import pytest

from learnerkit.core.errors import RunError
from learnerkit.core.tensors import read_npz, write_npz
from learnerkit.runs.ensemble import ensemble_runs
from tests.runs.fake import fake_run


def test_an_ensemble_averages_probabilities(tmp_path):
    runs = [fake_run(tmp_path, name, "concat", seed, 0.8) for seed, name in ((1, "a"), (2, "b"), (3, "c"))]
    folder, results = ensemble_runs([run.path for run in runs])
    stacked = [read_npz(run.file("predictions.npz"))["probabilities"] for run in runs]
    targets = np.arange(200) % 2
    assert results["test_accuracy"] == (np.mean(stacked, axis=0).argmax(1) == targets).mean()
    assert results["test_gain"] == pytest.approx(results["test_accuracy"] - 0.8) and results["test_single_best"] == 0.8
    assert np.allclose(read_npz(folder / "predictions.npz")["probabilities"], np.mean(stacked, axis=0))
    with pytest.raises(RunError, match="two different runs"):
        ensemble_runs([runs[0].path, runs[0].path])
    other = fake_run(tmp_path, "d", "concat", 4, 0.8, test="u")
    with pytest.raises(RunError, match="other samples"):
        ensemble_runs([runs[0].path, other.path])


def kept_run(root, name, probabilities, targets, part):
    """A finished run with given predictions."""
    run = fake_run(root, name, "concat", 1, 0.8)
    ids = np.array([f"s{number}" for number in range(len(targets))])
    write_npz(run.file("predictions.npz"), ids=ids, part=part, targets=targets, probabilities=probabilities)
    return run.path


def test_others_of_an_ensemble_are_asked_where_the_first_run_is_unsure(tmp_path):
    sure, unsure, other = [0.95, 0.05], [0.6, 0.4], [0.1, 0.9]
    part, targets = np.array(["valid"] * 3 + ["test"] * 3), np.array([0, 1, 1, 0, 1, 1])
    first = np.array([sure, unsure, unsure] * 2)
    second = np.array([sure, other, other] * 2)
    paths = [kept_run(tmp_path, name, values, targets, part) for name, values in (("a", first), ("b", second))]
    folder, results = ensemble_runs(paths, until=0.9)
    expected = np.where(first.max(1, keepdims=True) < 0.9, (first + second) / 2, first)
    assert np.allclose(read_npz(folder / "predictions.npz")["probabilities"], expected)
    assert results["test_accuracy"] == 1.0 and results["test_passes"] == pytest.approx(5 / 3)
    _, results = ensemble_runs(paths, until="auto")
    assert results["until"] == pytest.approx(0.95) and results["test_passes"] == pytest.approx(5 / 3)
    only = part == "test"
    tests = [
        kept_run(tmp_path, name, values[only], targets[only], part[only])
        for name, values in (("c", first), ("d", second))
    ]
    with pytest.raises(RunError, match="until='auto': is fitted on the valid part"):
        ensemble_runs(tests, until="auto")
