"""Class activation maps: where the features of a layer speak for the class. Tensors are [B,C,H,W]."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from learnerkit.core.errors import ModelError
from learnerkit.explain.layers import Layer, Reshape, as_map, find_layer
from learnerkit.explain.passes import explained, gradients, prepared, scored
from learnerkit.explain.scores import Images, Score, Targets, as_given, class_scores
from learnerkit.models.inputs import name_of

SMALLEST = 1e-7  # greatest value of a map that is not dimmed, as in pytorch-grad-cam, so that the maps are equal


def gradcam(
    model: nn.Module,
    images: Images,
    targets: Targets = None,
    layer: Layer = "late",
    score: Score = class_scores,
    reshape: Reshape | None = None,
) -> Any:
    """Grad-CAM (Selvaraju et al. 2017) of a layer: where its features speak for the class, [B,1,H,W], 0 to 1.

    model: images to logits [B,K]; used in evaluation mode, afterwards as it was.
    images: as the model takes them, [B,C,H,W]. Several for a model of several inputs: a map for each, of what the layer
        shows of that input alone, weighted by what counts for the class in all of them together.
    targets: class indices [B], as a tensor or a list, or one for all; the predicted ones when None.
    layer: a module with outputs [B,c,h,w], its name, or 'early', 'middle' or 'late', see `find_layer`. A layer in
        place is looked at as its own output, not as what a later one makes of it; the last call of one that is shared.
    score: what is explained, a function of model, images and targets to [B].
    reshape: the layer's output to [B,c,h,w]; where None, a grid of tokens is laid out by the images' proportions.
    The map is enlarged to the images' size and spread over 0 to 1; all 0 where nothing speaks for the class, or
    everything alike. Float32.

    Examples:
        >>> import torch
        >>> model, images = create_model("simple_cnn", n_in=1), torch.rand(2, 1, 32, 32)
        >>> maps = gradcam(model, images, targets=3)  # what speaks for class 3
        >>> maps.shape, 0 <= float(maps.min()) <= float(maps.max()) <= 1
        (torch.Size([2, 1, 32, 32]), True)
    """
    return _class_map(model, images, targets, layer, score, reshape, _mean_gradient)


def layercam(
    model: nn.Module,
    images: Images,
    targets: Targets = None,
    layer: Layer = "late",
    score: Score = class_scores,
    reshape: Reshape | None = None,
) -> Any:
    """LayerCAM (Jiang et al. 2021): as `gradcam`, each place weighted by its own gradient where that is above 0.

    model, images, targets, layer, score, reshape: as in `gradcam`, and so is the result. Finer than it on early layers.

    Examples:
        >>> import torch
        >>> model, images = create_model("simple_cnn", n_in=1), torch.rand(2, 1, 32, 32)
        >>> layercam(model, images, layer="early").shape
        torch.Size([2, 1, 32, 32])
    """
    return _class_map(model, images, targets, layer, score, reshape, torch.relu)


def _mean_gradient(gradient: Tensor) -> Tensor:
    return gradient.mean(dim=(2, 3), keepdim=True)


def _class_map(
    model: nn.Module,
    images: Images,
    targets: Targets,
    layer: Layer,
    score: Score,
    reshape: Reshape | None,
    weigh: Callable[[Tensor], Tensor],
) -> Any:
    """Maps by the features of a layer and weights that `weigh` makes of the gradient."""
    with explained(model) as used:
        inputs = prepared(used, images)
        sides = inputs[0].shape[-2:]
        name, _ = find_layer(model, layer, min(sides))

        def plane(output: Any) -> Tensor:
            return as_map(output if reshape is None else reshape(output), sides, name)

        with _kept(used, name, leaf=True) as kept:
            scores = scored(used, score, inputs, images, targets)
        features = _last(kept, used, name)
        (gradient,) = gradients(scores, (features,), used, f"the layer '{name}'")
        weights = weigh(plane(gradient).float())
        if isinstance(images, Tensor):
            return spread_out(weights, plane(features.detach()), sides)
        maps = []
        for number in range(len(inputs)):
            if (alone := _alone(used, inputs, number)) is None:
                maps.append(torch.zeros_like(inputs[0][:, :1], dtype=torch.float32))
                continue
            with torch.no_grad(), _kept(used, name) as kept:
                scored(used, score, alone, images, targets)
            maps.append(spread_out(weights, plane(_last(kept, used, name)), sides))
    return as_given(maps, images)


def spread_out(weights: Tensor, features: Tensor, sides: tuple[int, int]) -> Tensor:
    """The weighted sum of features [B,c,h,w] where it is above 0, enlarged, each map from 0 to 1: [B,1,H,W]."""
    cam = (weights * features.float()).sum(dim=1, keepdim=True).relu()
    cam = nn.functional.interpolate(_scaled(cam), tuple(sides), mode="bilinear", align_corners=False)
    return _scaled(cam)


def _scaled(cam: Tensor) -> Tensor:
    """Each map from 0 to 1, as pytorch-grad-cam scales it; one that is the same everywhere is all 0."""
    cam = cam - cam.amin(dim=(2, 3), keepdim=True)
    return cam / (cam.amax(dim=(2, 3), keepdim=True) + SMALLEST)


def _alone(model: nn.Module, inputs: tuple[Tensor, ...], number: int) -> tuple[Tensor, ...] | None:
    """The inputs with all others made neutral: as a model's method `alone(inputs, number)` says, else 0.

    None where the model does not use the input.
    """
    if callable(own := getattr(model, "alone", None)):
        return own(inputs, number)
    return tuple(values if one == number else torch.zeros_like(values) for one, values in enumerate(inputs))


@contextlib.contextmanager
def _kept(model: nn.Module, name: str, leaf: bool = False) -> Iterator[list[Any]]:
    """Within the block each output of a layer is kept as it leaves the layer.

    leaf: whether it is cut off from what was before it, so that a gradient ends there.
    """
    outputs: list[Any] = []

    def keep(_: nn.Module, __: Any, output: Any) -> Tensor | None:
        outputs.append(output.detach().requires_grad_(leaf) if isinstance(output, Tensor) else output)
        return outputs[-1].clone() if isinstance(output, Tensor) else None  # what follows may work in place

    handle = model.get_submodule(name).register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


def _last(kept: list[Any], model: nn.Module, name: str) -> Tensor:
    """The output of the last call of a layer; ModelError where it was not called, or put out no tensor."""
    if not kept:
        raise ModelError(f"layer '{name}': was not used by {name_of(model)} on these images")
    if not isinstance(kept[-1], Tensor):
        as_map(kept[-1], (1, 1), name)
    return kept[-1]
