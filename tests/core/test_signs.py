"""Each sign of a bad training by hand-worked figures: told where it is one, and not on the other side."""

import math

import pytest

from learnerkit.core import signs
from learnerkit.core.diagnosis import line_of, shown, told_now
from learnerkit.core.signs import Sign
from learnerkit.detect.signs import boxes_off, empty_targets, no_precision

LN10 = math.log(10)
NAMES = ["a", "b", "c", "d"]


def test_a_loss_at_chance():
    found = signs.loss_at_chance(2.31, LN10, 10, 120)
    assert found.text == "after 120 steps the training loss is 2.310; guessing among 10 classes gives 2.303"
    assert signs.loss_at_chance(2.25, LN10, 10, 120) is None  # 2 % below it: something is learnt
    assert signs.loss_at_chance(2.31, LN10, 10, 5) is None  # a first epoch of five steps


def test_one_class_predicted():
    found = signs.one_class_predicted([0, 99, 1, 0], [25, 25, 25, 25], NAMES, 200)
    assert found.text == "99 of 100 valid samples are predicted as b, whose own are 25" and found.lasting
    assert signs.one_class_predicted([0, 97, 3, 0], [25, 25, 25, 25], NAMES, 200) is None
    assert signs.one_class_predicted([0, 100, 0, 0], [2, 95, 2, 1], NAMES, 200) is None  # nearly all are of it
    assert signs.one_class_predicted([0, 100, 0, 0], [25, 25, 25, 25], NAMES, 99) is None
    assert signs.one_class_predicted([0, 10, 0, 0], [2, 3, 3, 2], NAMES, 200) is None


def test_one_class_trained():
    assert "all 128 training targets of 4 batches are b" in signs.one_class_trained(1, 1, 128, 4, NAMES).text
    assert signs.one_class_trained(0, 1, 128, 4, NAMES) is None
    assert signs.one_class_trained(1, 1, 64, 2, NAMES) is None  # two batches of a sorted set
    assert signs.one_class_trained(0, 0, 128, 4, ["a"]) is None  # there is no other


def test_dead_units():
    found = signs.dead_units({"stem": (1, 64), "layer4": (60, 64), "layer5": (64, 64)})
    assert found.text.startswith("64 of 64 channels after layer5 are 0") and "1 more layer" in found.text
    assert signs.dead_units({"stem": (32, 64), "empty": (0, 0)}) is None


def test_accuracies_apart():
    # three errors of 600 samples at .7 are 3 sqrt(.21 / 600) = .056: a gap of .25 is below .256, one of .26 above
    assert signs.apart(0.95, 0.70, 600, 10) is None
    found = signs.apart(0.96, 0.70, 600, 10)
    assert found.sign == "overfit" and found.text.endswith("valid accuracy 70.0% of 600 samples: it overfits")
    assert signs.apart(0.5, 0.7, 600, 10) is None
    assert signs.apart(1.0, 0.5, 10, 10) is None


def test_a_valid_part_at_chance():
    # three errors of chance among 10 classes and 600 samples are 3 sqrt(.09 / 600) = .037
    assert signs.apart(0.95, 0.13, 600, 10).sign == "valid_at_chance"
    assert signs.apart(0.95, 0.0, 600, 10).sign == "valid_at_chance"  # every class taken for another
    assert signs.apart(0.95, 0.15, 600, 10).sign == "overfit"
    assert signs.apart(0.55, 0.13, 600, 10).sign == "overfit"  # it may yet come


def test_losses_apart():
    found = signs.losses_apart(0.2, [1.0, 0.5, 0.6, 0.7, 0.8])
    assert found.sign == "overfit" and "its best 3 epochs ago" in found.text
    assert signs.losses_apart(0.2, [1.0, 0.9, 0.5, 0.6, 0.7]) is None  # two epochs are noise
    assert signs.losses_apart(0.5, [1.0, 0.5, 0.6, 0.7, 0.8]) is None
    assert signs.losses_apart(0.2, []) is None


def test_a_rate_that_is_too_high():
    rising = [2.0] * 5 + [3.5] * 20
    found = signs.rate_too_high(rising, [1.0, 8.0], LN10, 25)
    assert (
        found.text == "the loss was 2 at the start and rose to 3.5 within 25 batches, the gradient's norm grew 8 times"
    )
    assert signs.rate_too_high([*rising, *[2.0] * 40], [], LN10, 65).level == 3.5 / 2  # and came back
    assert signs.rate_too_high([*rising, *[2.0] * 40], [], LN10, 40) is None  # in an epoch before
    assert signs.rate_too_high([2.0] * 5 + [2.9] * 20, [], LN10, 25) is None  # a warm-up's peak
    assert signs.rate_too_high([2.0] * 24 + [900.0], [], LN10, 25) is None  # one batch
    assert signs.rate_too_high([0.1] * 5 + [1.0] * 20, [], LN10, 25) is None  # a fit that goes on: far from lost
    assert signs.rate_too_high([0.1] * 5 + [1.0] * 20, [], None, 25) is not None
    assert signs.rate_too_high(rising[:24], [], LN10, 24) is None
    assert signs.rate_too_high([2.0] * 25, [1.0, 101.0], LN10, 25) is not None
    assert signs.rate_too_high([2.0] * 5 + [1.0] * 20, [1.0, 101.0], LN10, 25) is None  # it learns


