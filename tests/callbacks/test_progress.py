"""What is told of a training where no bar can be shown: a line a minute."""

from itertools import pairwise

import pytest

from learnerkit.callbacks import progress
from learnerkit.callbacks.track import EarlyStop
from tests.conftest import toy_learner


class Clock:
    """A time that goes on by some seconds whenever it is asked for."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def told(capsys, monkeypatch):
    """A function from the seconds between two looks at the clock, and a fit, to the lines that it prints."""

    def run(step, epochs, **settings):
        monkeypatch.setattr(progress.time, "monotonic", Clock(step))
        learn = toy_learner(**settings)
        learn.logger = print
        learn.fit(epochs)
        assert learn.logger is print
        return capsys.readouterr().out.splitlines()

    return run


def epochs_of(lines):
    return [int(line.split()[0]) for line in lines[1:] if line.split()[0].isdecimal()]


def test_of_fast_epochs_the_first_and_the_last_are_told(told):
    lines = told(1e-6, 20)
    assert lines[0].split()[0] == "epoch"
    assert epochs_of(lines) == [0, 19]


def test_a_minute_later_there_is_a_line_again(told):
    # four batches of training, one of validation and some looks beside them are about ten seconds an epoch
    said = epochs_of(told(1.0, 40))
    assert said[0] == 0
    assert said[-1] == 39
    gaps = {after - before for before, after in pairwise(said[1:-1])}
    assert 1 < min(gaps) <= max(gaps) < 20


def test_within_a_long_epoch_a_line_says_how_far_it_is(told):
    lines = told(100.0, 1)
    assert lines[1].startswith("  epoch 0 of 1: batch ")
    assert " of 4, training loss " in lines[1]


def test_the_last_epoch_of_a_fit_that_ends_early_is_told(told):
    lines = told(1e-6, 9, cbs=EarlyStop("valid_loss", patience=0, min_delta=100.0))
    assert epochs_of(lines) == [0, 1]
