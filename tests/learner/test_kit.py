"""The learner itself: seeds by position, lr_find on limited batches."""

import numpy as np
import pytest
from fastai.callback.core import Callback

from learnerkit.all import DataError, ImageInterpretation, Run, list_models, load_run
from tests.conftest import toy_learner


class FailsOnce(Callback):
    def before_fit(self):
        raise ValueError("no")


def test_a_callback_that_fails_at_the_beginning_of_a_validation_leaves_nothing_behind():
    learn = toy_learner()
    before = list(learn.cbs)
    for measure in (learn.validate, learn.get_preds):
        with pytest.raises(ValueError, match="no"):
            measure(cbs=FailsOnce())
        assert list(learn.cbs) == before
        assert not learn.lock.locked()
    assert len(learn.validate()) == 3


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


def test_a_pass_leaves_what_the_fit_has_recorded():
    learn = toy_learner()
    learn.fit(2, 0.05)
    losses, rates, rows = list(learn.recorder.losses), list(learn.recorder.lrs), list(learn.recorder.values)
    assert len(losses) == len(rates) == 2 * len(learn.dls.train) and len(rows) == 2
    measured = learn.validate()
    learn.get_preds()
    learn.predict(0)
    with pytest.raises(KeyError):
        learn.validate(cbs=Callback(after_pred=lambda self: {}["stopped"]))
    assert (learn.recorder.losses, learn.recorder.lrs, learn.recorder.values) == (losses, rates, rows)
    assert measured == rows[-1][1:]
    learn.fit(1, 0.05)
    assert len(learn.recorder.values) == 1 and len(learn.recorder.losses) == len(learn.dls.train)


def test_without_data_nothing_is_fitted_or_measured(tmp_path):
    trained = toy_learner([Run(tmp_path, "run", report=False)])
    trained.fit(1, 0.05)
    learn, pixels = load_run(tmp_path / "run", data=False), trained.dls.source.images[:2]
    for act in (
        lambda: learn.fit(1),
        lambda: learn.fit_one_cycle(1),
        learn.validate,
        learn.get_preds,
        learn.show_results,
        lambda: ImageInterpretation.from_learner(learn),
    ):
        with pytest.raises(DataError, match="was loaded without its data, so there is nothing to fit or to measure on"):
            act()
    assert learn.predict(pixels[0])[0] in learn.dls.vocab
    assert learn.get_preds(dl=learn.dls.test_dl(list(pixels)))[0].shape == (2, 3)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (True, "True is no sample"),
        (np.bool_(False), "False is no sample"),
        (-1, "row -1: rows are counted from 0"),
        (96, "row 96: .* has 96 samples"),
    ],
)
def test_what_is_no_row_number_is_refused(item, said):
    with pytest.raises(DataError, match=said):
        toy_learner().predict(item)
