"""`fusion_learner`: from DataLoaders of pairs of maps to a Learner whose network fuses them."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch import nn

from learnerkit._fastai import Callback, DataLoaders
from learnerkit.classify.learner import image_learner
from learnerkit.core.calls import extends, recorded
from learnerkit.core.ranges import Number, ShareBelowOne
from learnerkit.fuse.fusion import Fusion
from learnerkit.fuse.modes import EVERY_MODE, WEIGHTS
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.make import TrainingArguments, as_list
from learnerkit.models.create import takes


@recorded("dls", "cbs")
@extends(TrainingArguments)
def fusion_learner(
    dls: DataLoaders,
    arch: str | nn.Module = "wrn_28_10",
    *,
    fusion: Literal[EVERY_MODE] = "concat",
    fusion_weights: tuple[Number, Number] = WEIGHTS,
    dropout: ShareBelowOne | None = 0.3,
    loss_func: Callable | None = None,
    label_smoothing: ShareBelowOne = 0.0,
    class_weights: Literal["balanced"] | None = None,
    model_args: dict[str, Any] | None = None,
    metrics: Sequence[Any] | None = None,
    cbs: Callback | Sequence[Callback] | None = None,
    **kwargs: Any,
) -> KitLearner:
    """A Learner for pairs of maps that are fused before the network; the fusion is a part of the model.

    dls: DataLoaders of pairs, such as `saliency_dls(...)`: two maps [B,C,H,W] and class indices [B].
    arch: a name of `list_models()`, 'timm:NAME', 'torchvision:NAME', or a module; the input channels of a model that is
        built follow from the fusion.
    fusion: 'concat', 'saliency_only', 'attention_only', 'add', 'multiply', 'max', 'weighted' or 'gated'.
    fusion_weights: of saliency and attention map, for 'weighted'; where 'gated' begins.
    dropout: of families that have one; None leaves the family's own.
    loss_func: takes logits [B,K] and targets; cross entropy by default.
    label_smoothing: of the default loss, 0 to 1.
    class_weights: 'balanced' weighs each class in the default loss, see `image_learner`; all alike when None.
    model_args: the model's own arguments.
    metrics: accuracy and macro F1 by default.
    cbs: callbacks.

    Examples:
        >>> import os, torch
        >>> os.mkdir("pairs")
        >>> for number in range(40):
        ...     pair = {"saliency_maps": torch.rand(3, 8, 8), "cross_attention_maps": torch.rand(3, 8, 8)}
        ...     torch.save({**pair, "class_id": number % 2, "class_name": "ab"[number % 2]}, f"pairs/{number}.pt")
        >>> learn = fusion_learner(saliency_dls("pairs", bs=8, cache="cache"), "tiny_cnn", fusion="gated")
        >>> sorted(learn.model.reported())
        ['attention', 'saliency']
    """
    arguments = dict(model_args or {})
    if dropout is not None and isinstance(arch, str) and takes(arch, "dropout"):
        arguments.setdefault("dropout", dropout)
    return image_learner(
        dls,
        arch,
        loss_func=loss_func,
        label_smoothing=label_smoothing,
        class_weights=class_weights,
        model_args=arguments,
        metrics=metrics,
        cbs=[Fusion(fusion, fusion_weights), *as_list(cbs)],
        **kwargs,
    )
