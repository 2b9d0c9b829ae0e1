"""The complete state of a fit at a batch boundary, and how it is put back.

Holds: weights, optimizer, position (epoch, batch, part of training done), and each callback's `state_dict`. Nothing of
random generators: they are a function of the position.
"""

from typing import TYPE_CHECKING, Any

from fastai.optimizer import OptimWrapper

from learnerkit.core.errors import RunError

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
        "callbacks": states,
    }


def opt_state(opt: Any) -> dict[str, Any]:
    """The optimizer's state by parameter position, in plain types."""
    if isinstance(opt, OptimWrapper):
        return opt.opt.state_dict()
    state = opt.state_dict()
    return {"state": [dict(item) for item in state["state"]], "hypers": [dict(item) for item in state["hypers"]]}


def check_learner_state(learn: "KitLearner", state: dict[str, Any]) -> None:
    """RunError naming everything in which a state does not fit the fit that has just begun."""
    faults = []
    for key, now in (("n_epoch", learn.n_epoch), ("n_iter", learn.batches_of(learn.dls.train)), ("seed", learn.seed)):
        if state[key] != now:
            faults.append(f"{key} was {state[key]}, now {now}")
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
