"""Maps of explanations as they lie over the pictures of their samples."""

import numpy as np
import torch
from torch import Tensor


def side_by_side(maps: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The maps of one input, or of several side by side, [N,H,W]: magnitudes summed over the channels."""
    each = (maps,) if isinstance(maps, Tensor) else maps
    return torch.cat([one.abs().sum(dim=1).float().cpu() for one in each], dim=-1)


def as_pictures(heat: Tensor, n_inputs: int, pictures: np.ndarray) -> np.ndarray:
    """Maps [N,h,w] as they lie over the pictures of their images: those of several inputs as far apart as the pictures.

    pictures: [N,C,H,W], those of several inputs side by side with a gap between.
    """
    height, width = pictures.shape[2:]
    gap = max(0, round(width * heat.shape[1] / height) - heat.shape[2]) // max(1, n_inputs - 1)
    if n_inputs == 1 or not gap:
        return heat.numpy()
    parts = [part for one in heat.chunk(n_inputs, dim=2) for part in (one, heat.new_zeros(*heat.shape[:2], gap))]
    return torch.cat(parts[:-1], dim=2).numpy()
