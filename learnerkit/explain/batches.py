"""A model over many images, a batch at a time: its classes, and the maps of a method."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit.core.errors import DataError, ModelError
from learnerkit.explain.maps import pixel_maps
from learnerkit.explain.scores import Targets, class_indices
from learnerkit.models.inputs import name_of
from learnerkit.models.mode import in_mode

Method = Callable[..., Tensor]  # (model, images, targets=) to maps [B,C,H,W]


def predicted(model: nn.Module, images: Tensor, bs: int = 64) -> Tensor:
    """The class that a classifier tells for each image, int64 [N] on the CPU; ModelError where it is none."""
    found = []
    with in_mode(model, training=False), torch.no_grad():
        for batch in images.split(bs):
            logits = model(batch.clone())  # a first layer may work in place
            if not isinstance(logits, Tensor) or logits.ndim != 2:
                raise ModelError(f"{name_of(model)}: puts out no logits [B,K], so that no class is known; give targets")
            found.append(class_indices(None, logits).cpu())
    return torch.cat(found)


def maps_of(method: Method, model: nn.Module, images: Tensor, targets: Targets, bs: int = 64) -> Tensor:
    """The maps of a method as `pixel_maps` has them, [N,H,W].

    targets: one for each image, or one for all; bs: images at a time.
    """
    found = []
    for rows in torch.arange(len(images)).split(bs):
        maps = pixel_maps(method(model, images[rows], targets=targets_at(targets, rows, len(images))))
        if len(maps) != len(rows):
            raise DataError(f"a method gave {len(maps)} map(s) of {len(rows)} images; one for each is needed")
        found.append(maps)
    return torch.cat(found)


def targets_at(targets: Any, rows: Tensor, n: int) -> Any:
    """The targets of some of `n` images, by their numbers [B]; what is no sequence of one for each is for all."""
    if not isinstance(targets, (Tensor, np.ndarray, list, tuple)) or np.ndim(targets) == 0 or len(targets) != n:
        return targets
    if isinstance(targets, (Tensor, np.ndarray)):
        return targets[rows.to(targets.device) if isinstance(targets, Tensor) else rows.numpy()]
    return [targets[row] for row in rows.tolist()]
