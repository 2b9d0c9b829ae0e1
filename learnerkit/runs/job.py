"""What one job of a cluster does: a trial in a process of its own, which is saved and requeued when the job must go.

A cluster sends its signals to every process of a job. The trial and the workers that it forks are therefore deaf to
all of them, and this process alone hears: it asks the trial once, waits until it has saved, and has the job requeued.
What the trial could not save is not needed for that: a requeued job goes on from the last checkpoint that is whole.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from learnerkit.core.optional import optional
from learnerkit.core.run_lock import is_held
from learnerkit.core.signals import ASKS
from learnerkit.core.text import now
from learnerkit.runs.processes import Work

OF_CLUSTERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
LONGEST_WAIT_S = 60  # for an earlier process of the run; twice what Slurm gives by default to one that has to end
TRIES, BETWEEN_S = 10, 6  # of a requeue, while the controller does not answer
SECOND_SIGNAL_S = 2  # within which a cluster that sends SIGTERM first sends the signal that was agreed on
log = logging.getLogger(__name__)


@dataclass
class TrialJob:
    """A callable for submitit, which is sent to the job as it is and changes nothing of itself.

    work: what is done; preempts: name of the signal that submitit is set to, such as 'USR2'.
    requeue_code: exit code by which submitit's local engine is asked to run the job again; None in Slurm.
    """

    work: Work
    preempts: str = "USR2"
    requeue_code: int | None = None
    pid: int | None = field(default=None, repr=False)
    asked: bool = False

    def __call__(self) -> int:
        """Begin the trial or go on with it; returns its exit code."""
        agreed = getattr(signal, f"SIG{self.preempts}")
        for number in {signal.SIGTERM, agreed}:
            signal.signal(number, self._told)
        if self.work.path.name and not self._waited():
            return 1
        with deaf({*OF_CLUSTERS, agreed}):
            process = self.work.start()
            self.pid = process.pid
        self._ended()
        return process.wait()

    def checkpoint(self) -> object:
        """What submitit calls before the trial has begun: nothing is to be saved, and the same is done again."""
        helpers = optional("submitit.helpers", "slurm", "a job of a sweep")
        return helpers.DelayedSubmission(TrialJob(self.work, self.preempts, self.requeue_code))

    def _waited(self) -> bool:
        """Wait for an earlier process of the run, such as this job's before it was requeued; whether it has ended."""
        until = time.monotonic() + LONGEST_WAIT_S
        while is_held(self.work.path) and time.monotonic() < until:
            self._say(f"waits: {self.work.path} is in use by another process")
            time.sleep(1)
        if is_held(self.work.path):
            self._say(f"error: {self.work.path} is still in use by another process after {LONGEST_WAIT_S} s")
            return False
        return True

    def _ended(self) -> None:
        """Wait until the trial has ended; neither reaps nor locks, so that a handler may wait in the midst of it."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def _told(self, number: int, frame: FrameType | None) -> None:
        """Have the trial save, once; then go back to the queue, or end where somebody cancelled the job."""
        self._say(f"{signal.Signals(number).name}: the trial is asked to save")
        if self.pid is not None:
            if not self.asked:
                self.asked = True
                os.kill(self.pid, ASKS)
            self._ended()  # whether it could save is in its log
        agreed = number == getattr(signal, f"SIG{self.preempts}")
        if not agreed:
            time.sleep(SECOND_SIGNAL_S)
        if number != signal.SIGTERM or goes_back(agreed):
            self._requeue()
        self._say("ends")
        sys.exit(128 + number)

    def _requeue(self) -> None:
        for number in OF_CLUSTERS:
            signal.signal(number, signal.SIG_IGN)  # Slurm ends a job that it requeues
        self._say("goes back to the queue")
        if self.requeue_code is not None:
            os._exit(self.requeue_code)
        for _ in range(TRIES):
            done = subprocess.run(["scontrol", "requeue", job_id()], capture_output=True, text=True)
            if done.returncode == 0:
                os._exit(0)  # as it is: no result of submitit's may say that the job is over
            self._say(f"scontrol requeue: {done.stderr.strip()}")
            time.sleep(BETWEEN_S)
        sys.exit(f"{job_id()} could not be requeued; the same sweep command goes on with its trial")

    def _say(self, text: str) -> None:
        try:
            with self.work.log.open("a") as file:
                file.write(f"{now()} job: {text}\n")
        except OSError as error:  # a full disk keeps nothing from being requeued
            log.warning("%s (%s)", text, error)


@contextmanager
def deaf(numbers: set[signal.Signals]) -> Iterator[None]:
    """Within, processes are started to which signals never come: blocked, which forks and programs inherit.

    numbers: of the signals.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def job_id() -> str:
    """Of the job that this process belongs to, by which Slurm requeues it."""
    return os.environ["SLURM_JOB_ID"]


def goes_back(agreed: bool) -> bool:
    """Whether a job that was sent SIGTERM is to be requeued by itself: Slurm does not cancel it, and either takes its
    node for another job, for which one that ends by itself is not requeued, or SIGTERM is the signal agreed on.

    agreed: whether it is.
    """
    if "SLURM_JOB_ID" not in os.environ:
        return agreed
    asked = subprocess.run(["scontrol", "show", "job", "-o", job_id()], capture_output=True, text=True)
    facts = dict(word.split("=", 1) for word in asked.stdout.split() if "=" in word)
    runs = facts.get("JobState", "RUNNING") == "RUNNING"
    return runs and (agreed or facts.get("PreemptTime", "None") != "None")
