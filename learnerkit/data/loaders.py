"""DataLoaders of ours: a split with a test part, the facts of the set, and the call that made them."""

import random
from collections.abc import Sequence, Sized
from numbers import Integral
from typing import Any

import numpy as np
import torch
from fastai.data.block import DataBlock, TransformBlock
from fastai.data.core import TfmdDL
from fastai.torch_core import default_device

from learnerkit._fastai import DataLoader, DataLoaders, loaders_of, order_of_pass
from learnerkit.core.errors import DataError
from learnerkit.core.launch import begin
from learnerkit.core.seed import kept_random_state, seed_of, seed_position
from learnerkit.data.source import Source
from learnerkit.data.split import Split


class KitLoaders(DataLoaders):
    """DataLoaders with a test part and the facts about the set that runs record.

    source: the set; split: who is in which part; task: what kind of training they are for.
    recipe: the call that made them, see `core.calls`.
    input_shape: of one sample as a model sees it, where all have one and the set does not say it.
    """

    source: Source
    split: Split
    task: str
    recipe: dict | None = None
    input_shape: tuple[int, ...] | None = None

    @property
    def test(self) -> TfmdDL:
        """The loader of the test part; DataError when the set has none."""
        if len(self.loaders) < 3:
            raise DataError(f"{self.source.name}: has no test part")
        return self.loaders[2]

    @property
    def parts(self) -> list[str]:
        """The parts on which a trained model is measured: 'valid' and, where there is one, 'test'."""
        return ["valid", "test"] if len(self.loaders) > 2 else ["valid"]

    def facts(self) -> dict[str, Any]:
        """What run.json records of the data."""
        seen = {} if self.input_shape is None else {"input_shape": list(self.input_shape)}
        return {**self.source.facts(), **seen, "parts_by": self.split.by}

    def batch_ids(self, dl: TfmdDL, number: int) -> list[str]:
        """Names of the samples in batch `number` (from 0) of the pass over `dl` that is under way."""
        items = [dl.items[place] for place in order_of_pass(dl)[number * dl.bs : (number + 1) * dl.bs]]
        return [self.source.ids[item] if isinstance(item, Integral) else str(item) for item in items]

    def ids(self, part: str) -> list[str]:
        """Names of the samples of 'train', 'valid' or 'test', in the order of that loader without shuffling."""
        return [self.source.ids[row] for row in getattr(self.split, part)]


def first_batch(dls: DataLoaders) -> Any:
    """A batch of the training part of any DataLoaders, plain PyTorch loaders too."""
    return dls.one_batch() if isinstance(dls.train, DataLoader) else next(iter(dls.train))


def seeded_batch(dls: DataLoaders, seed: int | None) -> Any:
    """The batch that `first_batch` gives to a seed, whatever was drawn before; what is drawn next stays as it was.

    seed: None takes the next batch of the process's own generators.
    """
    own = getattr(dls.train, "rng", None)
    with kept_random_state():
        if seed is not None:
            seed_position(seed)
            if own is not None:
                dls.train.rng = random.Random(seed_of(seed))
        try:
            return first_batch(dls)
        finally:
            if own is not None:
                dls.train.rng = own


def make_loaders(
    task: str,
    source: Source,
    split: Split,
    blocks: Sequence[TransformBlock],
    item_tfms: Sequence[Any] = (),
    batch_tfms: Sequence[Any] = (),
    n_inp: int | None = None,
    device: str | torch.device | None = None,
    kind: type[KitLoaders] = KitLoaders,
    **kwargs: Any,
) -> KitLoaders:
    """The DataLoaders of a set's parts, through a fastai DataBlock over its row numbers.

    task: what they are for; blocks: of inputs and targets; n_inp: how many of them are inputs.
    device: where batches are put; fastai's default device when None.
    kind: which class; kwargs: of fastai's dataloaders.
    Where torchrun started several processes, this one joins them: its device is its own then.
    """
    begin()
    parts = [rows for rows in (split.train, split.valid, split.test) if len(rows)]
    block = DataBlock(
        blocks=tuple(blocks),
        n_inp=n_inp,
        splitter=lambda _: parts,
        item_tfms=list(item_tfms),
        batch_tfms=list(batch_tfms),
    )
    loaders = loaders_of(
        block.datasets(list(range(len(source)))),
        kind,
        after_item=block.item_tfms,
        after_batch=block.batch_tfms,
        device=torch.device(device or default_device()),
        **kwargs,
    )
    loaders.task, loaders.source, loaders.split = task, source, split
    return loaders


def whole(source: Sized) -> Split:
    """The split whose train and valid parts are both the whole set: to measure a finished model on it."""
    rows = np.arange(len(source))
    return Split(rows, rows, rows[:0])
