"""The trials of a sweep: which there are, what of them is done, and what the others will take."""

import itertools
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from learnerkit.callbacks.forecast import moments
from learnerkit.callbacks.keep import Retention
from learnerkit.core.disk import check_space, forecast_bytes, shown_bytes
from learnerkit.core.errors import DataError, RecipeError, RunError, differing, nearest
from learnerkit.core.files import PathLike, read_json, read_ledger
from learnerkit.core.finished import is_finished
from learnerkit.core.tensors import size_of
from learnerkit.core.warn import warn
from learnerkit.learner.make import make_opt_func
from learnerkit.recipe import Recipe
from learnerkit.runs.recipes import WIDTHS, flags, load_recipe
from learnerkit.tasks import command_tasks, get_task

BEFORE_RUN = {"lock.json", "status.json", "training.log"}  # what a run has before its run.json


@dataclass
class Trial:
    """One combination of a grid.

    name, path: of its run folder; recipe: the whole of it.
    state: 'waiting', 'running', 'done' or 'failed'; reason: why it failed.
    """

    name: str
    recipe: Recipe
    path: Path
    state: str = "waiting"
    reason: str = ""

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


def parse_grid(grid: Sequence[str]) -> dict[str, list[str]]:
    """Axes of a grid from 'key=a,b,c' texts; 'all' means what the field says it does, as in 'fusion=all'."""
    axes: dict[str, list[str]] = {}
    fields = flags()
    known = {*fields, *WIDTHS}
    for text in grid:
        key, equals, values = text.partition("=")
        key = key.strip().lstrip("-").replace("-", "_")
        listed = [value.strip() for value in re.split(r",(?![^\[]*\])", values) if value.strip()]
        every = ((fields[key][2].json_schema_extra if key in fields else None) or {}).get("all", ["all"])
        twice = sorted({value for value in listed if listed.count(value) > 1})
        if twice:
            warn(f"--grid {text}: {', '.join(twice)} stands there more than once, and is trained once")
        listed = list(dict.fromkeys(one for value in listed for one in (every if value == "all" else [value])))
        if not equals or not listed:
            raise RecipeError(f"--grid {text}: say key=value,value, such as fusion=add,max or seed=1,2,3")
        if key not in known:
            raise RecipeError(f"--grid {text}: unknown key '{key}'; {nearest(key, known)}")
        if key in axes:
            raise RecipeError(f"--grid {text}: '{key}' is given twice; list all its values in one")
        axes[key] = listed
    if not axes:
        raise RecipeError("a sweep needs --grid key=value,value, such as --grid fusion=all --grid seed=1,2,3")
    return axes


def plan(recipe: PathLike, grid: Sequence[str], overrides: dict[str, Any], out: Path) -> list[Trial]:
    """The trials of a grid over a recipe, each checked; what has been done in `out` is marked so.

    RunError when a folder of `out` holds a run with other settings.
    """
    axes = parse_grid(grid)
    twice = sorted(set(axes) & set(overrides))
    if twice:
        raise RecipeError(f"--{twice[0]} and --grid {twice[0]}=...: give the one or the other")
    task = load_recipe(recipe, overrides).task
    if task not in command_tasks():
        raise RecipeError(
            f"task '{task}' is registered in this process alone, and each trial of a sweep is a process of its own; "
            "give it an entry point in the group learnerkit.tasks, or train its variants one by one and compare them"
        )
    trials = []
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        name = re.sub(r"[/:\x00-\x1f]", "~", "_".join(f"{key}-{value}" for key, value in chosen.items()))
        trials.append(Trial(name, load_recipe(recipe, {**overrides, **chosen}), out / name))
    for number, trial in enumerate(trials):
        same = [other.name for other in trials[:number] if other.recipe == trial.recipe]
        if same:
            raise RecipeError(f"--grid: {same[0]} and {trial.name} are the same trial; leave one of them out")
        if trial.name in {other.name for other in trials[:number]}:
            raise RecipeError(f"--grid: two trials would be called {trial.name}; sweep them one by one, with --out")
    for trial in trials:
        _look_at(trial)
    return trials


def _look_at(trial: Trial) -> None:
    """Mark a trial that is done; refuse a folder of other settings; move away what never became a run."""
    if not trial.path.exists():
        return
    if not (trial.path / "run.json").exists():  # killed before it began
        left = [entry.name for entry in trial.path.iterdir() if not entry.name.endswith(".tmp")]
        if set(left) - BEFORE_RUN:
            raise RunError(f"{trial.path}: is not a run, and holds {left[0]}; choose another --out")
        shutil.rmtree(trial.path)
        return
    before, now = read_json(trial.path / "run.json").get("resolved"), trial.recipe.model_dump(mode="json")
    if before != now:
        raise RunError(
            f"{trial.path}: holds a run with other settings ({differing(before, now)}). Sweep into another --out, or "
            "with the settings it began with."
        )
    if is_finished(trial.path):
        trial.state = "done"


def forecast(trials: list[Trial]) -> int:
    """Bytes that the states of all trials will take; nothing where their task does not tell the size of a model."""
    sizes: dict[str, int] = {}
    total = 0
    for trial in trials:
        blank_model, train = get_task(trial.recipe.task).blank_model, trial.recipe.train
        key = repr(trial.recipe.model)
        if key not in sizes:
            sizes[key] = size_of(blank_model(trial.recipe).state_dict())
        weights = sizes[key]
        opt = make_opt_func(train.opt, train.momentum)([nn.Parameter(torch.zeros(1))], lr=train.lr)
        averaged = weights if train.ema else 0
        keep = Retention(train.checkpoint_every, train.keep_last, train.keep_every).kept(train.epochs)
        keep = keep if train.keep_checkpoints else 0
        total += forecast_bytes(weights, moments(opt) * weights, averaged, keep, 2 + train.save_top_k)
    return total


def open_data(trials: list[Trial]) -> None:
    """Read each data set of the trials once: bad files are refused here, packed sets are written for all to share."""
    seen = []
    for trial in trials:
        settings = (trial.recipe.task, trial.recipe.data)
        if settings not in seen:
            seen.append(settings)
            get_task(trial.recipe.task).open_dls(trial.recipe)


def check_disk(trials: list[Trial], out: Path) -> str:
    """What the states of the missing trials will take, in words; RunError when the disk has not that much."""
    missing = [trial for trial in trials if trial.state != "done"]
    needed = forecast(missing)
    check_space(out, needed, f"this sweep of {len(missing)} trials")
    return f"the others will take {shown_bytes(needed)} of disk" if needed else f"{len(missing)} to train"
