"""A grid of trials, each a process and a run folder of its own; what fails is recorded, the rest goes on."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from learnerkit.core.disk import check_place
from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike, append_line, atomic_write, made_folder, to_json, write_json
from learnerkit.core.finished import is_finished
from learnerkit.core.profiles import disturbance, read_summary
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.signals import handled
from learnerkit.core.text import now
from learnerkit.core.yaml import to_yaml
from learnerkit.runs.eta import TimeLeft
from learnerkit.runs.live import SweepTable
from learnerkit.runs.processes import Started, interrupt, is_held, reason_of, start_command
from learnerkit.runs.sweep_page import write_summary
from learnerkit.runs.sweep_results import rows_of, said_of, write_results
from learnerkit.runs.tracked_sweep import SweepTracker
from learnerkit.runs.trials import Trial, check_disk, open_data, plan_trials

POLL_S = 0.25
log = logging.getLogger(__name__)


class Sweep:
    """Runs the trials of a grid.

    trials: from `trials.plan_trials`; out: the sweep's folder.
    jobs: trials at a time; threads: of each, the cores shared out when None.
    profile: measure the cost of each trained model at the end, one at a time, so that nothing else disturbs it.
    """

    def __init__(
        self, trials: list[Trial], out: Path, jobs: int = 1, threads: int | None = None, profile: bool = False
    ) -> None:
        self.trials, self.out, self.jobs, self.profile = trials, out, max(1, jobs), profile
        self.tracked = SweepTracker(trials, out)
        self.threads = threads or max(1, (os.cpu_count() or 1) // self.jobs)
        self.running: dict[str, Started] = {}
        self.page: Path | None = None

    def run(self, show: Callable[..., None]) -> None:
        """Run what is missing.

        show: called with the trials a few times a second and whenever one ends, see `SweepTable.show`.
        """
        for folder in ("logs", "recipes"):
            made_folder(self.out / folder)
        owner = RunFolder(self.out)
        owner.lock()  # two sweeps into one folder would start the same trials
        self._summarise()
        self.tracked.begin()
        waiting = [trial for trial in self.trials if trial.state != "done"]
        try:
            with handled(interrupt, signal.SIGTERM, signal.SIGHUP):
                try:
                    self._work(waiting, show)
                finally:
                    self._stop_all()
                    self._draw()
        finally:
            owner.unlock()

    def _work(self, waiting: list[Trial], show: Callable[..., None]) -> None:
        """Start what waits as there is room, until all has ended."""
        while waiting or self.running:
            while waiting and len(self.running) < self.jobs:
                self._start(waiting.pop(0))
            time.sleep(POLL_S)
            for trial in self.trials:
                started = self.running.get(trial.name)
                if started and started.process is None and not is_held(trial.path):
                    del self.running[trial.name]  # what an earlier sweep had left running has ended
                    trial.state = "done" if is_finished(trial.path) else "waiting"
                    waiting += [trial] if trial.state == "waiting" else []
                elif started and started.process is not None and started.process.poll() is not None:
                    self._end(trial)
            show(self.trials)
        self._profile_all(show)

    def _start(self, trial: Trial) -> None:
        trial.state = "running"
        log_path = self.out / "logs" / f"{trial.file_name}.log"
        begun = log_path.stat().st_size if log_path.exists() else 0
        if is_held(trial.path):
            self.running[trial.name] = Started(None, time.monotonic(), begun)
            self._record(trial, "found running")
            return
        resume = (trial.path / "run.json").exists()
        if resume:
            command = ["train", "--resume", str(trial.path), "--allow", "threads"]
        else:
            recipe = self.out / "recipes" / f"{trial.file_name}.yaml"
            atomic_write(recipe, to_yaml(trial.recipe.model_dump(mode="json")))
            command = ["train", str(recipe), "--out", str(trial.path.parent), "--name", trial.path.name]
        threads = str(self.threads)
        environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, **self.tracked.environment}
        process = start_command(command, log_path, environment)
        self.running[trial.name] = Started(process, time.monotonic(), begun)
        self._record(trial, "resumed" if resume else "started", pid=process.pid)

    def _end(self, trial: Trial) -> None:
        started = self.running.pop(trial.name)
        if started.process.returncode == 0 and is_finished(trial.path):
            trial.state, trial.reason = "done", ""
        else:
            trial.state, trial.reason = "failed", reason_of(started, self.out / "logs" / f"{trial.file_name}.log")
            self._mark(trial)
        self._record(trial, trial.state, reason=trial.reason, seconds=round(time.monotonic() - started.at, 1))
        self._summarise()

    def _summarise(self) -> None:
        """Write sweep.json: every trial with its state and, where it failed, why."""
        rows = [{"trial": trial.name, "state": trial.state, "reason": trial.reason} for trial in self.trials]
        write_json(self.out / "sweep.json", {"trials": rows})
        write_results(self.trials, self.out)

    def _profile_all(self, show: Callable[..., None] = lambda *_, **__: None) -> None:
        """Measure the cost of each model that is trained and not measured yet, or was while something else computed."""
        done = [trial for trial in self.trials if trial.state == "done"]
        known = {trial.name: read_summary(trial.path) for trial in done}
        missing = [trial for trial in done if not known[trial.name] or disturbance(known[trial.name])]
        for number, trial in enumerate(missing if self.profile else [], 1):
            show(
                self.trials,
                doing=f"measuring the cost of {len(missing)} trained model(s), one at a time",
                number=number,
            )
            log_path = self.out / "logs" / f"{trial.file_name}.log"
            started = Started(start_command(["profile", str(trial.path)], log_path, {}), time.monotonic(), 0)
            self.running[trial.name] = started
            code = started.process.wait()
            del self.running[trial.name]
            trial.reason = f"its cost could not be measured (exit {code}); see {log_path}" if code else ""
            self._record(trial, "profiled" if not code else "not profiled")

    def _draw(self) -> None:
        """Write the page of what there is, and send it where the sweep is tracked; no failure of it hides another."""
        try:
            self.page = write_summary(self.trials, self.out)
            self.tracked.end(self.out)
        except Exception as error:  # a full disk, or what a picture makes of a figure
            log.warning("%s: the summary could not be drawn: %s", self.out, error)

    def _mark(self, trial: Trial) -> None:
        """Let the run of a trial that died say so; one that was trained to its end still is, and is only evaluated."""
        if (trial.path / "run.json").exists() and not is_held(trial.path):
            run = RunFolder(trial.path)
            if not run.is_done:
                run.set_status("failed", error=trial.reason)

    def _record(self, trial: Trial, event: str, **detail: object) -> None:
        row = {"trial": trial.name, "event": event, "time": now(), **detail}
        append_line(self.out / "sweep.jsonl", to_json(row, indent=None))

    def _stop_all(self) -> None:
        """Ask what still runs to stop politely, as a Ctrl-C of the sweep does, and wait for its checkpoint."""
        processes = [started.process for started in self.running.values() if started.process is not None]
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def failed(trials: list[Trial]) -> RunError | None:
    """The error of a sweep in which trials failed."""
    lost = [f"{trial.name}: {trial.reason}" for trial in trials if trial.state == "failed"]
    if not lost:
        return None
    error = RunError(
        f"{len(lost)} of {len(trials)} trials failed:\n  " + "\n  ".join(lost) + "\nThe same command runs them again."
    )
    error.exit_code = 1
    return error


@checked
def run_sweep(
    recipe: PathLike,
    grid: Sequence[str] = (),
    overrides: dict[str, Any] | None = None,
    out: PathLike | None = None,
    jobs: AtLeastOne = 1,
    threads: AtLeastOne | None = None,
    console: Console | None = None,
) -> list[Trial]:
    """Plan, check and run a sweep; RunError at the end when trials failed.

    recipe: name or file.
    grid: texts such as 'fusion=all', beside the axes of the recipe's own grid or in place of them.
    overrides: flags of all trials, by flag name.
    out: the sweep's folder; runs/RECIPE when None.
    jobs: trials at a time.
    threads: of each, the cores shared out when None.
    console: where the table is shown; the terminal when None.

    Examples:
        >>> flags = {"epochs": 1, "limit": 64, "arch": "tiny_cnn", "dropout": None}
        >>> trials = run_sweep("digits", ["seed=1,2"], flags, out="sweep", jobs=2)
        2 trials, ...
        >>> [trial.state for trial in trials]
        ['done', 'done']
    """
    out = Path("runs") / Path(recipe).stem if out is None else Path(out)
    console = console or Console(soft_wrap=True, markup=False, highlight=False)
    check_place(out)
    trials, plan = plan_trials(recipe, grid, overrides or {}, out)
    done = sum(trial.state == "done" for trial in trials)
    open_data([trial for trial in trials if trial.state != "done"])
    space = check_disk(trials, out, jobs)
    console.print(f"  {len(trials)} trials, {done} done already; {space}")
    sweep = Sweep(trials, out, jobs, threads, plan.profile)
    try:
        with SweepTable(console, TimeLeft(trials, jobs)) as table:
            sweep.run(table.show)
            table.show(trials, last=True)
    finally:
        for line in said_of(trials, rows_of(trials)):
            console.print(f"  {line}")
        if sweep.page is not None:
            console.print(f"  summary              {sweep.page}")
    if error := failed(trials):
        raise error
    return trials
