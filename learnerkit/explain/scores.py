"""What an explanation is of: one number for each sample, such as a classifier's logit of a class."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from learnerkit.core.errors import DataError, ModelError
from learnerkit.models.inputs import name_of

Images = Tensor | Sequence[Tensor]  # [B,C,H,W], or one for each input of a model
Targets = Tensor | Sequence[int] | int | None
Score = Callable[[nn.Module, Any, Any], Tensor]  # model, images, targets to [B]


def class_scores(model: nn.Module, images: Images, targets: Targets = None) -> Tensor:
    """Each image's score of its class [B]: a classifier's logit.

    model: images to logits [B,K]; images: [B,C,H,W], or several for a model of several inputs.
    targets: class indices [B], or one for all; the predicted ones when None.
    """
    logits = model(*as_inputs(images))
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        what = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"{name_of(model)}: its output is of {what}, and a class's score is one of logits [B,K]; say what is "
            "explained by score=, a function of model, images and targets to [B]"
        )
    return logits.gather(1, class_indices(targets, logits)[:, None])[:, 0]


def class_indices(targets: Targets, logits: Tensor) -> Tensor:
    """The classes that are explained, int64 [B]; DataError where they are no class indices, one for each image.

    targets: a tensor, array or list [B], or one number for all; the predicted classes when None. logits: [B,K].
    """
    if targets is None:
        return logits.argmax(dim=1)
    n, n_classes = logits.shape
    try:
        given = torch.as_tensor(targets).as_subclass(Tensor)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"targets: {targets!r:.60}; class indices are whole numbers ({error})") from error
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
        raise DataError(f"targets of {str(given.dtype).removeprefix('torch.')}: class indices are whole numbers")
    given = given.to(logits.device, torch.int64)
    if given.numel() not in (1, n) or given.ndim > 1:
        raise DataError(
            f"targets of shape {tuple(given.shape)}: one class index for each of {n} image(s), or one number"
        )
    if len(wrong := given[(given < 0) | (given >= n_classes)].flatten()):
        raise DataError(f"targets: {int(wrong[0])} is no class; the model's are 0 to {n_classes - 1}")
    return given.flatten().expand(n)


def as_inputs(images: Images) -> tuple[Tensor, ...]:
    """The inputs of a model, one or several."""
    return (images,) if isinstance(images, Tensor) else tuple(images)


def as_given(maps: Sequence[Tensor], images: Images) -> Any:
    """One map for one input, a tuple of maps for several."""
    return maps[0] if isinstance(images, Tensor) else tuple(maps)
