"""Images whose pixels are replaced one lot after another in a given order, and the score on the way."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from learnerkit.core.errors import ModelError
from learnerkit.explain.batches import targets_at
from learnerkit.models.inputs import name_of

Ground = Literal["blur", "zero"]
BLUR = 8  # the sigma of a blur is the shorter side by so much: what an image shows is gone at any resolution


def replaced_scores(
    model: nn.Module, start: Tensor, end: Tensor, ranks: Tensor, *, counts: Tensor, targets: Any, score: Any, bs: int
) -> np.ndarray:
    """The score of each image when the first `counts` pixels of its order are those of `end`, float64 [N,S].

    model: in evaluation mode; start, end: [N,C,H,W]; ranks: the place of each pixel in the order [N,H*W].
    counts: numbers of pixels [S]; score: a function (model, images, targets) to [B]; bs: images at a time.
    """
    n, steps, found = len(start), len(counts), []
    for places in torch.arange(n * steps).split(bs):
        rows = places // steps
        changed = (ranks[rows] < counts[places % steps][:, None]).view(-1, 1, *start.shape[-2:])
        here = rows.to(start.device)
        images = torch.where(changed.to(start.device), end[here], start[here])
        scores = score(model, images, targets_at(targets, rows, n))
        if scores.shape != rows.shape or not scores.isfinite().all():
            said = "are not finite" if scores.shape == rows.shape else f"have the shape {list(scores.shape)}"
            raise ModelError(f"{name_of(model)}: its scores {said}; one finite number for each of {len(rows)} images")
        found.append(scores.detach().double().cpu())
    return torch.cat(found).view(n, steps).numpy()


def ranks_of(maps: Tensor, seed: int) -> Tensor:
    """The place of each pixel from the greatest value to the least, int64 [N,H*W]; equal ones in a random order.

    maps: [N,H,W]. An order of scanning would take a map's ground from the upper edge down, as if the map had said so.
    """
    shuffled = random_ranks(len(maps), maps[0].numel(), seed)
    by_value = maps.flatten(1).gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    return shuffled.gather(1, by_value).argsort(dim=1)


def random_ranks(n: int, pixels: int, seed: int) -> Tensor:
    """A random order of the pixels of each of `n` images, int64 [N,P]."""
    return torch.rand(n, pixels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).argsort(dim=1)


def ground_of(images: Tensor, ground: Ground) -> Tensor:
    """What replaces the pixels of images [N,C,H,W]: 0, or the images blurred, with their edges carried on."""
    if ground == "zero":
        return torch.zeros_like(images)
    sigma = min(images.shape[-2:]) / BLUR
    reach, channels = max(1, round(2 * sigma)), images.shape[1]
    window = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=images.device) / sigma) ** 2)
    window = (window / window.sum()).to(images.dtype)
    wide = pad(images, (reach, reach, reach, reach), mode="replicate")
    down = conv2d(wide, window.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return conv2d(down, window.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
