"""The trials of a sweep: which there are, what of them is done, and what the others will take."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from learnerkit.callbacks.forecast import moments
from learnerkit.callbacks.keep import Retention
from learnerkit.core.disk import check_space, forecast_bytes, shown_bytes
from learnerkit.core.errors import DataError, RecipeError, RunError, differing
from learnerkit.core.files import PathLike, read_ledger
from learnerkit.core.finished import is_finished
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import size_of
from learnerkit.learner.make import make_opt_func
from learnerkit.recipe import Recipe
from learnerkit.runs.grid import Plan, place_of, plan_of
from learnerkit.runs.processes import Work, remove_unbegun
from learnerkit.runs.recipes import laid_over, load_recipe
from learnerkit.runs.settle import opened
from learnerkit.tasks import command_tasks, get_task


@dataclass
class Trial:
    """One combination of a grid.

    name: its run's folder below the sweep's, path: that folder; recipe: the whole of it.
    chosen: its values of the axes.
    state: 'waiting', 'running', 'done' or 'failed'; reason: why it failed.
    """

    name: str
    recipe: Recipe
    path: Path
    chosen: dict[str, Any] = field(default_factory=dict)
    state: str = "waiting"
    reason: str = ""

    @property
    def file_name(self) -> str:
        """Its name as a file may have it."""
        return self.name.replace("/", "~")

    def work(self, out: Path, environment: dict[str, str] | None = None, words: tuple[str, ...] = ()) -> Work:
        """What an engine starts for it: the training of its run, or another command.

        out: of the sweep; environment: of the process; words: of the other command.
        """
        log, recipe = out / "logs" / f"{self.file_name}.log", out / "recipes" / f"{self.file_name}.yaml"
        return Work(log, environment or {}, self.path, recipe, words)

    def progress(self) -> tuple[int, float | None, float | None]:
        """Epochs trained, best value of the monitored figure, and seconds an epoch, from the ledger."""
        try:
            rows = read_ledger(self.path / "history.jsonl")
        except DataError:
            rows = []
        monitor, mode = self.recipe.train.monitor, self.recipe.train.mode
        values = [row[monitor] for row in rows if row.get(monitor) is not None]
        best = (max if mode == "max" else min)(values) if values else None
        seconds = sum(row["seconds"] for row in rows) / len(rows) if rows else None
        return len(rows), best, seconds


def plan_trials(
    recipe: PathLike, grid: Sequence[str], overrides: dict[str, Any], out: Path
) -> tuple[list[Trial], Plan]:
    """The trials of a grid over a recipe, each checked, and the plan of it; what has been done in `out` is marked so.

    RunError when a folder of `out` holds a run with other settings.
    """
    content = laid_over(recipe, overrides)
    plan = plan_of(content.sweep, grid, overrides, str(recipe))
    task = load_recipe(recipe, overrides).task
    if task not in command_tasks():
        raise RecipeError(
            f"task '{task}' is registered in this process alone, and each trial of a sweep is a process of its own; "
            "give it an entry point in the group learnerkit.tasks, or train its variants one by one and compare them"
        )
    trials = []
    for chosen in plan.combinations():
        whole = load_recipe(recipe, {**overrides, **chosen})
        name = place_of(chosen, whole, plan.folders)
        trials.append(Trial(name, whole, out / name, chosen))
    names: dict[str, str] = {}  # by the whole of the recipe
    for trial in trials:
        if (whole := trial.recipe.model_dump_json()) in names:
            raise RecipeError(f"--grid: {names[whole]} and {trial.name} are the same trial; leave one of them out")
        names[whole] = trial.name
    if twice := [name for name, number in Counter(trial.name for trial in trials).items() if number > 1]:
        raise RecipeError(f"--grid: two trials would be called {twice[0]}; sweep them one by one, with --out")
    for trial in trials:
        _look_at(trial)
    return trials, plan


def _look_at(trial: Trial) -> None:
    """Mark a trial that is done; refuse a folder of other settings; move away what never became a run."""
    if not trial.path.exists():
        return
    if not (trial.path / "run.json").exists():  # killed before it began
        remove_unbegun(trial.path)
        return
    described, now = RunFolder(trial.path).described(), trial.recipe.model_dump(mode="json")
    before = described.get("asked", described.get("resolved"))
    if _without_store(before, now) != now:
        raise RunError(
            f"{trial.path}: holds a run with other settings ({differing(before, now)}). Sweep into another --out, or "
            "with the settings it began with."
        )
    if is_finished(trial.path):
        trial.state = "done"


def _without_store(before: Any, now: dict[str, Any]) -> Any:
    """What a run was asked for, with the store of today where it was sent to none: it changes nothing of the run."""
    train = before.get("train") if isinstance(before, dict) else None
    if not isinstance(train, dict) or train.get("mlflow") is not None:
        return before
    return {**before, "train": {**train, "mlflow": now["train"]["mlflow"]}}


def forecast(trials: list[Trial], jobs: int = 1) -> int:
    """Bytes that the states of all trials take at the peak; nothing where their task does not tell a model's size.

    jobs: trials at a time; what a trial has only while it trains counts for so many of them.
    """
    sizes: dict[str, int] = {}
    both = [_states(trial, sizes) for trial in trials]
    passing = sorted((passing for _, passing in both), reverse=True)
    return sum(stays for stays, _ in both) + sum(passing[:jobs])


def _states(trial: Trial, sizes: dict[str, int]) -> tuple[int, int]:
    """Bytes of the states that a trial leaves, and of those that it has besides while it trains.

    sizes: bytes of the models that are known already.
    """
    blank_model, train = get_task(trial.recipe.task).blank_model, trial.recipe.train
    if (key := repr(trial.recipe.model)) not in sizes:
        with torch.device("meta"):  # sizes alone are asked for
            sizes[key] = size_of(blank_model(trial.recipe).state_dict())
    weights = sizes[key]
    opt = make_opt_func(train.opt, train.momentum)([nn.Parameter(torch.zeros(1))], lr=train.lr)
    optimizer, averaged = moments(opt) * weights, weights if train.ema else 0
    keep = Retention(train.checkpoint_every, train.keep_last, train.keep_every).kept(train.epochs)
    peak = forecast_bytes(weights, optimizer, averaged, keep, 0)
    checkpoints = forecast_bytes(weights, optimizer, averaged, keep - 1, 0) if train.keep_checkpoints else 0
    best = train.save_top_k * (weights + train.save_top_k_optimizer * optimizer)
    return 2 * weights + best + checkpoints, peak - checkpoints


def open_data(trials: list[Trial]) -> None:
    """Read each data set of the trials once: bad files are refused here, packed sets are written for all to share."""
    seen = []
    for trial in trials:
        settings = (trial.recipe.task, trial.recipe.data)
        if settings not in seen:
            seen.append(settings)
            opened(trial.recipe, get_task(trial.recipe.task))


def check_disk(trials: list[Trial], out: Path, jobs: int = 1) -> str:
    """What the states of the missing trials will take, in words; RunError when the disk has not that much."""
    missing = [trial for trial in trials if trial.state != "done"]
    needed = forecast(missing, jobs)
    check_space(out, needed, f"this sweep of {len(missing)} trials")
    return f"the others will take {shown_bytes(needed)} of disk" if needed else f"{len(missing)} to train"
