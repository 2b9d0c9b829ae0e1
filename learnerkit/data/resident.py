"""The resident loader: a set kept as one tensor on the training device, batches cut by index and augmented whole."""

import warnings
from collections.abc import Iterator
from itertools import islice
from numbers import Integral
from typing import Any

import numpy as np
import torch
from fastai.data.transforms import ToTensor
from fastai.torch_core import to_device
from fasttransform import Transform
from torch import Tensor

from learnerkit._fastai import OpenDL
from learnerkit.core.errors import DataError
from learnerkit.core.share import own_part
from learnerkit.data.drawn import DrawnDL
from learnerkit.data.mapped import MappedImages


class Rows(Transform):
    """Row number to entry of an array that all parts of a split share, kept once on the training device.

    array: numpy array or tensor; entry i belongs to row i. Of `MappedImages` each batch alone is moved to the device.
    """

    def __init__(self, array: np.ndarray | Tensor | MappedImages) -> None:
        super().__init__()
        mapped = isinstance(array, MappedImages)
        with warnings.catch_warnings(action="ignore"):  # one that cannot be written, which torch has no word for
            self.tensor = torch.as_tensor(array.array if mapped else array)
        self.places = torch.from_numpy(array.rows) if mapped else None  # of each row in the file

    def __getstate__(self) -> dict[str, Any]:
        """Without the data: an exported learner takes its transforms along, not the images it was trained on."""
        places = None if self.places is None else self.places[:0].clone()
        return {**self.__dict__, "tensor": self.tensor[:0].clone(), "places": places}

    def __deepcopy__(self, memo: dict) -> "Rows":
        return self

    def entry(self, row: int) -> Tensor:
        """The entry of one row, on the CPU wherever the whole is: a batch of single entries is moved by its loader."""
        return self.tensor[row if self.places is None else self.places[row]].cpu()

    def column(self, rows: list[int], device: torch.device) -> tuple[Tensor, Tensor]:
        """The whole tensor and where in it the entries of `rows` are; moved to `device` at the first call.

        A mapped file stays where it is, and so do the places in it.
        """
        if self.places is not None:
            return self.tensor, self.places[rows]
        if self.tensor.device != device:
            self.tensor = self.tensor.to(device)
        return self.tensor, torch.as_tensor(rows, dtype=torch.int64, device=device)


def resident_column(pipeline: Any, device: torch.device) -> tuple[Tensor, Tensor, type]:
    """One column of a fastai dataset as (tensor of all entries, rows of this part, type of one entry).

    pipeline: a fastai TfmdLists. One that starts with `Rows` shares its tensor among all parts of the split; any other
        is run once over its items and stacked.
    """
    rows = [item for item in pipeline.items]
    first = next((transform for transform in pipeline.tfms.fs if transform.name != "noop"), None)
    if isinstance(first, Rows) and all(isinstance(item, Integral) for item in rows):
        return *first.column(rows, device), type(first(rows[0]))
    entries = [pipeline[i] for i in range(len(rows))]
    for number, entry in enumerate(entries):
        if not isinstance(entry, Tensor) or entry.shape != entries[0].shape or entry.dtype != entries[0].dtype:
            found = (entry.dtype, tuple(entry.shape)) if isinstance(entry, Tensor) else type(entry).__name__
            raise DataError(
                f"item {number} is {found}, the first is {(entries[0].dtype, tuple(entries[0].shape))}; a resident set "
                "needs tensors of one shape. Resize them, or use dl_type=TfmdDL to stream."
            )
    stacked = torch.stack([entry.as_subclass(Tensor) for entry in entries]).to(device)
    return stacked, torch.arange(len(rows), device=device), type(entries[0])


class ResidentDL(DrawnDL, OpenDL):
    """A fastai TfmdDL without per-item work: batches are indexed out of tensors that stay on the device, or out of a
    mapped file.

    dataset: a fastai Datasets whose entries are tensors of one shape; bs, shuffle and the rest as TfmdDL takes them.
    num_workers: taken for fastai's sake; there is nothing for workers to do.
    `after_item` may hold only what works on whole batches as well; put random transforms into
    `after_batch`, where each image draws its own.

    Examples:
        >>> dls = digits_dls(bs=64, limit=200)
        >>> isinstance(dls.valid, ResidentDL)
        True
        >>> [len(classes) for _, classes in dls.valid.new(bs=150)]
        [150, 50]
    """

    def __init__(self, dataset: Any = None, *args: Any, num_workers: int | None = None, **kwargs: Any) -> None:
        super().__init__(dataset, *args, num_workers=0, **kwargs)
        foreign = [
            type(t).__name__ for t in self.after_item.fs if not isinstance(t, ToTensor) and t.name not in ("noop", "f")
        ]
        if foreign:
            raise DataError(
                f"item_tfms {', '.join(foreign)}: the resident loader never touches single items. Give them as "
                "batch_tfms, or stream with dl_type=TfmdDL."
            )

    def columns(self) -> list[tuple[Tensor, Tensor, type]]:
        """The dataset's columns on the loader's device, made at the first call; loaders made by `new` share them."""
        device = self.device or torch.device("cpu")
        kept = self.dataset.__dict__.get("_resident")
        if kept is None or kept[0] != device:
            kept = device, [resident_column(pipeline, device) for pipeline in self.dataset.tls]
            self.dataset.__dict__["_resident"] = kept
        return kept[1]

    def cut(self, indices: list[int]) -> tuple[Tensor, ...]:
        """The batch of the given positions in the part, before `after_batch`."""
        columns, device = self.columns(), self.device or torch.device("cpu")
        chosen = torch.as_tensor(indices)
        where = {rows.device: chosen.to(rows.device, non_blocking=True) for _, rows, _ in columns}
        return tuple(
            tensor[rows[where[rows.device]]].to(device, non_blocking=True).as_subclass(kind)
            for tensor, rows, kind in columns
        )

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        self.randomize()
        self.before_iter()
        indices, self.pass_order = iter(self.get_idxs()), []
        while chosen := list(islice(indices, self.bs)):  # they may have no end, as those of show_batch(unique=True)
            if len(chosen) < self.bs and self.drop_last:
                break
            self.pass_order += chosen
            yield self.after_batch(self.cut(own_part(chosen, self.share)))
        self.after_iter()

    def show_batch(self, b: Any = None, max_n: int = 9, *args: Any, unique: bool = False, **kwargs: Any) -> Any:
        """fastai's; with `unique` the loader is its old self afterwards, whatever happens.

        b: a batch; one is cut when None. max_n: how many. unique: one sample again and again, as it is augmented.
        """
        b = self.shown_batch(unique, max_n) if b is None else b
        return super().show_batch(b, max_n, *args, **kwargs)

    def sample_batch(self) -> tuple:
        """A batch of one sample, as the model would see it."""
        return self.after_batch(to_device(self.cut([0]), self.device))
