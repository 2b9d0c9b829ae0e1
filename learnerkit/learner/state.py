"""The complete state of a fit at a batch boundary, and how it is put back.

Holds: weights, optimizer, position (epoch, batch, part of training done), and each callback's `state_dict`. Nothing of
random generators: they are a function of the position.
"""

import inspect
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fastai.callback.core import Callback
from fastai.optimizer import OptimWrapper

from learnerkit.core.errors import RunError, differing
from learnerkit.core.files import to_json
from learnerkit.core.record import is_plain

if TYPE_CHECKING:
    from learnerkit.learner.kit import KitLearner


def learner_state(learn: "KitLearner", whole: bool) -> dict[str, Any]:
    """State of a learner inside fit: after a whole epoch (that is, before batch 0 of the next) or after a batch."""
    states = {}
    for cb in learn.cbs:
        if callable(state := getattr(type(cb), "state_dict", None)):
            states[cb.name] = state(cb)
    return {
        "model": learn.model.state_dict(),
        "opt": opt_state(learn.opt),
        "epoch": learn.epoch + 1 if whole else learn.epoch,
        "batch": 0 if whole else learn.iter + 1,
        "n_epoch": learn.n_epoch,
        "n_iter": learn.batches_of(learn.dls.train),
        "pct_train": float(learn.pct_train),
        "train_iter": learn.train_iter,
        "seed": learn.seed,
        "epochs_before": learn.epochs_before,
        "fit": learn.fit_call,
        "settings": callback_settings(learn.cbs),
        "callbacks": states,
    }


def opt_state(opt: Any) -> dict[str, Any]:
    """The optimizer's state by parameter position, in plain types."""
    if isinstance(opt, OptimWrapper):
        return opt.opt.state_dict()
    state = opt.state_dict()
    return {
        **state,
        "state": [dict(item) for item in state["state"]],
        "hypers": [dict(item) for item in state["hypers"]],
    }


def callback_settings(cbs: Iterable[Callback]) -> dict[str, dict[str, Any]]:
    """Class and plain arguments of each of our callbacks that decides about the training."""
    settings = {}
    for cb in cbs:
        if type(cb).__module__.startswith("learnerkit.") and type(cb).__name__ not in ("Run", "Progress"):
            names = inspect.signature(type(cb).__init__).parameters
            settings[cb.name] = {
                name: vars(cb)[name] for name in names if name in vars(cb) and is_plain(vars(cb)[name])
            }
    return json.loads(to_json(settings))


def check_learner_state(learn: "KitLearner", state: dict[str, Any], allow: Sequence[str] = ()) -> None:
    """RunError naming everything in which a state does not fit the fit that has just begun.

    allow: keys that may differ: 'fit', 'settings', 'seed'.
    """
    if state["epochs_before"] != learn.epochs_before:
        raise RunError(
            f"cannot resume: the checkpoint is of a later fit of the script, after {state['epochs_before']} epochs of "
            "earlier ones; a resume works for scripts with one fit. Load the weights with load_run and fit on."
        )
    faults = []
    now = {"n_epoch": learn.n_epoch, "n_iter": learn.batches_of(learn.dls.train), "seed": learn.seed}
    now |= {"fit": learn.fit_call, "settings": callback_settings(learn.cbs)}
    for key, value in now.items():
        if state[key] != value and key not in allow:
            faults.append(f"{key} was {differing(state[key], value)}")
    names = {cb.name for cb in learn.cbs if callable(getattr(type(cb), "load_state_dict", None))}
    faults += [f"callback '{name}' is missing now" for name in sorted(set(state["callbacks"]) - names)]
    faults += [f"callback '{name}' was not there" for name in sorted(names - set(state["callbacks"]))]
    if faults:
        raise RunError("cannot resume: " + "; ".join(faults) + ". Resume with what the run began with.")


def load_learner_state(learn: "KitLearner", state: dict[str, Any]) -> None:
    """Put a checked state back into a learner whose fit has just begun."""
    learn.model.load_state_dict(state["model"])
    if isinstance(learn.opt, OptimWrapper):
        learn.opt.opt.load_state_dict(state["opt"])
    else:
        learn.opt.load_state_dict(state["opt"])
    for cb in learn.cbs:
        if cb.name in state["callbacks"]:
            cb.load_state_dict(state["callbacks"][cb.name])
    learn.epoch, learn._first_epoch, learn._first_batch = state["epoch"], state["epoch"], state["batch"]
    learn._restored_position = state["pct_train"], state["train_iter"]
    learn.train_iter, learn.epochs_before = state["train_iter"], state["epochs_before"]
