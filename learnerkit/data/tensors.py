"""A set of inputs and targets in memory, and its DataLoaders: all that a task of one's own needs of data like that."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from learnerkit._fastai import TransformBlock
from learnerkit.core.errors import DataError
from learnerkit.core.files import sha256
from learnerkit.data.loaders import KitLoaders, make_loaders
from learnerkit.data.parts import parts_of
from learnerkit.data.resident import ResidentDL, Rows
from learnerkit.data.source import Source


class FloatRows(Rows):
    """Row number to entry; one that is decoded is the tensor itself."""

    def encodes(self, row: int) -> torch.Tensor:
        return self.entry(row)


class TensorSource(Source):
    """Inputs and targets, a row a sample.

    name: what the set is called; inputs, targets: [N,...] each, as the model and the loss take them.
    ids: a name for each sample; its number when None.
    facts: what run.json records of the set besides, such as what it was made with.
    """

    in_memory = True

    def __init__(self, name: str, inputs: Any, targets: Any, ids: Sequence[str] | None = None, **facts: Any) -> None:
        self.name, self.inputs, self.targets = name, _plain(name, inputs), _plain(name, targets)
        if len(self.inputs) != len(self.targets):
            raise DataError(
                f"{name}: {len(self.inputs)} inputs and {len(self.targets)} targets; one for each is needed"
            )
        self.ids = [str(row) for row in range(len(self.inputs))] if ids is None else list(ids)
        if len(set(self.ids)) != len(self.inputs):
            raise DataError(
                f"{name}: {len(set(self.ids))} different ids for {len(self.inputs)} samples; one for each is needed"
            )
        self.parts, self.shape = np.full(len(self.inputs), ""), tuple(self.inputs.shape[1:])
        parts = (self.inputs, self.targets)
        forms = repr([(tuple(part.shape), part.dtype) for part in parts]).encode()
        content = (part.reshape(-1).view(torch.uint8).numpy().tobytes() for part in parts)
        self.fingerprint, self.more = sha256(forms + b"".join(content))[:16], facts

    def __len__(self) -> int:
        return len(self.inputs)

    def facts(self) -> dict[str, Any]:
        """What run.json records of the set."""
        return {**super().facts(), **self.more}


def _plain(name: str, values: Any) -> torch.Tensor:
    """Values as a tensor on the CPU, a row a sample; DataError where they are none."""
    try:
        found = torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{name}: inputs and targets must be arrays of numbers, a row a sample ({error})") from None
    if not found.ndim:
        raise DataError(f"{name}: a single number; inputs and targets must be arrays, a row a sample")
    return found


def tensor_loaders(
    task: str, source: TensorSource, bs: int, split: Any = None, split_seed: int = 42, limit: int | None = None
) -> KitLoaders:
    """The DataLoaders of such a set, which stays on the device: batches are cut out of it.

    task: what they are for; bs: samples a batch; split, split_seed, limit: see `data.parts.parts_of`.
    """
    parts = parts_of(source, bs, split, split_seed, limit)
    inputs = TransformBlock(type_tfms=FloatRows(source.inputs), dl_type=ResidentDL)
    targets = TransformBlock(type_tfms=FloatRows(source.targets))
    return make_loaders(task, source, parts, (inputs, targets), bs=bs)
