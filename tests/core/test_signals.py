"""Signals that are taken over for a while."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from learnerkit.core.signals import handled
from learnerkit.runs.job import deaf


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


def test_a_deaf_process_that_ends_by_an_error_does_not_wait_for_its_workers():
    """Without `end_workers_at_exit` it never ends, and with it the job of a cluster."""
    script = (
        "import multiprocessing, time; from learnerkit.core.signals import end_workers_at_exit\n"
        "end_workers_at_exit()\n"
        "multiprocessing.get_context('fork').Process(target=time.sleep, args=(300,), daemon=True).start()\n"
        "raise ValueError('lost')\n"
    )
    with deaf({signal.SIGTERM}):
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    try:
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 1 and said.endswith("ValueError: lost\n")
