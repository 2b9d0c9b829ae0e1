"""One image operation, drawn by each image of a batch for itself: applied once to each group that drew the same."""

from collections.abc import Callable

import torch
from torch import Tensor


def apply_grouped(images: Tensor, keys: Tensor, operation: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Apply `operation` to each group of images that share a key.

    images: [B,C,H,W], left unchanged.
    keys: int64 [B] on the CPU; images whose key is negative are left as they are.
    operation: takes the images of one group [G,C,H,W] and their key, returns the same shape and dtype.
    """
    out = images.clone()
    order = keys.argsort()
    found, counts = keys[order].unique_consecutive(return_counts=True)
    for key, rows in zip(found.tolist(), order.split(counts.tolist()), strict=True):
        if key >= 0:
            rows = rows.to(images.device, non_blocking=True)
            out[rows] = operation(images[rows], key)
    return out


def draw(probability: float, n: int) -> Tensor:
    """A bool tensor [n] on the CPU, each entry true with `probability`."""
    return torch.rand(n) < probability
