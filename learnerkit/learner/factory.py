"""`image_learner`: from DataLoaders and a model's name to a Learner that is ready to fit."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import OptimWrapper
from torch import nn

from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.fusion import Fusion
from learnerkit.callbacks.guard import Guard
from learnerkit.callbacks.precision import Precision
from learnerkit.core.errors import DataError, ModelError, RecipeError, nearest
from learnerkit.core.record import record_call
from learnerkit.core.seed import kept_random_state, seed_position
from learnerkit.learner.kit import KitLearner
from learnerkit.metrics.classification import MacroF1
from learnerkit.models.create import DETECTOR, create_model, takes
from learnerkit.ops.fuse import WEIGHTS, fused_channels

OPTIMIZERS = {
    "sgd": partial(torch.optim.SGD, nesterov=True),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
PRECISIONS = ("fp32", "bf16", "fp16")


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


def make_learner(
    dls: DataLoaders,
    model: nn.Module,
    loss_func: Callable,
    metrics: Sequence[Any],
    cbs: Sequence[Callback],
    *,
    opt: str | Callable,
    lr: float,
    wd: float,
    momentum: float,
    seed: int | None,
    precision: str,
    clip: float,
    accumulate: int,
    accumulate_unit: str,
    channels_last: bool,
    compile: bool,
    guard: str,
    limit_batches: int | None,
    kind: type[KitLearner] = KitLearner,
    **kwargs: Any,
) -> KitLearner:
    """The Learner of a built model, with the callbacks that its arguments ask for.

    kind: which class of Learner; the others: see `image_learner`.
    """
    if precision not in PRECISIONS:
        raise RecipeError(f"precision '{precision}': {nearest(precision, PRECISIONS)}")
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    model = model.to(dls.device)
    if compile:
        model.compile()
    own = [
        None if any(cb is Guard or isinstance(cb, Guard) for cb in cbs) else Guard(guard),
        Precision(precision) if precision != "fp32" else None,
        GradientClip(clip) if clip else None,
        Accumulate(accumulate, accumulate_unit) if accumulate > 1 else None,
    ]
    return kind(
        dls,
        model,
        loss_func=loss_func,
        opt_func=make_opt_func(opt, momentum),
        lr=lr,
        wd=wd,
        moms=(momentum,) * 3,
        metrics=metrics,
        cbs=[cb for cb in own if cb is not None] + list(cbs),
        seed=seed,
        limit_batches=limit_batches,
        **kwargs,
    )


def as_list(cbs: Callback | Sequence[Callback] | None) -> list[Callback]:
    """Callbacks as a list, however they were given."""
    return [] if cbs is None else [cbs] if isinstance(cbs, Callback) else list(cbs)


def image_learner(
    dls: DataLoaders,
    arch: str | nn.Module = "resnet18",
    *,
    loss_func: Callable | None = None,
    label_smoothing: float = 0.0,
    opt: str | Callable = "sgd",
    lr: float = 0.1,
    wd: float = 5e-4,
    momentum: float = 0.9,
    metrics: Sequence[Any] | None = None,
    cbs: Callback | Sequence[Callback] | None = None,
    seed: int | None = 42,
    precision: str = "fp32",
    clip: float = 0.0,
    accumulate: int = 1,
    accumulate_unit: str = "batches",
    channels_last: bool = True,
    compile: bool = False,
    guard: str = "stop",
    limit_batches: int | None = None,
    model_args: dict[str, Any] | None = None,
    **kwargs: Any,
) -> KitLearner:
    """A Learner for image classification.

    dls: DataLoaders with a vocab; images [B,C,H,W], class indices [B].
    arch: a name of `list_models()`, 'timm:NAME', 'torchvision:NAME', or a module.
    loss_func: takes logits [B,K] and targets; cross entropy by default.
    label_smoothing: of the default loss, 0 to 1.
    opt: 'sgd' (Nesterov), 'adam', 'adamw', 'rmsprop', a torch.optim class, or a fastai optimizer such as `ranger`.
    lr: rate where `fit` is given none.
    wd: weight decay, on all parameters with a torch optimizer.
    momentum: constant through fit_one_cycle, as in published CIFAR recipes; pass moms= to fit_one_cycle to cycle it.
    metrics: accuracy and macro F1 by default.
    cbs: callbacks.
    seed: of weights, order, augmentation and dropout; None leaves randomness as fastai does.
    precision: 'fp32', 'bf16' (also on a CPU), 'fp16' (GPU only).
    clip: greatest norm of the gradient; 0 for none.
    accumulate, accumulate_unit: step once for so many 'batches' or 'samples'.
    channels_last: memory layout of the weights; faster for convolutions.
    compile: `torch.compile` the model; the first batches wait for the compiler.
    guard: what to do when an input, loss or gradient is not finite: 'stop', 'skip' or 'rollback'; see `Guard`.
    limit_batches: so many batches an epoch, for quick trials.
    model_args: the model's own arguments, such as {'dropout': .3}.
    kwargs: fastai's Learner arguments (splitter, path, model_dir, ...).
    """
    vocab = getattr(dls, "vocab", None)
    n_out = getattr(dls, "c", None) or (len(vocab) if vocab is not None else None)
    if not n_out:
        raise DataError(
            "image_learner: the dls have no vocab; give DataLoaders with class labels, such as cifar_dls(...)"
        )
    if isinstance(arch, str) and arch.startswith(DETECTOR):
        raise ModelError(f"{arch}: is a detector; detection_learner(dls, '{arch.removeprefix(DETECTOR)}') trains it")
    extra = as_list(cbs)
    given = {"arch": arch, "label_smoothing": label_smoothing, "opt": opt, "lr": lr, "wd": wd, "momentum": momentum}
    given |= {"seed": seed, "precision": precision, "clip": clip, "accumulate": accumulate, "loss_func": loss_func}
    given |= {"accumulate_unit": accumulate_unit, "channels_last": channels_last, "compile": compile}
    given |= {"guard": guard}
    given |= {"limit_batches": limit_batches, "model_args": model_args, **kwargs}
    n_in = dls.one_batch()[0].shape[1] if isinstance(arch, str) else None
    fusion = next((cb for cb in extra if isinstance(cb, Fusion)), None)
    if fusion is not None and n_in is not None:
        fusion.channels, n_in = n_in, fused_channels(fusion.mode, n_in)
    with kept_random_state():
        if seed is not None:
            seed_position(seed)
        model = create_model(arch, n_in, n_out, **(model_args or {})) if isinstance(arch, str) else arch
    learn = make_learner(
        dls,
        model,
        loss_func or CrossEntropyLossFlat(label_smoothing=label_smoothing),
        [accuracy, MacroF1(n_out)] if metrics is None else metrics,
        extra,
        opt=opt,
        lr=lr,
        wd=wd,
        momentum=momentum,
        seed=seed,
        precision=precision,
        clip=clip,
        accumulate=accumulate,
        accumulate_unit=accumulate_unit,
        channels_last=channels_last,
        compile=compile,
        guard=guard,
        limit_batches=limit_batches,
        **kwargs,
    )
    learn.recipe = record_call(image_learner, (), given)
    return learn


def fusion_learner(
    dls: DataLoaders,
    arch: str = "wrn_28_10",
    fusion: str = "concat",
    dropout: float | None = 0.3,
    fusion_weights: tuple[float, float] = WEIGHTS,
    cbs: Callback | Sequence[Callback] | None = None,
    model_args: dict[str, Any] | None = None,
    **kwargs: Any,
) -> KitLearner:
    """A Learner for pairs of maps that are fused before the network; the fusion is a part of the model.

    dls: DataLoaders of pairs, such as `saliency_dls(...)`: two maps [B,C,H,W] and class indices [B].
    arch: a name of `list_models()`, 'timm:NAME' or 'torchvision:NAME'; its input channels follow from the fusion.
    fusion: 'concat', 'saliency_only', 'attention_only', 'add', 'multiply', 'max', 'weighted' or 'gated'.
    dropout: of families that have one; None leaves the family's own.
    fusion_weights: of saliency and attention map, for 'weighted'; where 'gated' begins.
    cbs: callbacks; model_args: the model's own arguments.
    kwargs: see `image_learner`.
    """
    arguments = dict(model_args or {})
    if dropout is not None and takes(arch, "dropout"):
        arguments.setdefault("dropout", dropout)
    extra = as_list(cbs)
    learn = image_learner(dls, arch, cbs=[Fusion(fusion, fusion_weights), *extra], model_args=arguments, **kwargs)
    given = {**learn.recipe["args"], "fusion": fusion, "dropout": dropout, "fusion_weights": list(fusion_weights)}
    lost = learn.recipe["lost"]
    learn.recipe = {**record_call(fusion_learner, (), {**given, "model_args": model_args}), "lost": lost}
    return learn
