"""What `learnerkit check` asks of a classifier: its pictures, and whether learnt samples are called by their labels."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

DRAWN = (nn.Dropout, nn.Dropout2d, StochasticDepth)  # layers that draw, and are to be quiet when it is asked


def looks(batch: tuple) -> tuple[Tensor, Tensor]:
    """The pictures of a batch [N,C,H,W], several inputs side by side, and their class numbers [N]."""
    *maps, codes = batch
    return torch.cat([part.float() for part in maps], dim=-1), codes


def learnt(learn: Any, batch: tuple, rows: Sequence[int]) -> tuple[int, int, list[str]]:
    """How many samples of a learnt batch are decoded as their label in the set, of how many, and the others in words.

    rows: of the samples. A label is the set's own; of class folders it is read from the file's path.
    """
    model, source = learn.model, learn.dls.source
    model.train()
    for module in model.modules():
        if isinstance(module, DRAWN):
            module.eval()
    with torch.no_grad():
        pred = model(*(part.as_subclass(Tensor) for part in batch[:-1]))
    told = [str(source.vocab[code]) for code in learn.loss_func.decodes(pred).tolist()]
    true = [label_of(source, row) for row in rows]
    wrong = [f"{source.ids[row]} is {b} and told as {a}" for row, a, b in zip(rows, told, true, strict=True) if a != b]
    return len(told) - len(wrong), len(told), wrong


def label_of(source: Any, row: int) -> str:
    """The name of a sample's class: its file's own folder where that is one of the classes, else the set's label."""
    folder = PurePath(str(source.ids[row])).parent.name  # one above may be called like a class: CIFAR-100 has 'train'
    return folder if folder in source.vocab else str(source.vocab[int(source.labels[row])])
