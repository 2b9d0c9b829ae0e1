"""Which samples are worth more passes, by cases worked on paper."""

import pytest
import torch

from learnerkit.ops.unsure import unsure, until_of


def answers(*rows):
    """Probabilities of two classes from (confidence, class)."""
    return torch.tensor([[1 - sure, sure] if code else [sure, 1 - sure] for sure, code in rows])


def test_unsure_is_below_the_confidence():
    assert unsure(torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]), 0.8).tolist() == [False, True, False]


def test_the_least_confidence_that_changes_no_accuracy():
    first = answers((0.95, 0), (0.9, 0), (0.8, 0), (0.7, 1), (0.6, 0))
    averaged = answers(
        (0.9, 0), (0.9, 0), (0.9, 0), (0.9, 0), (0.9, 0)
    )  # right about the fourth, unlike the first pass
    targets = torch.zeros(5, dtype=torch.long)
    assert until_of(first, averaged, targets) == pytest.approx(0.8)
    assert until_of(first, averaged, targets, within=0.2) == pytest.approx(0.6)
    assert until_of(averaged, averaged, targets) == pytest.approx(0.9)


def test_a_gain_of_one_threshold_by_luck_does_not_make_up_for_a_loss_above_it():
    first = answers((0.9, 1), (0.8, 0), (0.7, 0))
    averaged = answers((0.6, 0), (0.6, 1), (0.6, 0))
    until = until_of(first, averaged, torch.zeros(3, dtype=torch.long))
    assert until > 1 and unsure(first, until).all()


def test_samples_of_one_confidence_go_together():
    first = answers((0.9, 0), (0.8, 0), (0.8, 1))
    averaged = answers((0.9, 0), (0.9, 0), (0.9, 0))
    assert until_of(first, averaged, torch.zeros(3, dtype=torch.long)) == pytest.approx(0.9)
