"""Learners of finished runs: what is rebuilt, and what is refused rather than guessed."""

import pytest
import torch

from learnerkit.all import Run, load_run
from learnerkit.core.errors import RunError
from tests.conftest import make_toy_dls, toy_learner


def test_what_cannot_be_recorded_must_be_given_to_load_run(tmp_path):
    learn = toy_learner([Run(tmp_path, "a")], loss_func=torch.nn.CrossEntropyLoss(label_smoothing=0.3))
    learn.fit(1)
    with pytest.raises(RunError, match="loss_func="):
        load_run(tmp_path / "a", data=make_toy_dls())
    loaded = load_run(tmp_path / "a", data=make_toy_dls(), loss_func=torch.nn.CrossEntropyLoss(label_smoothing=0.3))
    assert loaded.validate()[0] == pytest.approx(learn.validate()[0], abs=1e-6)
