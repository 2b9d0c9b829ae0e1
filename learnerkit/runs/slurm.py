"""The trials of a sweep as jobs of Slurm, through submitit: arrays, of which so many run at once as `jobs` says."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learnerkit.core.errors import RecipeError, RunError
from learnerkit.core.files import read_ledger
from learnerkit.core.optional import optional
from learnerkit.core.text import shortened
from learnerkit.runs.engines import Engine, LocalEngine
from learnerkit.runs.job import TrialJob
from learnerkit.runs.processes import Work
from learnerkit.runs.slurm_options import SlurmOptions

PROGRAMS = ("sbatch", "squeue", "scontrol", "srun")
LARGEST_ARRAY = 1000  # Slurm's MaxArraySize is 1001 where nobody changed it
ASKED_EVERY_S = 5
LATE_S = 15  # that a result may come after its job has left the queue, on a file system of many machines


class JobProcess:
    """A job of a trial.

    job: submitit's; queue: that knows which jobs are in Slurm's.
    """

    def __init__(self, job: Any, queue: "Queue") -> None:
        self.job, self.queue, self.left = job, queue, None
        self.returncode: int | None = None
        self.why = ""

    def poll(self) -> int | None:
        """The exit code of its trial; 1 of one that left the queue without a result; None as long as it goes on."""
        if self.returncode is None:
            if self.job.paths.result_pickle.exists():
                error = self.job.exception()
                self.returncode = self.job.result() if error is None else 1
                self.why = "" if error is None else last_error(str(error))
            elif self.queue.state(self.job) is not None:
                self.left = None
            elif self.left is None:
                self.left = time.monotonic()
            elif time.monotonic() - self.left > LATE_S:
                self.returncode = 1
                self.why = f"job {self.job.job_id} left the queue without a result, see {self.job.paths.stdout}"
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"job {self.job.job_id}", timeout)
            time.sleep(0.5)
        return self.returncode


class Queue:
    """The states of this user's jobs, asked for all at once and not too often."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.at = float("-inf")

    def state(self, job: Any) -> str | None:
        """Of a job, such as 'PENDING'; None where it is not in the queue."""
        if time.monotonic() - self.at > ASKED_EVERY_S:
            self.ask()
        return self.states.get(job.job_id)

    def ask(self, must: bool = False) -> None:
        """Ask Slurm. must: RunError where it does not answer; else what was known stands, for no answer is no end."""
        asked = subprocess.run(["squeue", "--me", "-h", "-r", "-o", "%i %T"], capture_output=True, text=True)
        if asked.returncode == 0:
            self.states = dict(line.split() for line in asked.stdout.splitlines() if line.strip())
        elif must:
            raise RunError(f"squeue: {shortened(asked.stderr.strip(), 200)}; whether trials are queued cannot be told")
        self.at = time.monotonic()


