"""A grid of trials, each a process and a run folder of its own; what fails is recorded, the rest goes on."""

import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from learnerkit.core.disk import check_place
from learnerkit.core.files import PathLike, append_line, atomic_write, made_folder, to_json, write_json
from learnerkit.core.finished import is_finished
from learnerkit.core.profiles import disturbance, read_summary
from learnerkit.core.ranges import AtLeastOne, Count, checked
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.signals import handled
from learnerkit.core.text import now
from learnerkit.core.yaml import to_yaml
from learnerkit.runs.engines import Engine, LocalEngine
from learnerkit.runs.eta import TimeLeft
from learnerkit.runs.live import SweepTable
from learnerkit.runs.processes import Started, Work, interrupt, is_held, reason_of
from learnerkit.runs.slurm import chosen_engine
from learnerkit.runs.slurm_options import SlurmOptions, options_of
from learnerkit.runs.sweep_page import write_summary
from learnerkit.runs.sweep_results import failed, rows_of, said_of, write_results
from learnerkit.runs.tracked_sweep import SweepTracker
from learnerkit.runs.trials import Trial, check_disk, open_data, plan_trials

POLL_S = 0.25
log = logging.getLogger(__name__)


class Sweep:
    """Runs the trials of a grid.

    trials: from `trials.plan_trials`; out: the sweep's folder.
    jobs: trials at a time; threads: of each, the cores shared out when None.
    profile: measure the cost of each trained model at the end, one at a time, so that nothing else disturbs it.
    engine: where the trials run; processes of this machine when None.
    """

    def __init__(
        self,
        trials: list[Trial],
        out: Path,
        jobs: int = 1,
        threads: int | None = None,
        profile: bool = False,
        engine: Engine | None = None,
    ) -> None:
        self.trials, self.out, self.jobs, self.profile = trials, out, max(1, jobs), profile
        self.engine: Engine = engine or LocalEngine(self.jobs)
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
                    self.engine.stop([one.process for one in self.running.values() if one.process is not None])
                    self._draw()
        finally:
            owner.unlock()

    def _work(self, waiting: list[Trial], show: Callable[..., None]) -> None:
        """Start what waits as there is room, until all has ended."""
        while waiting or self.running:
            while waiting and (room := self.engine.room(len(self.running))):
                self._start([waiting.pop(0) for _ in range(min(room, len(waiting)))])
            time.sleep(POLL_S)
            under_way = len(self.running)
            for trial in self.trials:
                started = self.running.get(trial.name)
                if started and started.process is None and not is_held(trial.path):
                    del self.running[trial.name]  # what an earlier sweep had left running has ended
                    trial.state = "done" if is_finished(trial.path) else "waiting"
                    waiting += [trial] if trial.state == "waiting" else []
                elif started and started.process is not None and started.process.poll() is not None:
                    self._end(trial)
                elif started and started.process is not None:
                    trial.state = "waiting" if self.engine.waits(started.process) else "running"
            if len(self.running) < under_way:
                self._summarise()
            show(self.trials)
        self._profile_all(show)

    def _start(self, trials: list[Trial]) -> None:
        threads = str(self.threads)
        environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, **self.tracked.environment}
        missing: list[tuple[Trial, Work, int]] = []
        for trial in trials:
            trial.state, work = "running", trial.work(self.out, environment)
            begun = work.log.stat().st_size if work.log.exists() else 0
            if (found := self.engine.find(trial.name)) is not None:
                self.running[trial.name] = Started(found, time.monotonic(), begun)
                self._record(trial, "found in the queue", **self.engine.id_of(found))
            elif is_held(trial.path):
                self.running[trial.name] = Started(None, time.monotonic(), begun)
                self._record(trial, "found running")
            else:
                missing.append((trial, work, begun))
                if not work.resumes:
                    atomic_write(work.recipe, to_yaml(trial.recipe.model_dump(mode="json")))
        resumed = [work.resumes for _, work, _ in missing]
        processes = self.engine.start([work for _, work, _ in missing]) if missing else []
        for (trial, _, begun), resumes, process in zip(missing, resumed, processes, strict=True):
            self.running[trial.name] = Started(process, time.monotonic(), begun)
            event = self.engine.starts or ("resumed" if resumes else "started")
            self._record(trial, event, **self.engine.id_of(process))

    def _end(self, trial: Trial) -> None:
        started = self.running.pop(trial.name)
        if started.process.returncode == 0 and is_finished(trial.path):
            trial.state, trial.reason = "done", ""
        else:
            trial.state, trial.reason = "failed", reason_of(started, trial.work(self.out).log)
            self._mark(trial)
        self._record(trial, trial.state, reason=trial.reason, seconds=round(time.monotonic() - started.at, 1))

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
            work = trial.work(self.out, words=("profile", str(trial.path)))
            started = Started(self.engine.start([work])[0], time.monotonic(), 0)
            self.running[trial.name] = started
            code = started.process.wait()
            del self.running[trial.name]
            trial.reason = f"its cost could not be measured (exit {code}); see {work.log}" if code else ""
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


@checked
def run_sweep(
    recipe: PathLike,
    grid: Sequence[str] = (),
    overrides: dict[str, Any] | None = None,
    out: PathLike | None = None,
    jobs: AtLeastOne = 1,
    threads: AtLeastOne | None = None,
    console: Console | None = None,
    engine: Literal["local", "slurm"] = "local",
    partition: str | None = None,
    time: str | None = None,
    gpus: Count | None = None,
    cpus: AtLeastOne | None = None,
    slurm: Sequence[str] = (),
) -> list[Trial]:
    """Plan, check and run a sweep; RunError at the end when trials failed.

    recipe: name or file.
    grid: texts such as 'fusion=all', beside the axes of the recipe's own grid or in place of them.
    overrides: flags of all trials, by flag name.
    out: the sweep's folder; runs/RECIPE when None.
    jobs: trials at a time.
    threads: of each, the cores shared out when None.
    console: where the table is shown; the terminal when None.
    engine: 'local' for processes of this machine, 'slurm' for jobs of a cluster, for which the others below are.
    partition: of the jobs; Slurm's own default when None.
    time: that a job may run before it goes back to the queue and on from there, such as '2h', or as sbatch has it.
    gpus: of each job; none is asked for when None.
    cpus: of each job, and then threads too where these are not given; 1 when None.
    slurm: further options of sbatch, such as 'account=lab', and 'signal_delay_s=120', the seconds before the end of
        its time at which a job is told to save.

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
    options = SlurmOptions(partition, time, gpus, cpus, options_of(slurm))
    place, threads = chosen_engine(engine, out, jobs, threads, options)
    trials, plan = plan_trials(recipe, grid, overrides or {}, out)
    done = sum(trial.state == "done" for trial in trials)
    open_data([trial for trial in trials if trial.state != "done"])
    space = check_disk(trials, out, jobs)
    console.print(f"  {len(trials)} trials, {done} done already; {space}")
    sweep = Sweep(trials, out, jobs, threads, plan.profile, place)
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
