"""Whether numbers are finite, asked without waiting for the device."""

from typing import Any

import torch


def floats_of(value: Any) -> list[torch.Tensor]:
    """The float tensors with content anywhere in tensors, lists, tuples and dicts."""
    if isinstance(value, torch.Tensor):
        return [value.detach()] if value.is_floating_point() and value.numel() else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [part for item in parts for part in floats_of(item)]


def all_finite(values: Any) -> torch.Tensor | None:
    """Whether every number in some tensors is finite, as a bool tensor on their device; None without floats."""
    floats = floats_of(values)
    if not floats:
        return None
    norms = torch._foreach_norm(floats, float("inf"))  # the largest magnitude: inf or nan when any number is
    return torch.stack(norms).lt(float("inf")).all()  # one by one, it would be four launches a tensor on a GPU
