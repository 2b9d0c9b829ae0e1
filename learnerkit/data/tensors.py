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
        self.name, self.inputs, self.targets = name, torch.as_tensor(inputs), torch.as_tensor(targets)
        if len(self.inputs) != len(self.targets):
            raise DataError(
                f"{name}: {len(self.inputs)} inputs and {len(self.targets)} targets; one for each is needed"
            )
        self.ids = [str(row) for row in range(len(self.inputs))] if ids is None else list(ids)
        self.parts, self.shape = np.full(len(self.inputs), ""), tuple(self.inputs.shape[1:])
        content = (part.contiguous().cpu().numpy().tobytes() for part in (self.inputs, self.targets))
        self.fingerprint, self.more = sha256(b"".join(content))[:16], facts

    def __len__(self) -> int:
        return len(self.inputs)

    def facts(self) -> dict[str, Any]:
        """What run.json records of the set."""
        return {**super().facts(), **self.more}


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
