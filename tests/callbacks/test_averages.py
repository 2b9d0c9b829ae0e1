"""An average of the weights: what is measured, saved, kept and loaded are the same weights."""

import pytest
import torch
from fastai.callback.tracker import SaveModelCallback

from learnerkit.all import EMA, Run, image_learner, load_model
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_learner


def learner(tmp_path, *cbs):
    learn = toy_learner([EMA(0.9), *cbs], dls=make_toy_dls(), path=tmp_path)
    return learn


def figures(learn):
    """Those of a learner without averages that has the same weights."""
    plain = toy_learner(dls=learn.dls)
    plain.model.load_state_dict(learn.model.state_dict())
    return pytest.approx(list(plain.validate()), abs=1e-6)


def test_what_is_saved_is_what_was_measured(tmp_path):
    learn = learner(tmp_path)
    learn.fit(2)
    measured, trained = list(learn.validate()), state_of(learn)
    learn.save("averaged")
    assert_same_weights(trained, state_of(learn))
    learn.load("averaged")
    assert list(learn.validate()) == pytest.approx(measured, abs=1e-6)
    assert measured == figures(learn)


def loaded(learn, other):
    learn.load("other")


def assigned(learn, other):
    learn.model.load_state_dict(other)


def copied(learn, other):
    with torch.no_grad():
        for name, value in learn.model.state_dict().items():
            value.copy_(other[name])


@pytest.mark.parametrize("put", [loaded, assigned, copied])
def test_other_weights_are_measured_as_themselves_however_they_came(put, tmp_path):
    learn = learner(tmp_path)
    other = toy_learner(dls=learn.dls, path=tmp_path, seed=5)
    other.fit(1)
    other.save("other")
    learn.fit(2)
    assert list(learn.validate()) != figures(learn)
    put(learn, state_of(other))
    assert list(learn.validate()) == figures(learn)
    learn.fit(1)  # and a further fit begins another average, of these
    assert int(learn.ema.averaged.n_averaged) == 1 + len(learn.dls.train)


def test_a_search_for_a_rate_leaves_the_average(tmp_path):
    learn = learner(tmp_path)
    learn.fit(2)
    measured, trained = list(learn.validate()), state_of(learn)
    learn.lr_find(num_it=30, show_plot=False)
    assert_same_weights(trained, state_of(learn))
    assert list(learn.validate()) == pytest.approx(measured, abs=1e-6)


def test_the_best_model_of_fastais_callback_has_the_figures_it_was_chosen_by(tmp_path):
    learn = learner(tmp_path, SaveModelCallback("valid_loss", fname="best"))
    learn.fit(3)
    best = min(row[1] for row in learn.recorder.values)
    assert learn.validate()[0] == pytest.approx(best, abs=1e-6)  # which the callback has loaded
    assert list(learn.validate()) == figures(learn)


def test_a_run_keeps_the_average(tmp_path):
    learn = learner(tmp_path, Run(tmp_path, "a", report=False))
    learn.fit(2)
    assert_same_weights(load_model(tmp_path / "a", "final_model").state_dict(), learn.eval_model().state_dict())
    assert learn.eval_model() is not learn.model


def laid_out(learn):
    learn.model.to(memory_format=torch.contiguous_format)


def in_threads(learn):
    torch.set_num_threads(torch.get_num_threads() % 2 + 1)


def exported(learn):
    for parameter in learn.model.parameters():
        parameter.data = parameter.data.clone()


@pytest.mark.parametrize("change", [laid_out, in_threads, exported])
def test_the_same_weights_in_another_form_keep_their_average(change, tmp_path):
    learn = image_learner(make_toy_dls(), "resnet18", cbs=EMA(0.9), seed=1, limit_batches=2)
    learn.logger, threads = (lambda row: None), torch.get_num_threads()
    learn.fit(1, 0.01)
    measured = learn.validate()[0]
    try:
        change(learn)
        assert learn.validate()[0] == pytest.approx(measured, rel=1e-5)
        assert learn.ema.averaged is not None
    finally:
        torch.set_num_threads(threads)


def test_an_average_of_one_fit_stays_as_the_weights(tmp_path):
    learn = toy_learner()
    learn.fit(2, 0.05, cbs=EMA(0.9))
    measured = learn.recorder.values[-1][1]
    assert learn.validate()[0] == pytest.approx(measured, abs=1e-6)