class SlurmEngine:
    """Jobs of Slurm, which go on when the sweep is ended.

    out: the sweep's folder, on a file system that all machines share; jobs: at once.
    options: of each job; cluster: 'local' for submitit's engine of this machine, which stands in for Slurm in tests.
    """

    starts = "submitted"

    def __init__(self, out: Path, jobs: int, options: SlurmOptions, cluster: str = "slurm") -> None:
        self.submitit = optional("submitit", "slurm", "--engine slurm")
        self.folder, self.jobs, self.local = out.resolve() / "jobs", jobs, cluster == "local"
        self.preempts = self.submitit.JobEnvironment.USR_SIG
        self.queue = Queue() if not self.local else _LocalQueue()
        parameters = options.parameters()
        if self.local:
            executor = self.submitit.LocalExecutor(self.folder)
            executor.update_parameters(timeout_min=parameters["time"])
        else:
            if lost := [name for name in PROGRAMS if shutil.which(name) is None]:
                raise RunError(
                    f"--engine slurm: {', '.join(lost)} not found; call the sweep on a machine of the cluster"
                )
            executor = self.submitit.SlurmExecutor(self.folder, python=_patient(sys.executable, self.preempts))
            executor.update_parameters(job_name=f"sweep-{out.resolve().name}", array_parallelism=jobs, **parameters)
            self.queue.ask(must=True)
        self.executor = executor
        self.earlier = submitted_jobs(out)

    def room(self, running: int) -> int:
        """An array where nothing is under way, which keeps to `jobs` by itself; else as many as are still missing."""
        return LARGEST_ARRAY if not running and not self.local else max(0, self.jobs - running)

    def start(self, works: Sequence[Work]) -> list[JobProcess]:
        """Submit them, as an array where they are several."""
        code = self.submitit.local.local.LOCAL_REQUEUE_RETURN_CODE if self.local else None
        errors = self.submitit.core.utils
        try:
            with self.executor.batch():
                jobs = [self.executor.submit(TrialJob(work, self.preempts, code)) for work in works]
        except (errors.FailedJobError, errors.FailedSubmissionError) as error:
            raise RunError(f"sbatch: {shortened(str(error).strip(), 300)}; nothing was submitted") from error
        self.queue.states.update({job.job_id: "PENDING" for job in jobs})  # unless Slurm answers otherwise
        self.queue.ask()
        return [JobProcess(job, self.queue) for job in jobs]

    def id_of(self, process: JobProcess) -> dict[str, int | str]:
        """As Slurm calls it, such as '12_3'."""
        return {"job": process.job.job_id}

    def find(self, name: str) -> JobProcess | None:
        """The job that an earlier call submitted for a trial, where it is queued or runs."""
        job_id = self.earlier.pop(name, None)
        if job_id is None or self.local or job_id not in self.queue.states:
            return None
        return JobProcess(self.submitit.SlurmJob(self.folder, job_id), self.queue)

    def waits(self, process: JobProcess) -> bool:
        """Whether it is in the queue and does not run."""
        return self.queue.state(process.job) == "PENDING"

    def stop(self, processes: Sequence[JobProcess]) -> None:
        """Nothing: the jobs are Slurm's."""


class _LocalQueue(Queue):
    """Of submitit's local engine, whose jobs know by themselves."""

    def state(self, job: Any) -> str | None:
        """Of a job."""
        return None if job.done() else "RUNNING"

    def ask(self, must: bool = False) -> None:
        """Nothing is to be asked."""


def _patient(python: str, preempts: str) -> str:
    """A command that starts Python deaf to the agreed signal, by which a job that is just beginning would die."""
    return f"""sh -c 'trap "" {preempts}; exec "$0" "$@"' {python}"""


def last_error(text: str) -> str:
    """The last line of a traceback that names an error; the last line at all where none does."""
    lines = [line.strip() for line in text.splitlines() if line.strip("- ")]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return shortened((named or lines or [""])[-1], 300)


def submitted_jobs(out: Path) -> dict[str, str]:
    """The last job of each trial of a sweep that was ever submitted, by the trial's name."""
    ledger = out / "sweep.jsonl"
    rows = read_ledger(ledger) if ledger.exists() else []
    return {row["trial"]: row["job"] for row in rows if row.get("job") is not None}


def chosen_engine(
    engine: str, out: Path, jobs: int, threads: int | None, options: SlurmOptions
) -> tuple[Engine, int | None]:
    """The engine of a sweep, and the threads of each trial, None where the cores of this machine are shared out.

    RecipeError for options of jobs without jobs; RunError for trials that are in Slurm's queue, and shall run here.
    """
    if engine == "slurm":
        return SlurmEngine(out, jobs, options), threads or options.cpus or 1
    given = [name for name, value in vars(options).items() if value not in (None, {})]
    if given:
        flag = given[0].replace("others", "slurm")
        raise RecipeError(f"--{flag}: is said of jobs; add --engine slurm")
    earlier = submitted_jobs(out)
    if earlier and shutil.which("squeue"):
        queue = Queue()
        queue.ask(must=True)
        if still := [job for job in earlier.values() if job in queue.states]:
            raise RunError(
                f"{out}: {len(still)} of its trials are queued or run in Slurm. Go on with --engine slurm, or end them "
                f"before: scancel {' '.join(sorted({job.partition('_')[0] for job in still}))}"
            )
    return LocalEngine(jobs), threads
