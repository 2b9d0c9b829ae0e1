"""What the states of a run will take of the disk, from its learner."""

from typing import Any

from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from learnerkit.callbacks.able import able
from learnerkit.core.disk import forecast_bytes
from learnerkit.core.tensors import size_of


def peak_bytes(learn: Learner, keep: int) -> int:
    """Peak bytes of a run that keeps so many complete checkpoints, beside its files of weights.

    learn: with its optimizer; keep: checkpoints.
    """
    weights = size_of(learn.model.state_dict())
    averaged = weights if able(learn.cbs, "eval_model") else 0
    optimizer = moments(learn.opt) * weights
    return forecast_bytes(weights, optimizer, averaged, keep, 2) + sum(
        cb.k * (weights + cb.optimizer * optimizer) for cb in learn.cbs if cb.name == "save_top_k"
    )


def moments(opt: Any) -> int:
    """Tensors of a parameter's size that an optimizer keeps for it."""
    if not isinstance(opt, OptimWrapper):
        return 3  # fastai's own keep two, ranger three
    defaults = opt.opt.defaults
    kept = 2 if "betas" in defaults else bool(defaults.get("momentum")) + ("alpha" in defaults)
    return kept + bool(defaults.get("amsgrad"))
