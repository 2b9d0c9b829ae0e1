"""What a training step takes of the memory, from shapes alone: nothing is computed and nothing is held."""

from typing import Any

import torch
from fastai.learner import Learner
from torch import Tensor, nn

from learnerkit.callbacks.forecast import moments
from learnerkit.core.disk import shown_bytes
from learnerkit.core.errors import TrainingError
from learnerkit.core.memory import free_bytes
from learnerkit.core.tensors import size_of
from learnerkit.models.inputs import without_data

NO_MEMORY = ("can't allocate memory", "not enough memory")  # what torch says of a CPU's, in a plain RuntimeError


def saved_bytes(model: nn.Module, inputs: tuple[Tensor, ...]) -> float | None:
    """Bytes a sample that a forward pass in training keeps for the backward one, in the model's own precision.

    inputs: a batch; its shapes and types alone are looked at. None for a model that needs more than shapes.
    """
    few, more = (_saved(model, inputs, n) for n in (2, 4))
    return None if few is None or more is None else (more - few) / 2


def _saved(model: nn.Module, inputs: tuple[Tensor, ...], n: int) -> int | None:
    held: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage._cdata] = storage
        return tensor

    batch = [torch.empty((n, *part.shape[1:]), dtype=part.dtype, device="meta") for part in inputs]
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    try:
        copy = without_data(model).train()
        with hooks, torch.enable_grad():
            copy(*batch)
    except Exception:  # a model may do anything with its input; then nothing is known
        return None
    own = {tensor.untyped_storage()._cdata for tensor in (*copy.parameters(), *copy.buffers())}
    return sum(storage.nbytes() for key, storage in held.items() if key not in own)


def step_bytes(learn: Learner, bs: int, inputs: tuple[Tensor, ...]) -> int | None:
    """The least that a training step with a batch of `bs` takes: weights, gradients, moments and what is saved.

    inputs: a batch of the training part. None where it is not known.
    """
    a_sample = saved_bytes(learn.model, inputs)
    if a_sample is None:
        return None
    halved = 0.5 if any(cb.name == "mixed_precision" for cb in learn.cbs) else 1
    if learn.opt is None:
        learn.create_opt()
    weights = size_of(dict(learn.model.named_parameters()))
    return int(weights * (2 + moments(learn.opt)) + bs * a_sample * halved)


def fitting_size(learn: Learner, bs: int, inputs: tuple[Tensor, ...], free: int | None) -> int | None:
    """The batch size that fits by the forecast: `bs`, or what is left of it after halving; None where none is known.

    free: bytes that may be taken; None where nobody says.
    """
    while bs and free is not None:
        needed = step_bytes(learn, bs, inputs)
        if needed is None or needed <= free:
            return bs if needed is not None else None
        bs //= 2
    return None


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the device was too small."""
    known = isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or known


def out_of_memory(learn: Learner, error: BaseException) -> TrainingError | None:
    """What to say instead of an error of the device's memory, with the batch size that fits; None for other errors."""
    if not lacks_memory(error):
        return None
    device, bs = next(learn.model.parameters()).device, getattr(learn.dls.train, "bs", None)
    inputs = tuple(part for part in learn.xb if isinstance(part, Tensor))
    learn.release_batch()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    size = fitting_size(learn, max(1, (bs or 2) // 2), inputs, free_bytes(device)) if inputs else None
    try_it = f"bs={size} (--bs {size})" if size else "a smaller bs (--bs)"
    return TrainingError(
        f"a batch of {bs} does not fit into the memory of {device} ({shown_bytes(free_bytes(device) or 0)} are free). "
        f"Try {try_it}; `--bs auto` finds it and accumulates gradients, so that a step is of {bs} samples all the same."
    )
