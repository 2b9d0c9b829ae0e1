"""`image_learner`: from DataLoaders of images and a model's name to a Learner that is ready to fit."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from learnerkit._fastai import Callback, CrossEntropyLossFlat, DataLoaders, accuracy
from learnerkit.classify.dls import NAME
from learnerkit.classify.loss import readable
from learnerkit.classify.metrics import MacroF1
from learnerkit.core.calls import extends, recorded
from learnerkit.core.errors import DataError, ModelError
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.make import TrainingArguments, as_list, build_model, make_learner
from learnerkit.models.create import room_of
from learnerkit.models.registry import families


@recorded("dls", "cbs")
@extends(TrainingArguments)
def image_learner(
    dls: DataLoaders,
    arch: str | nn.Module = "resnet18",
    *,
    loss_func: Callable | None = None,
    label_smoothing: float = 0.0,
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
    model_args: the model's own arguments, such as {'dropout': .3}.
    metrics: accuracy and macro F1 by default.
    cbs: callbacks.
    """
    vocab = getattr(dls, "vocab", None)
    n_out = getattr(dls, "c", None) or (len(vocab) if vocab is not None else None)
    if not n_out:
        raise DataError(
            "image_learner: the dls have no vocab; give DataLoaders with class labels, such as cifar_dls(...)"
        )
    if isinstance(arch, str) and room_of(arch) and arch not in families:
        raise ModelError(f"image_learner: {arch} is a model of the task '{room_of(arch)}', whose own learner builds it")
    arguments, cbs = TrainingArguments(**kwargs), as_list(cbs)
    n_in = dls.one_batch()[0].shape[1] if isinstance(arch, str) else None
    model = build_model(arch, arguments.seed, cbs, n_in=n_in, n_out=n_out, **(model_args or {}))
    loss_func = readable(loss_func or CrossEntropyLossFlat(label_smoothing=label_smoothing))
    metrics = [accuracy, MacroF1(n_out)] if metrics is None else metrics
    learn = make_learner(getattr(dls, "task", NAME), dls, model, loss_func, metrics, cbs, arguments)
    learn.best_by = "accuracy", "max"
    return learn
