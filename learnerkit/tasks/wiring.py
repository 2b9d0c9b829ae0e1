"""What the tasks share: a recipe's training fields as callbacks, as arguments of a Learner, and as a fit."""

from typing import Any

from learnerkit._fastai import Callback
from learnerkit.callbacks.ema import EMA
from learnerkit.callbacks.mix import CutMix, MixUp
from learnerkit.callbacks.schedule import Schedule, check_schedule
from learnerkit.callbacks.stochastic_depth import StochasticDepth
from learnerkit.callbacks.track import EarlyStop, SaveTopK
from learnerkit.core.errors import RecipeError, check_keys
from learnerkit.learner.kit import KitLearner
from learnerkit.tasks.recipe import Recipe


def classifier_callbacks(recipe: Recipe) -> list[Callback]:
    """The callbacks that the fields of a classifier's recipe ask for."""
    model, train = recipe.model, recipe.train
    asked = [
        StochasticDepth(model.stochastic_depth) if model.stochastic_depth is not None else None,
        CutMix(train.cutmix) if train.cutmix else None,
        MixUp(train.mixup) if train.mixup else None,
    ]
    return [cb for cb in asked if cb is not None] + asked_callbacks(recipe)


def asked_callbacks(recipe: Recipe) -> list[Callback]:
    """The callbacks that the fields of any task's recipe ask for."""
    train = recipe.train
    asked = [
        EMA(train.ema) if train.ema else None,
        EarlyStop(train.monitor, train.mode, train.early_stop) if train.early_stop is not None else None,
        SaveTopK(train.monitor, train.mode, train.save_top_k) if train.save_top_k else None,
    ]
    return [cb for cb in asked if cb is not None]


def learner_arguments(recipe: Recipe) -> dict[str, Any]:
    """The arguments of a learner's factory that every task's recipe has."""
    same = ("opt", "lr", "wd", "momentum", "precision", "clip", "accumulate", "accumulate_unit")
    same += ("channels_last", "compile", "guard", "limit_batches")
    return {"seed": recipe.seed, **{name: getattr(recipe.train, name) for name in same}}


def schedule_arguments(recipe: Recipe) -> dict[str, Any]:
    """Arguments of the schedule; a detector's step has fields of its own."""
    train = recipe.train
    steps = {}
    if train.schedule == "step" and hasattr(train, "lr_step_size"):
        steps = {"step_size": train.lr_step_size, "gamma": train.lr_gamma}
    return {**steps, **train.schedule_args}


def check_fit(recipe: Recipe) -> None:
    """RecipeError when the schedule does not take its arguments; before anything is built."""
    train = recipe.train
    if train.schedule == "one_cycle":
        faults = check_keys(train.schedule_args, ("div", "div_final", "pct_start", "moms"), "train.schedule_args")
    else:
        faults = check_schedule(train.schedule, train.schedule_args)
    if faults:
        raise RecipeError("; ".join(faults))


def fit(recipe: Recipe, learn: KitLearner) -> None:
    """Fit by the recipe's schedule: fastai's one-cycle, or one of `Schedule`."""
    train = recipe.train
    if train.schedule == "one_cycle":
        learn.fit_one_cycle(train.epochs, train.lr, **train.schedule_args)
    else:
        options = {"monitor": train.monitor, "mode": train.mode} if train.schedule == "plateau" else {}
        learn.fit(train.epochs, train.lr, cbs=Schedule(train.schedule, **options, **schedule_arguments(recipe)))
