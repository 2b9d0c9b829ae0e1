"""From a recipe of any task to a finished run: data, learner, fit, evaluation."""

import logging
import os
from pathlib import Path
from typing import Any

import torch

from learnerkit.callbacks.resume import nothing_to_train
from learnerkit.callbacks.run import RunKeeper
from learnerkit.core import ranks
from learnerkit.core.calls import check_options
from learnerkit.core.disk import check_place
from learnerkit.core.environment import usual_device
from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike
from learnerkit.core.finished import is_finished
from learnerkit.core.launch import together
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.threads import cores_of_others, crowded
from learnerkit.core.warn import warn
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.wiring import check_fit, fit
from learnerkit.recipe import Recipe
from learnerkit.runs.script import chosen_weights
from learnerkit.runs.settle import refuse_too_large, settle
from learnerkit.task import Task
from learnerkit.tasks import get_task

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    out: PathLike,
    name: str | None = None,
    resume: bool = False,
    allow: tuple[str, ...] = (),
    extra: dict[str, Any] | None = None,
) -> RunFolder | None:
    """Train a recipe into a run folder and evaluate the weights that the monitor chose, on valid and, once, on test.

    out: the experiment's folder; name: the run's name under it, or the date and a number.
    resume: go on with the run `name`, to the recipe's number of epochs where that is another; a run that is finished is
        said to be so, one that was only trained is only measured.
    allow: what may differ at a resume; extra: what run.json holds besides.
    Where torchrun started several processes, the first one returns the folder, and the others None.
    """
    with together():
        return _train(recipe, out, name, resume, allow, extra or {}) if ranks.is_first() else _follow()


def _follow() -> None:
    """What the other ranks do: train what the first one has settled."""
    recipe = ranks.first(None)
    if recipe is None:  # nothing is left to train
        return
    task = get_task(recipe.task)
    learn = task.build_learner(recipe, task.open_dls(recipe), [_keeper(recipe, recipe, ".", None, False, (), {})])
    learn.task = task.name
    fit(recipe, learn)


def _train(
    recipe: Recipe, out: PathLike, name: str | None, resume: bool, allow: tuple[str, ...], extra: dict[str, Any]
) -> RunFolder:
    """What the first rank does, or a process by itself."""
    if not resume:  # before the data are read
        check_place(Path(out))
        if name is not None:
            RunFolder.refuse_taken(out, name)
    check_fit(recipe)
    task = get_task(recipe.task)
    check_options(task.evaluate, recipe.evaluate.model_dump(), f"task '{task.name}': evaluate")
    if usual_device() == "cpu" and (said := crowded(torch.get_num_threads(), cores_of_others(), os.cpu_count() or 1)):
        log.warning("%s", said)
    trained = again = False
    if resume:
        folder = RunFolder.open(Path(out) / name)
        further = folder.described().get("n_epoch") != recipe.train.epochs
        trained = folder.is_done and not further
        if trained and is_finished(folder.path):
            warn(nothing_to_train(folder, "trained and measured"))
            ranks.first(None)
            return folder
        again = further and is_finished(folder.path)
        allow = ("epochs", *allow) if further else allow
    asked = recipe
    with ranks.alone():
        recipe, dls = (recipe, task.open_dls(recipe)) if resume else settle(recipe, task)
    ranks.first(None if trained else recipe)
    if trained:
        folder.lock()
        learn = task.build_learner(recipe, dls, [])
    else:
        run = _keeper(recipe, asked, out, name, resume, allow, extra)
        learn = task.build_learner(recipe, dls, [run])
        learn.task = task.name  # whose learner it is, even where it is built by another task's function
        refuse_too_large(learn)
        fit(recipe, learn)
        folder = run.folder
    ranks.leave()  # what is left is done by this one
    if again:
        warn(f"{folder.path}: was measured on its test part once, and is again; run.json says so")
    _evaluate(task, recipe, learn, folder)
    folder.unlock()
    return folder


def _keeper(
    recipe: Recipe,
    asked: Recipe,
    out: PathLike,
    name: str | None,
    resume: bool,
    allow: tuple[str, ...],
    further: dict[str, Any],
) -> RunKeeper:
    """The callback that keeps the run of a recipe; `asked`: what was open in it when the command was given."""
    same = ("monitor", "mode", "checkpoint_every", "keep_last", "keep_every", "keep_checkpoints")
    settings: dict[str, Any] = {key: getattr(recipe.train, key) for key in same}
    extra = {"resolved": recipe.model_dump(mode="json"), "title": recipe.title, **further}
    if asked is not recipe:
        extra["asked"] = asked.model_dump(mode="json")
    return RunKeeper(out, name, resume=resume, allow=allow, extra=extra, **settings)


def _evaluate(task: Task, recipe: Recipe, learn: KitLearner, folder: RunFolder) -> None:
    """Measure the weights that the monitor chose."""
    with chosen_weights(learn, folder):
        task.evaluate(learn, folder, learn.dls.parts, **recipe.evaluate.model_dump())
    if not folder.file("predictions.npz").exists():
        raise RunError(f"task '{task.name}': its evaluate wrote no predictions.npz, which says that a run is measured")
