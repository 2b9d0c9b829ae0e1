"""A model as an explanation needs it: in evaluation, frozen, with gradients recorded; and what goes into it."""

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from learnerkit.core.errors import DataError, LearnerkitError, ModelError
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.explain.scores import Images, Score, as_inputs
from learnerkit.models.inputs import name_of
from learnerkit.models.mode import in_mode


@contextlib.contextmanager
def explained(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode, its parameters frozen, gradients recorded whatever the caller has switched off.

    Mode, flags and gradients of the parameters are afterwards what they were. A copy where the model was built in
    inference mode, since autograd refuses its tensors.
    """
    with torch.inference_mode(False), torch.enable_grad():
        tensors = [*model.parameters(), *model.buffers()]
        used = copy.deepcopy(model) if any(tensor.is_inference() for tensor in tensors) else model
        learned = [parameter for parameter in used.parameters() if parameter.requires_grad]
        with in_mode(used, training=False):
            for parameter in learned:
                parameter.requires_grad_(False)
            try:
                yield used
            finally:
                for parameter in learned:
                    parameter.requires_grad_(True)


def prepared(model: nn.Module, images: Images) -> tuple[Tensor, ...]:
    """The inputs, plain and apart from any graph, in the model's precision.

    DataError where they are no images of numbers; a warning names those of one colour.
    """
    kind, found = precision(model), []
    for number, values in enumerate(as_inputs(images)):
        name = "images" if isinstance(images, Tensor) else f"images[{number}]"
        if not isinstance(values, Tensor) or values.ndim != 4:
            shape = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise DataError(f"{name}: {shape}; a tensor [B,C,H,W] is needed, as the model takes it")
        if not values.is_floating_point():
            raise DataError(
                f"{name}: of {str(values.dtype).removeprefix('torch.')}; the model takes normalised images of floats, "
                "as a batch of the DataLoaders has them"
            )
        if not len(values):
            raise DataError(f"{name}: a batch of no images")
        plain = values.detach().as_subclass(Tensor)
        if not plain.isfinite().all():
            raise DataError(f"{name}: holds values that are not finite")
        found.append(plain.clone() if plain.is_inference() else plain.to(kind or plain.dtype))
    if len({len(values) for values in found}) > 1:
        raise DataError(f"images: {', '.join(str(len(values)) for values in found)} of each input; as many are needed")
    _warn_of_plain(found)
    return tuple(found)


def precision(model: nn.Module) -> torch.dtype | None:
    """The number format of a model's weights, None where it has none."""
    return next((each.dtype for each in model.parameters() if each.is_floating_point()), None)


def _warn_of_plain(inputs: list[Tensor]) -> None:
    """One warning where an image is of one colour in every input."""
    flat = [(values.amax(dim=(2, 3)) == values.amin(dim=(2, 3))).all(dim=1) for values in inputs]
    plain = torch.stack([one.cpu() for one in flat]).all(dim=0).nonzero().flatten().tolist()
    if plain:
        warn(f"images of one colour: {some(list(map(str, plain)))}; their maps show the model's edges, nothing of them")


def scored(model: nn.Module, score: Score, inputs: tuple[Tensor, ...], images: Images, targets: object) -> Tensor:
    """The scores [B] of inputs, in the form in which `images` were given; ModelError where they are none.

    The model gets copies in its precision: a first layer may work in place, and noise may have made them finer.
    """
    kind = precision(model)
    copies = tuple(one.to(kind or one.dtype, copy=True) for one in inputs)
    try:
        scores = score(model, copies[0] if isinstance(images, Tensor) else copies, targets)
    except (LearnerkitError, torch.OutOfMemoryError):
        raise
    except (RuntimeError, ValueError, AssertionError) as error:  # whatever it raises on what it cannot take
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        sizes = " and ".join(str(list(one.shape)) for one in copies)
        raise ModelError(f"{name_of(model)}: fails on images of {sizes} ({said})") from error
    n = len(inputs[0])
    if not isinstance(scores, Tensor) or scores.shape != (n,):
        what = list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ModelError(f"score: gave {what}; one number for each of {n} image(s) is needed, a tensor [{n}]")
    if not scores.isfinite().all():
        raise ModelError(f"{name_of(model)}: scores that are not finite; its weights or its precision are at fault")
    return scores


def gradients(scores: Tensor, inputs: tuple[Tensor, ...], model: nn.Module, of: str) -> tuple[Tensor, ...]:
    """The gradient of the scores by each input; ModelError where none has a part in them.

    of: what the inputs are, for the message.
    """
    found = [None] * len(inputs)
    if scores.requires_grad:
        found = torch.autograd.grad(scores.sum(), inputs, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise ModelError(
            f"{name_of(model)}: the score does not depend on {of}; is it computed from it, without .detach(), .data or "
            "a comparison between?"
        )
    return tuple(
        torch.zeros_like(one) if gradient is None else gradient for one, gradient in zip(inputs, found, strict=True)
    )
