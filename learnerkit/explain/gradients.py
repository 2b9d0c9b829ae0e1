"""The gradient of a score by the pixels. Tensors are [B,C,H,W]."""

from typing import Any

from torch import nn

from learnerkit.explain.passes import explained, gradients, prepared, scored
from learnerkit.explain.scores import Images, Score, Targets, as_given, class_scores


def saliency_map(model: nn.Module, images: Images, targets: Targets = None, score: Score = class_scores) -> Any:
    """Magnitude of the gradient of each image's class score by its pixels (Simonyan et al. 2014): [B,C,H,W].

    model: images to logits [B,K]; used in evaluation mode, afterwards as it was.
    images: as the model takes them, [B,C,H,W]; several for a model of several inputs, and a map for each is returned.
    targets: class indices [B], as a tensor or a list, or one for all; the predicted ones when None.
    score: what is explained, a function of model, images and targets to [B].

    Examples:
        >>> import torch
        >>> model, images = create_model("simple_cnn", n_in=1), torch.rand(2, 1, 32, 32)
        >>> bool((saliency_map(model, images, targets=[3, 8]) >= 0).all())
        True
    """
    with explained(model) as used:
        leaves = tuple(values.clone().requires_grad_(True) for values in prepared(used, images))
        scores = scored(used, score, leaves, images, targets)
        found = gradients(scores, leaves, used, "its input")
    return as_given([gradient.abs().float() for gradient in found], images)
