"""`make_learner`: from a built model to a Learner that is ready to fit; the arguments that every factory shares."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.optimizer import OptimWrapper
from fastai.torch_core import trainable_params
from torch import nn

from learnerkit.callbacks.able import able
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.autocast import KINDS, Autocast
from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.seed import kept_random_state, seed_position
from learnerkit.learner.kit import KitLearner
from learnerkit.models.begin import begin_from
from learnerkit.models.create import create_model

OPTIMIZERS = {
    "sgd": partial(torch.optim.SGD, nesterov=True),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
PRECISIONS = ("fp32", *KINDS)


@dataclass(frozen=True, kw_only=True)
class TrainingArguments:
    """What every learner's factory takes, whatever the task.

    opt: 'sgd' (Nesterov), 'adam', 'adamw', 'rmsprop', a torch.optim class, or a fastai optimizer such as `ranger`.
    lr: rate where `fit` is given none.
    wd: weight decay, on all parameters with a torch optimizer.
    momentum: constant through fit_one_cycle, as in published CIFAR recipes; pass moms= to fit_one_cycle to cycle it.
    seed: of weights, order, augmentation and dropout; None leaves randomness as fastai does.
    precision: 'fp32', 'bf16' (also on a CPU), 'fp16' (GPU only).
    clip: greatest norm of the gradient; 0 for none.
    accumulate: step once for so many batches or samples.
    accumulate_unit: what `accumulate` counts, 'batches' or 'samples'.
    channels_last: memory layout of the weights; faster for convolutions.
    compile: `torch.compile` the model; the first batches wait for the compiler.
    guard: what to do when an input, loss or gradient is not finite: 'stop', 'skip' or 'rollback'; see `Guard`.
    limit_batches: so many batches an epoch, for quick trials.
    splitter: model to parameter groups, as fastai takes it.
    train_bn, wd_bn_bias: whether norm layers train in frozen groups, and whether decay acts on them, as in fastai.
    weights: where the weights begin: a run's folder (its best), a .safetensors file or a torch file with a state dict;
        drawn from the seed when None. A head of other classes stays as it is drawn.
    path: where `learn.save` and `learn.export` write; the DataLoaders' when None.
    model_dir: folder below it.
    """

    opt: str | Callable = "sgd"
    lr: float = 0.1
    wd: float = 5e-4
    momentum: float = 0.9
    seed: int | None = 42
    precision: str = "fp32"
    clip: float = 0.0
    accumulate: int = 1
    accumulate_unit: str = "batches"
    channels_last: bool = True
    compile: bool = False
    guard: str = "stop"
    limit_batches: int | None = None
    splitter: Callable = trainable_params
    train_bn: bool = True
    wd_bn_bias: bool = False
    weights: str | Path | None = None
    path: str | Path | None = None
    model_dir: str | Path = "models"

    @classmethod
    def names(cls) -> list[str]:
        """The names of the arguments."""
        return [field.name for field in fields(cls)]


def make_opt_func(opt: str | Callable | type, momentum: float = 0.9) -> Callable:
    """A fastai `opt_func` from a name ('sgd' is Nesterov's), a torch.optim class, or a fastai optimizer function.

    Named and torch optimizers step all parameters in one fused call; weight decay acts on all parameters.
    """
    if isinstance(opt, str):
        if opt not in OPTIMIZERS:
            raise RecipeError(f"optimizer '{opt}': {nearest(opt, OPTIMIZERS)}")
        torch_opt = OPTIMIZERS[opt]
        settings = {"momentum": momentum} if opt in ("sgd", "rmsprop") else {"betas": (momentum, 0.999)}
        fused = {} if opt == "rmsprop" else {"fused": True}
        return partial(OptimWrapper, opt=torch_opt, **settings, **fused)
    if isinstance(opt, type) and issubclass(opt, torch.optim.Optimizer):
        return partial(OptimWrapper, opt=opt)
    return opt


def as_list(cbs: Callback | Iterable[Callback] | None) -> list[Callback]:
    """Callbacks as a list, however they were given."""
    return [] if cbs is None else [cbs] if isinstance(cbs, Callback) else list(cbs)


def build_model(arch: str | nn.Module, seed: int | None, cbs: Sequence[Callback] = (), **spec: Any) -> nn.Module:
    """The model of an `arch` argument: a module is taken as it is, a name is built.

    seed: of the weights; None draws on.
    cbs: those with an `adapt(spec)` change the description before the model is built.
    spec: arguments of `create_model`.
    """
    if not isinstance(arch, str):
        return arch
    spec = {"name": arch, **spec}
    for _, adapt in able(cbs, "adapt"):
        spec = adapt(spec)
    with kept_random_state():
        if seed is not None:
            seed_position(seed)
        return create_model(**spec)


def make_learner(
    task: str,
    dls: DataLoaders,
    model: nn.Module,
    loss_func: Callable,
    metrics: Sequence[Any],
    cbs: Callback | Iterable[Callback] | None,
    arguments: TrainingArguments,
    kind: type[KitLearner] = KitLearner,
) -> KitLearner:
    """The Learner of a built model, with the callbacks that its arguments ask for.

    task: what it is trained for.
    metrics: of a validation pass; cbs: the user's callbacks, one or several; kind: which class of Learner.
    """
    given = arguments
    if given.precision not in PRECISIONS:
        raise RecipeError(f"precision '{given.precision}': {nearest(given.precision, PRECISIONS)}")
    if given.channels_last:
        model = model.to(memory_format=torch.channels_last)
    model = model.to(dls.device)
    if given.compile:
        model.compile()
    own = [
        Autocast(given.precision) if given.precision != "fp32" else None,
        GradientClip(given.clip) if given.clip else None,
        Accumulate(given.accumulate, given.accumulate_unit) if given.accumulate > 1 else None,
    ]
    learn = kind(
        dls,
        model,
        loss_func=loss_func,
        opt_func=make_opt_func(given.opt, given.momentum),
        lr=given.lr,
        wd=given.wd,
        moms=(given.momentum,) * 3,
        metrics=metrics,
        cbs=[cb for cb in own if cb is not None] + as_list(cbs),
        seed=given.seed,
        limit_batches=given.limit_batches,
        guard=given.guard,
        splitter=given.splitter,
        train_bn=given.train_bn,
        wd_bn_bias=given.wd_bn_bias,
        path=given.path,
        model_dir=given.model_dir,
    )
    learn.task = task
    if given.weights is not None:
        begin_from(learn.model, given.weights)
    return learn
