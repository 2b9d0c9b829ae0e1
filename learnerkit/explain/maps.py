"""Maps of explanations as they are compared: one number a pixel, of one size, and whether they say anything at all."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from learnerkit.core.errors import DataError
from learnerkit.core.text import some

FLAT = 1e-6  # of its greatest value: a map that varies by less is of one value


def pixel_maps(maps: Tensor) -> Tensor:
    """What an attribution says of each pixel, float32 [N,H,W] on the CPU: the sum of its magnitudes over the channels.

    maps: [N,C,H,W] of any method, or [N,H,W]; magnitudes, as what speaks against the class was looked at too.
    A pixel is seen, or taken away, in all its channels at once. To first order the score changes by no more than this
    sum where none of them moves by more than 1; the greatest of them would forget the others.
    DataError where the shape is another or a number is not finite.
    """
    maps = torch.as_tensor(maps).as_subclass(Tensor).detach()
    if maps.ndim not in (3, 4) or not maps.numel():
        raise DataError(f"maps of shape {tuple(maps.shape)}: [N,C,H,W] or [N,H,W] are needed, one map for each image")
    maps = maps.float().cpu().abs()
    if maps.ndim == 4:
        maps = maps.sum(dim=1)
    if len(wrong := (~maps.flatten(1).isfinite().all(dim=1)).nonzero()[:, 0]):
        raise DataError(
            f"maps of image(s) {some(wrong.tolist())} of {len(maps)} have values that are not finite; check the "
            "weights and the precision of the model that they explain"
        )
    return maps


def at_size(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps [N,H,W] brought to a height and width: an axis that shrinks by means of areas, one that grows bilinearly."""
    least = tuple(min(have, want) for have, want in zip(maps.shape[1:], size, strict=True))
    maps = maps[:, None]
    if least != maps.shape[2:]:
        maps = interpolate(maps, least, mode="area")
    if least != size:
        maps = interpolate(maps, size, mode="bilinear", align_corners=False)
    return maps[:, 0]


def says_something(maps: Tensor) -> Tensor:
    """Whether each of the maps [N,H,W] prefers some pixel, bool [N]: one that is all 0, or of one value, does not."""
    values = maps.flatten(1)
    greatest = values.amax(dim=1)
    return greatest - values.amin(dim=1) > FLAT * greatest
