"""The learner itself: seeds by position, lr_find on limited batches."""

import numpy as np
from fastai.callback.core import Callback

from learnerkit.all import (
    list_models,
)
from tests.conftest import toy_learner


def test_numpy_is_seeded_by_position_too():
    draws = []
    for _ in range(2):
        learn = toy_learner()
        learn.add_cb(Callback(after_pred=lambda self: draws.append(np.random.rand())))
        learn.fit(1)
        np.random.rand(5)
    assert draws[: len(draws) // 2] == draws[len(draws) // 2 :]


def test_smaller_ones():
    assert list_models("wrn*") == ["wrn_D_K"] and "resnet18" in list_models("res*")
    learn = toy_learner(limit_batches=2)
    assert learn.lr_find(num_it=20, show_plot=False).valley > 1e-5
