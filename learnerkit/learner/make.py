"""`make_learner`: from a built model to a Learner that is ready to fit; the arguments that every factory shares."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.optimizer import OptimWrapper
from fastai.torch_core import default_device, trainable_params
from torch import nn

from learnerkit.callbacks.able import able
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.autocast import Autocast
from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.launch import begin
from learnerkit.core.ranges import AtLeastOne, Flag, NotNegative, Positive, Seed, ShareBelowOne
from learnerkit.core.seed import kept_random_state, seed_position
from learnerkit.learner.hypers import TorchOptimizer
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.muon import Muon
from learnerkit.models.begin import begin_from
from learnerkit.models.create import create_model

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "muon": Muon,
}


@dataclass(frozen=True, kw_only=True)
class TrainingArguments:
    """What every learner's factory takes, whatever the task.

    opt: 'sgd' (Nesterov's where there is momentum), 'adam', 'adamw', 'rmsprop', 'muon' (of matrices; see
        `learner.muon`), a torch.optim class or a partial of one, or a fastai optimizer such as `ranger`.
    lr: rate where `fit` is given none.
    wd: weight decay, on all parameters with a torch optimizer.
    momentum: of any optimizer, for Adam and its kin the first beta; constant through fit_one_cycle, as in published
        CIFAR recipes; pass moms= to fit_one_cycle to cycle it.
    seed: of weights, order, augmentation and dropout; None leaves randomness as fastai does.
    precision: 'fp32', 'bf16' (also on a CPU), 'fp16' (GPU only).
    clip: greatest norm of the gradient; 0 for none.
    accumulate: step once for so many batches or samples.
    accumulate_unit: what `accumulate` counts, 'batches' or 'samples'.
    channels_last: memory layout of the weights; faster for convolutions.
    compile: `torch.compile` the model; the first batches wait for the compiler.
    guard: what to do when an input, loss or gradient is not finite: 'stop', 'skip' or 'rollback'; see `Guard`.
    diagnose: whether signs of a bad training are told while it trains, see nbs/diagnosis.md.
    limit_batches: so many batches an epoch, for quick trials.
    splitter: model to parameter groups, as fastai takes it.
    train_bn, wd_bn_bias: whether norm layers train in frozen groups, and whether decay acts on them, as in fastai.
    weights: where the weights begin: a run's folder (its best), a .safetensors file or a torch file with a state dict;
        drawn from the seed when None. A head of other classes stays as it is drawn.
    path: where `learn.save` and `learn.export` write; the DataLoaders' when None.
    model_dir: folder below it.
    """

    opt: str | Callable = "sgd"
    lr: Positive = 0.1
    wd: NotNegative = 5e-4
    momentum: ShareBelowOne = 0.9
    seed: Seed | None = 42
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    clip: NotNegative = 0.0
    accumulate: AtLeastOne = 1
    accumulate_unit: Literal["batches", "samples"] = "batches"
    channels_last: Flag = True
    compile: Flag = False
    guard: Literal["stop", "skip", "rollback"] = "stop"
    diagnose: Flag = True
    limit_batches: AtLeastOne | None = None
    splitter: Callable = trainable_params
    train_bn: Flag = True
    wd_bn_bias: Flag = False
    weights: str | Path | None = None
    path: str | Path | None = None
    model_dir: str | Path = "models"

    @classmethod
    def names(cls) -> list[str]:
        """The names of the arguments."""
        return [field.name for field in fields(cls)]


def make_opt_func(opt: str | Callable | type, momentum: float = 0.9) -> Callable:
    """A fastai `opt_func` from a name, a torch.optim class, a partial of one, or a fastai optimizer function.

    Named optimizers of torch's step all parameters in one fused call; weight decay of torch's acts on all parameters.
    """
    if isinstance(opt, str):
        if opt not in OPTIMIZERS:
            raise RecipeError(f"optimizer '{opt}': {nearest(opt, OPTIMIZERS)}")
        fixed = {} if opt in ("rmsprop", "muon") else {"fused": True}
        fixed |= {"nesterov": True} if opt == "sgd" and momentum else {}  # torch refuses it without momentum
        return _of_torch(OPTIMIZERS[opt], momentum, fixed)
    if not callable(opt):
        raise RecipeError(f"opt={opt!r}: a name of {', '.join(OPTIMIZERS)}, a torch.optim class or a fastai optimizer")
    function, fixed = getattr(opt, "func", opt), dict(getattr(opt, "keywords", {}))
    if function is OptimWrapper and "opt" in fixed:
        function = fixed.pop("opt")
    if isinstance(function, type) and issubclass(function, torch.optim.Optimizer):
        return _of_torch(function, momentum, fixed)
    return partial(opt, **_with_momentum(function, momentum, fixed))


def _of_torch(opt: type[torch.optim.Optimizer], momentum: float, fixed: dict[str, Any]) -> Callable:
    return partial(TorchOptimizer, opt=opt, **_with_momentum(opt, momentum, fixed), **fixed)


def _with_momentum(opt: Callable, momentum: float, fixed: dict[str, Any]) -> dict[str, Any]:
    """The argument by which an optimizer takes its momentum; RecipeError where one is asked for and it has none.

    fixed: arguments that are decided already.
    """
    known = inspect.signature(opt).parameters
    if {"momentum", "betas", "mom"} & fixed.keys():
        return {}
    for name in ("momentum", "mom"):
        if name in known:
            return {name: momentum}
    if "betas" in known:
        _, *others = known["betas"].default
        return {"betas": (momentum, *others)}
    if momentum != TrainingArguments.momentum:
        raise RecipeError(f"momentum={momentum}: {getattr(opt, '__name__', opt)} has none; leave it out")
    return {}


OWN = {"lr": ("lr",), "wd": ("weight_decay", "wd"), "momentum": ("momentum", "mom")}  # as optimizers call them


def with_own(given: TrainingArguments) -> TrainingArguments:
    """The arguments with what a partial of an optimizer says in their place; RecipeError where both say it."""
    fixed = getattr(given.opt, "keywords", {})
    said = {name: fixed[key] for name, keys in OWN.items() for key in keys if key in fixed}
    for name, value in said.items():
        if getattr(given, name) not in (value, getattr(TrainingArguments, name)):
            raise RecipeError(f"{name}={getattr(given, name)}: opt= says {value} already; give the one or the other")
    return replace(given, **said)


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


def fit_loss(loss_func: Callable, like: torch.Tensor) -> None:
    """Bring the tensors of a loss, such as its class weights, to the device and the float type of a model.

    loss_func: a module, or a fastai loss around one; a function keeps what it holds.
    """
    module = loss_func if isinstance(loss_func, nn.Module) else getattr(loss_func, "func", None)
    if isinstance(module, nn.Module):
        module.to(device=like.device, dtype=like.dtype)


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
    begin()
    given = with_own(arguments)
    if given.channels_last:
        model = model.to(memory_format=torch.channels_last)
    model = model.to(getattr(dls, "device", None) or default_device())
    fit_loss(loss_func, next(model.parameters()))
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
        diagnose=given.diagnose,
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