def test_a_training_that_the_guard_stopped():
    found = signs.rate_too_high([2.3, 5.0, 400.0], [], LN10, 0, ended=True)
    assert found.text == "the loss was 2.3 at the start and rose to 400 within 3 batches; then it was not finite"
    assert signs.rate_too_high([2.3, 2.2, 2.1], [], LN10, 0, ended=True) is None  # it was something else
    assert signs.rate_too_high([2.3], [], LN10, 0, ended=True) is None
    assert signs.guard_trips(3, 100).text == "the guard passed over 3 of 100 batches"
    assert signs.guard_trips(2, 100) is None


def test_inputs_that_are_not_normalised_once():
    stats = (0.5, 0.4), (0.25, 0.25)
    assert signs.normalisation(0.0, 1.0, -2.0, 2.0, stats) is None
    # (0 - .5) / .25 = -2 and (0 - .4) / .25 = -1.6, on average -1.8; deviation 1 / .25 = 4
    found = signs.normalisation(-1.8, 4.0, -10.0, 6.0, stats)
    assert found.sign == "normalised_twice" and found.text.endswith("normalised twice they are -1.80 and 4.00")
    assert signs.normalisation(0.45, 0.25, 0.0, 1.0, stats).sign == "not_normalised"
    assert signs.normalisation(115.0, 60.0, 0.0, 255.0, None).sign == "not_normalised"
    assert signs.normalisation(0.45, 0.25, 0.0, 1.0, None) is None  # the set says of no figures
    assert signs.normalisation(-1.8, 4.0, -10.0, 6.0, None) is None
    assert signs.normalisation(0.1, 0.7, -2.0, 2.0, stats) is None  # much padding
    assert signs.normalisation(0.0, 1.3, -2.0, 2.0, stats) is None  # much contrast


def test_a_loss_of_probabilities():
    assert signs.loss_of_probabilities(0.0, 1e-7, 0.0).sign == "loss_of_probabilities"
    assert signs.loss_of_probabilities(-0.1, 1e-7, 0.0) is None  # logits
    assert signs.loss_of_probabilities(0.0, 0.4, 0.0) is None
    assert signs.loss_of_probabilities(0.0, 1e-7, 0.3) is None  # a loss that is made for probabilities
    assert signs.loss_of_probabilities(0.0, 1e-7, math.nan) is None  # the loss did not take them


def test_frozen_parts():
    found = signs.frozen(["a.weight"], ["b.weight"], ["head.weight", "head.bias"], 4)
    assert found.text == (
        "head.weight, head.bias of the last layer is set not to train; b.weight is not in the optimizer; "
        "a.weight had no gradient at 4 steps"
    )
    assert signs.frozen([], [], [], 4) is None
    assert signs.frozen(["a.weight"], [], [], 3) is None


def test_signs_of_detectors():
    assert no_precision(0.0, 50, 300).text == "after 300 steps AP50 is 0.000 on 50 valid objects"
    assert no_precision(0.0, 50, 299) is None and no_precision(0.002, 50, 300) is None
    assert no_precision(0.0, 9, 300) is None
    assert empty_targets(0, 16) is not None and empty_targets(1, 16) is None and empty_targets(0, 15) is None
    assert boxes_off(40, 20, 300.0, 16).text == "20 of 40 training boxes reach past their frame"
    assert boxes_off(40, 0, 0.5, 16).text.endswith("they are shares of the frame")
    assert boxes_off(40, 19, 30.0, 16) is None and boxes_off(0, 0, 0.0, 16) is None


def test_a_sign_is_told_once_again_where_it_is_worse_and_marked_where_it_passed():
    overfit = lambda level: Sign("overfit", f"gap {level}", "decay", level)  # noqa: E731
    records, said = told_now([], [overfit(0.2)], 3)
    assert [record["text"] for record in said] == ["gap 0.2"]
    records, said = told_now(records, [overfit(0.29)], 4)  # less than half as much again
    assert not said and records[0]["passed"] is None
    records, said = told_now(records, [overfit(0.31)], 5)
    assert [record["epoch"] for record in records] == [3, 5] and len(said) == 1
    records, _ = told_now(records, [], 6)
    records, _ = told_now(records, [], 7)
    assert [record["passed"] for record in records] == [6, 6]
    records, said = told_now(records, [overfit(0.2)], 8)
    assert not said and [record["passed"] for record in records] == [None, None]
    assert line_of(said[0] if said else records[0]) == "epoch 3: gap 0.2. Try: decay."
    assert shown(records)[0] == {"epoch": 3, "sign": "overfit", "text": "gap 0.2", "try": "decay", "passed": None}


@pytest.mark.parametrize(("before", "last", "told"), [((), False, 0), (("s",), False, 1), ((), True, 1)])
def test_a_lasting_sign_is_told_in_the_second_epoch_of_a_row_or_in_the_last(before, last, told):
    assert len(told_now([], [Sign("s", "t", "r", lasting=True)], 1, before, last)[1]) == told


def test_few_batches_show_a_loss_that_is_multiplied():
    grows = [1.4, 4.2, 54.0, 82.0, 5.4e3, 2e5, 3e6, 1e9, 1e12]
    assert signs.rate_too_high(grows, [], 1.39, 9).sign == "rate_too_high"
    assert signs.rate_too_high(grows[:7], [], 1.39, 7) is None  # too few
    assert signs.rate_too_high([1.4, 1.9, 2.4, 3.0, 3.5, 3.2, 3.9, 4.1, 4.0], [], 1.39, 9) is None  # as of a warm-up
