"""Which way a figure is better follows from its name; equal values go to the lower loss."""

import pytest

from learnerkit.core.errors import RecipeError
from learnerkit.core.monitor import check_recorded, direction, is_better, mode_of

LESS = "valid_loss train_loss loss log_loss error_rate zero_one_loss perplexity rmse exp_rmspe brier_score_loss mae"
MORE = "accuracy macro_f1 mAP mAP50 mAP75 f1_score top_k_accuracy roc_auc_score r2_score dice jaccard_coeff recall"


@pytest.mark.parametrize("name", LESS.split())
def test_less_of_these_is_better(name):
    assert direction(name) == mode_of(name) == mode_of(name, "min") == "min"
    with pytest.raises(RecipeError, match="less of it is better, and the worst would be kept"):
        mode_of(name, "max")


@pytest.mark.parametrize("name", MORE.split())
def test_more_of_these_is_better(name):
    assert direction(name) == mode_of(name) == mode_of(name, "max") == "max"
    with pytest.raises(RecipeError, match="more of it is better"):
        mode_of(name, "min")


@pytest.mark.parametrize(
    "name", ["neg_log_loss", "sharpness", "acuracy", "accuracy_gap", "davies_bouldin_score", "d2_log_loss_score"]
)
def test_an_unknown_figure_must_say_it(name):
    assert direction(name) is None and mode_of(name, "min") == "min" and mode_of(name, "max") == "max"
    with pytest.raises(RecipeError, match="say mode='min' or mode='max'"):
        mode_of(name)
    with pytest.raises(RecipeError, match="mode 'least'"):
        mode_of(name, "least")
    with pytest.raises(RecipeError, match="did you mean accuracy"):
        mode_of("acuracy")


def test_better_by_hand():
    nan = float("nan")
    assert is_better(0.4, 0.5, "min") and not is_better(0.5, 0.4, "min") and not is_better(0.5, 0.5, "min")
    assert is_better(0.5, 0.4, "max") and not is_better(0.45, 0.4, "max", min_delta=0.1)
    assert is_better(0.4, None, "max") and not is_better(nan, None, "max") and not is_better(None, 0.1, "min")
    assert is_better(0.0, 0.0, "max", losses=(1.0, 2.0)) and not is_better(0.0, 0.0, "max", losses=(2.0, 1.0))
    assert not is_better(0.0, 0.0, "max", losses=(nan, 1.0)) and not is_better(0.0, 0.0, "max", losses=(1.0, None))
    assert not is_better(0.1, 0.2, "max", losses=(1.0, 2.0))  # a loss decides between equals alone


def test_a_figure_that_is_not_there_is_named():
    with pytest.raises(RecipeError, match=r"monitor 'acc': is not recorded; did you mean accuracy"):
        check_recorded("acc", ["accuracy", "valid_loss"])
