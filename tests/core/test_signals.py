"""Signals that are taken over for a while."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from learnerkit.core.signals import handled


def refuse(number, frame):
    raise KeyboardInterrupt(number)


def test_signals_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), handled(refuse, signal.SIGTERM):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_than_the_main_one_takes_nothing_over():
    def within():
        with handled(refuse, signal.SIGTERM, signal.SIGHUP):
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:  # as a notebook may run its cells
        assert pool.submit(within).result() is not refuse
