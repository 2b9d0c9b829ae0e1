"""From a recipe's training fields to callbacks, to the arguments of a learner's factory, and to a fit."""

from pathlib import Path
from typing import Any

from fastai.callback.core import Callback

from learnerkit.callbacks.ema import EMA
from learnerkit.callbacks.mlflow import MLflowTracker
from learnerkit.callbacks.schedule import Schedule
from learnerkit.callbacks.track import EarlyStop, SaveTopK
from learnerkit.core.errors import RecipeError
from learnerkit.core.warn import warn
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.make import TrainingArguments
from learnerkit.recipe import Recipe, Train


def asked_callbacks(recipe: Recipe) -> list[Callback]:
    """The callbacks that the fields of any task's recipe ask for."""
    train = recipe.train
    asked = [
        EMA(train.ema) if train.ema else None,
        EarlyStop(train.monitor, train.mode, train.early_stop, train.early_stop_delta, train.early_stop_warmup)
        if train.early_stop is not None
        else None,
        SaveTopK(train.monitor, train.mode, train.save_top_k, optimizer=train.save_top_k_optimizer)
        if train.save_top_k
        else None,
        MLflowTracker(train.mlflow) if train.mlflow is not None else None,
    ]
    return [cb for cb in asked if cb is not None]


def training_arguments(recipe: Recipe) -> dict[str, Any]:
    """The arguments of a learner's factory that a recipe says, by their common names."""
    named = set(TrainingArguments.names()) & set(type(recipe.train).model_fields)
    weights = recipe.model.weights and Path(recipe.model.weights).resolve()
    return {"seed": recipe.seed, "weights": weights, **{name: getattr(recipe.train, name) for name in sorted(named)}}


STEPS = {"step_size": "lr_step_size", "gamma": "lr_gamma"}  # arguments of the steps that are fields of a recipe


def schedule_arguments(train: Train) -> dict[str, Any]:
    """Arguments of the schedule; those of the steps have fields of their own."""
    fields = {name: getattr(train, field) for name, field in STEPS.items() if train.schedule == "step"}
    return {**{name: value for name, value in fields.items() if value is not None}, **train.schedule_args}


def check_fit(recipe: Recipe) -> None:
    """RecipeError where the steps are said twice; a warning where they are said of a schedule that has none."""
    train = recipe.train
    given = {name: field for name, field in STEPS.items() if getattr(train, field) is not None}
    if train.schedule != "step" and given:
        fields = " and ".join(f"train.{field}" for field in given.values())
        warn(f"{fields}: of the schedule 'step'; '{train.schedule}' makes no use of it")
    elif twice := [f"train.{given[name]} and schedule_args.{name}" for name in given if name in train.schedule_args]:
        raise RecipeError(f"{'; '.join(twice)} say the same thing; give the one or the other")


def fit(recipe: Recipe, learn: KitLearner) -> None:
    """Fit by the recipe's schedule: fastai's one-cycle, or one of `Schedule`."""
    train = recipe.train
    if train.schedule == "one_cycle":
        learn.fit_one_cycle(train.epochs, train.lr, **train.schedule_args)
    else:
        options = {"monitor": train.monitor, "mode": train.mode} if train.schedule == "plateau" else {}
        learn.fit(train.epochs, train.lr, cbs=Schedule(train.schedule, **options, **schedule_arguments(train)))
