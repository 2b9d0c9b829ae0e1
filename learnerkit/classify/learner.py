"""`image_learner`: from DataLoaders of images and a model's name to a Learner that is ready to fit."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from learnerkit._fastai import Callback, CrossEntropyLossFlat, DataLoaders, accuracy
from learnerkit.callbacks.accumulate import class_weights as weights_of
from learnerkit.callbacks.identity import class_names, known_set
from learnerkit.callbacks.train_accuracy import TrainAccuracy
from learnerkit.classify.epoch_figures import ClassFigures
from learnerkit.classify.loaders import NAME
from learnerkit.classify.loss import readable
from learnerkit.classify.metrics import MacroF1
from learnerkit.classify.signs import ClassSigns
from learnerkit.core.calls import extends, recorded
from learnerkit.core.errors import DataError, ModelError, RecipeError
from learnerkit.core.ranges import ShareBelowOne
from learnerkit.core.seed import kept_random_state
from learnerkit.core.warn import warn
from learnerkit.data.drawn import is_balanced
from learnerkit.data.loaders import seeded_batch
from learnerkit.data.source import UNLABELLED
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.make import TrainingArguments, as_list, build_model, make_learner
from learnerkit.models.create import room_of
from learnerkit.models.mode import in_mode
from learnerkit.models.registry import families
from learnerkit.models.size import check_size


@recorded("dls", "cbs")
@extends(TrainingArguments)
def image_learner(
    dls: DataLoaders,
    arch: str | nn.Module = "resnet18",
    *,
    loss_func: Callable | None = None,
    label_smoothing: ShareBelowOne = 0.0,
    class_weights: Literal["balanced"] | None = None,
    model_args: dict[str, Any] | None = None,
    metrics: Sequence[Any] | None = None,
    cbs: Callback | Sequence[Callback] | None = None,
    **kwargs: Any,
) -> KitLearner:
    """A Learner for image classification.

    dls: DataLoaders with a vocab; images [B,C,H,W], class indices [B].
    arch: a name of `list_models()`, 'timm:NAME', 'torchvision:NAME', or a module.
    loss_func: takes logits [B,K] and targets; cross entropy by default. One without `decodes`, such as torch's own, is
        read by its greatest output.
    label_smoothing: of the default loss, 0 to 1.
    class_weights: 'balanced' weighs each class in the default loss by n/(K n_k), for n training images of K classes, of
        which n_k are of that one; all classes alike when None.
    model_args: the model's own arguments, such as {'dropout': .3}.
    metrics: accuracy and macro F1 by default.
    cbs: callbacks.

    Examples:
        >>> learn = image_learner(digits_dls(bs=64, size=16), "simple_cnn", label_smoothing=0.1)
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(2, 0.05)
        ...     loss, accuracy, f1 = learn.validate()
        >>> accuracy > 0.8
        True
    """
    n_out = getattr(dls, "c", None) or len(class_names(dls))
    if not n_out:
        raise DataError(
            "image_learner: the dls have no vocab; give DataLoaders with class labels, such as cifar_dls(...), or say "
            "how many classes there are with dls.c = 10"
        )
    if isinstance(arch, str) and room_of(arch) and arch not in families:
        raise ModelError(f"image_learner: {arch} is a model of the task '{room_of(arch)}', whose own learner builds it")
    if label_smoothing and loss_func is not None:
        raise RecipeError(
            f"image_learner(label_smoothing={label_smoothing}, loss_func=...): it is of the default loss; give it to "
            "your own, such as nn.CrossEntropyLoss(label_smoothing=...), or leave one of them out"
        )
    if class_weights is not None and loss_func is not None:
        raise RecipeError(
            f"image_learner(class_weights='{class_weights}', loss_func={loss_func}): they are of the default loss; "
            "give them to your own, such as nn.CrossEntropyLoss(weight=...), or leave one of them out"
        )
    if said := {"n_in", "n_out"} & {*(model_args or {})}:
        raise RecipeError(f"model_args: {', '.join(sorted(said))} follow from the data; leave them out")
    arguments, cbs = TrainingArguments(**kwargs), as_list(cbs)
    batch = seeded_batch(dls, arguments.seed)
    model = build_model(arch, arguments.seed, cbs, n_in=batch[0].shape[1], n_out=n_out, **(model_args or {}))
    if isinstance(arch, str):
        check_size(model, tuple(batch[0].shape[-2:]))
        if callable(begin_with := getattr(model, "begin_with", None)):  # a module that is given keeps its weights
            begin_with(batch[0].as_subclass(torch.Tensor).cpu())
    weights = None if class_weights is None else balanced_weights(dls, n_out)
    loss_func = readable(loss_func or CrossEntropyLossFlat(weight=weights, label_smoothing=label_smoothing))
    check_weights(loss_func, n_out)
    metrics = [accuracy, MacroF1(n_out)] if metrics is None else metrics
    learn = make_learner(
        getattr(dls, "task", NAME),
        dls,
        model,
        loss_func,
        metrics,
        [TrainAccuracy(), ClassFigures(n_out), *([ClassSigns()] if arguments.diagnose else []), *cbs],
        arguments,
    )
    names = [getattr(metric, "name", "") for metric in learn.metrics]
    learn.best_by = "accuracy" if "accuracy" in names else learn.best_by
    if not isinstance(arch, str):
        check_outputs(learn, batch, n_out)
    return learn


def balanced_weights(dls: DataLoaders, n_out: int) -> torch.Tensor:
    """The weight n/(K n_k) of each class in the training part, float [n_out] on the loaders' device.

    K: classes that stand in it; any other class weighs 1. DataError where nothing says the classes of its images.
    """
    source, split = known_set(dls) or (None, None)
    if source is None:
        raise DataError(
            "class_weights='balanced': the dls are of your own, and do not say the classes of their training part; "
            "give loss_func=nn.CrossEntropyLoss(weight=...)"
        )
    if is_balanced(dls.train):
        warn("class_weights='balanced' beside sampler='balanced': rare classes count twice; one of them is enough")
    codes = source.labels[split.train]
    counts = np.bincount(codes[codes != UNLABELLED], minlength=n_out)
    weights = counts.sum() / (np.count_nonzero(counts) or 1) / counts.clip(min=1)
    return torch.tensor(np.where(counts > 0, weights, 1.0), dtype=torch.float32, device=dls.device)


def check_weights(loss_func: Callable, n_out: int) -> None:
    """ModelError where the class weights of a loss are not one a class."""
    weights = weights_of(loss_func)
    if weights is not None and len(weights) != n_out:
        raise ModelError(f"loss_func: has {len(weights)} class weights, and the data have {n_out} classes")


def check_outputs(learn: KitLearner, batch: Sequence[Any], n_out: int) -> None:
    """ModelError where a model's outputs are not one a class; those that do not take the batch fail by themselves."""
    model, device = learn.model, next(learn.model.parameters()).device
    try:
        with in_mode(model, training=False), torch.no_grad(), kept_random_state():
            pred = model(*(part[:1].to(device) for part in batch[: getattr(learn.dls, "n_inp", 1)]))
    except (TypeError, RuntimeError):
        return
    if isinstance(pred, torch.Tensor) and pred.shape[-1] != n_out:
        raise ModelError(
            f"image_learner: the model gives {pred.shape[-1]} figures an image, and the data have {n_out} classes"
        )
