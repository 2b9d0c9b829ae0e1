"""The complete state of a fit at a batch boundary, and how it is put back.

Holds: weights, optimizer, position, gradients that wait for a step, and each callback's `state_dict`; of fastai's,
which have none, the attributes in which they count. Nothing of random generators: they are a function of the position.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.callback.tracker import TrackerCallback
from fastai.callback.training import GradientAccumulation
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from learnerkit.callbacks.able import able
from learnerkit.callbacks.accumulate import holds_gradients
from learnerkit.callbacks.settings import FREE, callback_settings
from learnerkit.core.errors import RunError, differing
from learnerkit.learner.position import Position

COUNTED = {TrackerCallback: ("best", "wait"), GradientAccumulation: ("count",)}  # of fastai's: early stopping and alike


def position_of(learn: Learner, whole: bool) -> Position:
    """Where a learner inside fit stands: after a whole epoch (before batch 0 of the next), or after a batch."""
    return Position(
        epochs_before=learn.start.epochs_before,
        epoch=learn.epoch + 1 if whole else learn.epoch,
        batch=0 if whole else learn.iter + 1,
        step=learn.train_iter,
        done=float(learn.pct_train),
    )


def learner_state(learn: Learner, whole: bool) -> dict[str, Any]:
    """State of a KitLearner inside fit: after a whole epoch, or after a batch."""
    return {
        "model": learn.model.state_dict(),
        "opt": opt_state(learn.opt),
        "position": asdict(position_of(learn, whole)),
        "callbacks": {name: state() for name, (state, _) in states_of(learn.cbs).items()},
        "gradients": [parameter.grad for parameter in learn.model.parameters()] if holds_gradients(learn.cbs) else [],
        **_fixed(learn),
    }


def states_of(cbs: Iterable[Callback]) -> dict[str, tuple[Callable, Callable]]:
    """How the state of each callback that has one is read and put back, by its name; a second of a name is 'name 2'."""
    found: dict[str, tuple[Callable, Callable]] = {}
    for cb in cbs:
        counted = [name for kind, names in COUNTED.items() if isinstance(cb, kind) for name in names]
        if able([cb], "state_dict"):
            pair = cb.state_dict, cb.load_state_dict
        elif counted:
            pair = _reader(cb, counted), vars(cb).update
        else:
            continue
        known = sum(name == cb.name or name.startswith(f"{cb.name} ") for name in found)
        found[f"{cb.name} {known + 1}" if known else cb.name] = pair
    return found


def _reader(cb: Callback, names: Sequence[str]) -> Callable[[], dict[str, float]]:
    return lambda: {name: float(vars(cb)[name]) for name in names if name in vars(cb)}


def _fixed(learn: Learner) -> dict[str, Any]:
    """What must be the same for a resume to go on with the same training."""
    return {
        "n_epoch": learn.n_epoch,
        "n_iter": learn.batches_of(learn.dls.train),
        "seed": learn.seed,
        "fit": learn.current.call,
        "settings": callback_settings(learn.cbs),
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


def load_opt(opt: Any, state: dict[str, Any]) -> None:
    """Put an `opt_state` back."""
    (opt.opt if isinstance(opt, OptimWrapper) else opt).load_state_dict(state)


def lay_out_state(opt: Any) -> None:
    """Give what torch's optimizer keeps of each parameter the memory layout of the parameter.

    On a GPU its fused step refuses another; a fit may begin with other layouts than the last one ended with.
    """
    for parameter, kept in opt.opt.state.items() if isinstance(opt, OptimWrapper) else ():
        for name, value in kept.items():
            alike = isinstance(value, torch.Tensor) and value.shape == parameter.shape
            if alike and value.stride() != parameter.stride():
                kept[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def check_state(learn: Learner, state: dict[str, Any], allow: Sequence[str] = ()) -> None:
    """RunError naming everything in which a state does not fit the fit that has just begun.

    allow: keys that may differ: 'epochs' (their number alone, see `_check_epochs`), 'fit', 'settings', 'seed'.
    """
    before = state["position"]["epochs_before"]
    if before != learn.start.epochs_before:
        raise RunError(
            f"cannot resume: the checkpoint is of a later fit of the script, after {before} epochs of "
            "earlier ones; a resume works for scripts with one fit. Load the weights with load_run and fit on."
        )
    now = _fixed(learn)
    if {"epochs", "n_epoch"} & {*allow} and state["n_epoch"] != now["n_epoch"]:
        _check_epochs(learn, state)
        now["n_epoch"], now["fit"] = state["n_epoch"], {**now["fit"], "n_epoch": state["n_epoch"]}
    changed = [key for key in now if state[key] != now[key] and key not in allow]
    faults = [f"{key} was {differing(state[key], now[key])}" for key in changed]
    names = states_of(learn.cbs).keys()
    faults += [f"callback '{name}' is missing now" for name in sorted(set(state["callbacks"]) - names - {*FREE})]
    faults += [f"callback '{name}' was not there" for name in sorted(names - set(state["callbacks"]) - {*FREE})]
    if faults:
        further = " allow=('epochs',) lets it go on for more epochs." if "n_epoch" in changed else ""
        raise RunError("cannot resume: " + "; ".join(faults) + f". Resume with what the run began with.{further}")


def _check_epochs(learn: Learner, state: dict[str, Any]) -> None:
    """RunError where a training cannot go on to another number of epochs.

    Schedules that go by epochs alone can: the weights are those of a training that was to have so many from the start.
    A curve that is laid out over all of them cannot: stretched, its rates so far would be those of no schedule.
    """
    before, now, trained = state["n_epoch"], learn.n_epoch, state["position"]["epoch"]
    if now < trained:
        raise RunError(f"cannot go on to {now} epochs: {trained} are trained already")
    laid_out = ["fit_one_cycle" for cb in learn.cbs if isinstance(cb, ParamScheduler)]
    laid_out += filter(None, (name() for _, name in able(learn.cbs, "laid_out")))
    if laid_out:
        raise RunError(
            f"cannot go on to {now} epochs: the rates of {laid_out[0]} are laid out over {before} and end there. "
            f"Train anew with {now} epochs, or go on from the weights in a run of its own: learn = load_run(RUN); "
            "learn.add_cb(Run(...)); learn.fit_one_cycle(...). The schedules constant, step, multistep, exponential "
            "and plateau go on."
        )


def load_state(learn: Learner, state: dict[str, Any]) -> None:
    """Put a checked state back into a learner whose fit has just begun."""
    learn.model.load_state_dict(state["model"])
    load_opt(learn.opt, state["opt"])
    for name, (_, put_back) in states_of(learn.cbs).items():
        if name in state["callbacks"]:
            put_back(state["callbacks"][name])
    for parameter, gradient in zip(learn.model.parameters(), state.get("gradients", ()), strict=False):
        parameter.grad = None if gradient is None else gradient.to(parameter)
    learn.start = Position(**state["position"])
    learn.epoch, learn.train_iter = learn.start.epoch, learn.start.step
