"""A grid of trials, each a process and a run folder of its own; what fails is recorded, the rest goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from learnerkit.core.disk import check_space, forecast_bytes, shown_bytes
from learnerkit.core.errors import RunError
from learnerkit.core.files import append_line, to_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.models.create import create_model
from learnerkit.runs.live import SweepTable
from learnerkit.runs.trials import Trial, is_finished, plan
from learnerkit.tasks.train import WIRING

POLL_S = 0.25


def forecast(trials: list[Trial]) -> int:
    """Bytes that the states of all trials will take."""
    sizes: dict[tuple, int] = {}
    total = 0
    for trial in trials:
        model, train = trial.recipe.model, trial.recipe.train
        fusion = {"fusion": model.fusion} if hasattr(model, "fusion") else {}
        key = (model.arch, *fusion.values())
        if key not in sizes:
            built = create_model(model.arch, 3, 24, **fusion)
            sizes[key] = sum(t.numel() * t.element_size() for t in built.state_dict().values())
        weights = sizes[key]
        moments = 2 if train.opt in ("adam", "adamw") else 1
        averaged = weights if train.ema else 0
        every = train.epochs // train.keep_every if train.keep_every else 0
        keep = train.keep_last + 1 + every if train.keep_checkpoints else 0
        total += forecast_bytes(weights, moments * weights, averaged, keep, 2 + train.save_top_k)
    return total


def open_data(trials: list[Trial]) -> None:
    """Read each data set of the trials once: bad files are refused here, packed sets are written for all to share."""
    seen = []
    for trial in trials:
        settings = (trial.recipe.task, trial.recipe.data)
        if settings not in seen:
            seen.append(settings)
            WIRING[trial.recipe.task].open_dls(trial.recipe)


class Sweep:
    """Runs the trials of a grid.

    recipe: name or file; given: flags that all trials share, by flag name.
    trials: from `trials.plan`; out: the sweep's folder.
    jobs: trials at a time; threads: of each, the cores shared out when None.
    """

    def __init__(
        self,
        recipe: str,
        given: dict[str, str],
        trials: list[Trial],
        out: Path,
        jobs: int = 1,
        threads: int | None = None,
    ) -> None:
        self.recipe = str(Path(recipe).resolve()) if Path(recipe).suffix in (".yaml", ".yml") else recipe
        self.given, self.trials, self.out, self.jobs = given, trials, out, max(1, jobs)
        self.threads = threads or max(1, (os.cpu_count() or 1) // self.jobs)
        self.running: dict[str, tuple[subprocess.Popen, float]] = {}

    def run(self, show: Callable[[list[Trial]], None]) -> None:
        """Run what is missing.

        show: called with the trials a few times a second and whenever one ends.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "logs").mkdir(exist_ok=True)
        owner = RunFolder(self.out)
        owner.lock()  # two sweeps into one folder would start the same trials
        write_json(
            self.out / "sweep.json",
            {"recipe": self.recipe, "given": self.given, "trials": [trial.name for trial in self.trials]},
        )
        waiting = [trial for trial in self.trials if trial.state != "done"]
        try:
            while waiting or self.running:
                while waiting and len(self.running) < self.jobs:
                    self._start(waiting.pop(0))
                time.sleep(POLL_S)
                for trial in self.trials:
                    if trial.name in self.running and self.running[trial.name][0].poll() is not None:
                        self._end(trial)
                show(self.trials)
        finally:
            self._stop_all()
            owner.unlock()

    def _start(self, trial: Trial) -> None:
        resume = (trial.path / "run.json").exists()
        if resume:
            command = ["train", "--resume", str(trial.path), "--allow", "threads"]
        else:
            settings = [part for key, value in {**self.given, **trial.flags}.items() for part in _flag(key, value)]
            command = ["train", self.recipe, *settings, "--out", str(self.out), "--name", trial.name]
        threads = str(self.threads)
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        with (self.out / "logs" / f"{trial.name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "learnerkit.cli", *command], stdout=log, stderr=log, env=environment
            )
        trial.state = "running"
        self.running[trial.name] = process, time.monotonic()
        self._record(trial, "resumed" if resume else "started", pid=process.pid)

    def _end(self, trial: Trial) -> None:
        process, begun = self.running.pop(trial.name)
        if process.returncode == 0 and is_finished(trial.path):
            trial.state, trial.reason = "done", ""
        else:
            trial.state, trial.reason = "failed", self._reason(trial, process.returncode)
            if (trial.path / "run.json").exists():
                RunFolder(trial.path).set_status("failed", error=trial.reason)
        self._record(trial, trial.state, reason=trial.reason, seconds=round(time.monotonic() - begun, 1))

    def _reason(self, trial: Trial, code: int) -> str:
        if code < 0:
            name = signal.Signals(-code).name
            hint = " (the system kills so when memory runs out)" if -code == signal.SIGKILL else ""
            return f"killed by {name}{hint}"
        text = (self.out / "logs" / f"{trial.name}.log").read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("error: ") or "Error" in line.split(":")[0]]
        return (said or lines or ["no output"])[-1].removeprefix("error: ")[:300] + f" (exit {code})"

    def _record(self, trial: Trial, event: str, **detail: object) -> None:
        row = {"trial": trial.name, "event": event, "time": time.strftime("%Y-%m-%d %H:%M:%S"), **detail}
        append_line(self.out / "sweep.jsonl", to_json(row, indent=None))

    def _stop_all(self) -> None:
        """Ask what still runs to stop politely, as a Ctrl-C of the sweep does, and wait for its checkpoint."""
        for process, _ in self.running.values():
            process.terminate()
        for process, _ in self.running.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _flag(key: str, value: object) -> list[str]:
    name = key.replace("_", "-")
    if isinstance(value, bool) or str(value).lower() in ("true", "false"):
        return [f"--{name}" if str(value).lower() == "true" else f"--no-{name}"]
    return [f"--{name}", str(value)]


def check_disk(trials: list[Trial], out: Path) -> str:
    """What the sweep's states will take, in words; RunError when the disk has not that much."""
    missing = [trial for trial in trials if trial.state != "done"]
    needed = forecast(missing)
    check_space(out, needed, f"this sweep of {len(missing)} trials")
    return shown_bytes(needed)


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


def run_sweep(
    recipe: str,
    grid: list[str],
    overrides: dict[str, Any],
    out: Path,
    jobs: int,
    threads: int | None,
    console: Console,
) -> list[Trial]:
    """Plan, check and run a sweep; RunError at the end when trials failed.

    recipe: name or file; grid: texts such as 'fusion=all'; overrides: flags of all trials, by flag name.
    out: the sweep's folder; jobs: trials at a time; threads: of each, the cores shared out when None.
    console: where the table is shown.
    """
    trials = plan(recipe, grid, overrides, out)
    done = sum(trial.state == "done" for trial in trials)
    open_data(trials)
    space = check_disk(trials, out)
    console.print(f"  {len(trials)} trials, {done} done already; the others will take {space} of disk")
    with SweepTable(console) as table:
        Sweep(recipe, overrides, trials, out, jobs, threads).run(table.show)
        table.show(trials, last=True)
    if error := failed(trials):
        raise error
    return trials
