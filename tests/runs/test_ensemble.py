"""Ensembles of finished runs."""

import numpy as np
import pytest

from learnerkit.core.errors import RunError
from learnerkit.core.tensors import read_npz
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
