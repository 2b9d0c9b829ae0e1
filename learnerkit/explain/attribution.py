"""Which pixels a classifier looked at: the input's gradient and Grad-CAM. Tensors are [B,C,H,W]."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learnerkit.core.errors import DataError, ModelError
from learnerkit.models.mode import in_mode
from learnerkit.models.target import map_layers

PLACES = ("early", "middle", "late")
Targets = Tensor | Sequence[int] | int | None


def saliency_map(model: nn.Module, images: Tensor, targets: Targets = None) -> Tensor:
    """Magnitude of the gradient of each image's class score by its pixels (Simonyan et al. 2014): [B,C,H,W].

    model: images to logits [B,K]; used in evaluation mode, its own gradients are left alone.
    images: as the model takes them.
    targets: class indices [B], as a tensor or a list, or one for all; the predicted ones when None.
    """
    inputs = images.detach().clone().requires_grad_(True)
    with in_mode(model, training=False), torch.enable_grad():
        score = class_scores(model, inputs, targets).sum()
        return torch.autograd.grad(score, inputs)[0].abs()


def gradcam(model: nn.Module, images: Tensor, layer: nn.Module | str = "late", targets: Targets = None) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017) of a layer: where its features speak for the class, [B,1,H,W], 0 to 1.

    model: images to logits [B,K]; used in evaluation mode, its own gradients are left alone.
    layer: a module with outputs [B,c,h,w], or 'early', 'middle' or 'late': a map a third into the model, two thirds
        into it, or that of its last block, see `target_layer`.
    targets: class indices [B], as a tensor or a list, or one for all; the predicted ones when None.
    The map is enlarged to the images' size and scaled by its greatest value; all 0 where nothing speaks for the class.
    """
    module = feature_layer(model, layer) if isinstance(layer, str) else layer
    kept: list[Tensor] = []
    handle = module.register_forward_hook(lambda _, __, output: kept.append(output))
    try:
        with in_mode(model, training=False), torch.enable_grad():
            score = class_scores(model, images.detach().requires_grad_(True), targets).sum()
            features = kept[-1]
            gradient = torch.autograd.grad(score, features)[0]
    finally:
        handle.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam = (weights * features).sum(dim=1, keepdim=True).relu().detach()
    cam = nn.functional.interpolate(cam, images.shape[-2:], mode="bilinear", align_corners=False)
    return cam / cam.amax(dim=(1, 2, 3), keepdim=True).clamp_min(torch.finfo(cam.dtype).tiny)


def class_scores(model: nn.Module, images: Tensor, targets: Targets = None) -> Tensor:
    """Each image's score of its class [B]: a classifier's logit.

    model: images to logits [B,K]; targets: class indices [B], or one for all; the predicted ones when None.
    """
    logits = model(images)
    return logits.gather(1, class_indices(targets, logits)[:, None])[:, 0]


def class_indices(targets: Targets, logits: Tensor) -> Tensor:
    """The classes that are explained, int64 [B]; DataError where they are no class indices, one for each image.

    targets: a tensor, array or list [B], or one number for all; the predicted classes when None. logits: [B,K].
    """
    if targets is None:
        return logits.argmax(dim=1)
    n, n_classes = logits.shape
    given = torch.as_tensor(targets).as_subclass(Tensor)
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


def feature_layer(model: nn.Module, place: str) -> nn.Module:
    """The layer whose map is a third into the model, two thirds into it, or its last one, see `target_layer`.

    place: 'early', 'middle' or 'late'.
    """
    if place not in PLACES:
        raise ModelError(f"layer '{place}': {', '.join(PLACES)}, or a module of the model")
    found = map_layers(model)
    return found[max(0, round(len(found) * (PLACES.index(place) + 1) / 3) - 1)]
