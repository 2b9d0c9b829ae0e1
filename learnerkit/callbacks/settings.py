"""What the callbacks of a training were made with: what a resume compares, and what run.json says of them."""

import inspect
import json
from collections.abc import Iterable
from typing import Any

from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.progress import ProgressCallback
from fastai.callback.tracker import TrackerCallback
from fastai.callback.training import GradientAccumulation, GradientClip

from learnerkit.core.calls import is_plain
from learnerkit.core.files import to_json

DECIDING = (TrackerCallback, GradientAccumulation, GradientClip)  # of fastai's
FREE = ("diagnose",)  # whose state a resume goes on without


def callback_settings(cbs: Iterable[Callback]) -> dict[str, dict[str, Any]]:
    """The plain arguments of each callback that decides about the training: ours, and fastai's `DECIDING`.

    A class of ours says by `decides = False` that nothing of it changes a weight.
    """
    settings = {}
    for cb in cbs:
        ours = type(cb).__module__.startswith("learnerkit.") and getattr(type(cb), "decides", True)
        if ours or isinstance(cb, DECIDING):
            names = inspect.signature(type(cb).__init__).parameters
            settings[cb.name] = {
                name: vars(cb)[name] for name in names if name in vars(cb) and is_plain(vars(cb)[name])
            }
    return json.loads(to_json(settings))


def foreign_callbacks(cbs: Iterable[Callback]) -> list[str]:
    """The classes of the callbacks whose settings are not recorded, because they are not ours."""
    return [
        type(cb).__name__
        for cb in cbs
        if not type(cb).__module__.startswith("learnerkit.")
        and not isinstance(cb, (*DECIDING, TrainEvalCallback, ProgressCallback))
    ]
