"""A copy of many small tensors, taken and put back by a few operations: on a GPU each operation costs its launch."""

from collections.abc import Iterable

import torch
from torch import Tensor


class Kept:
    """What some tensors held when it was last taken.

    tensors: those of one type and device are copied together; they must not overlap.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        alike: dict[tuple, list[Tensor]] = {}
        for tensor in tensors:
            alike.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        flat = [torch.cat([each.reshape(-1) for each in group]) for group in alike.values()]
        self.groups = [(group, kept, _apart(kept, group)) for group, kept in zip(alike.values(), flat, strict=True)]

    def take(self) -> None:
        """Copy what they hold now."""
        for group, _, parts in self.groups:
            torch._foreach_copy_(parts, group)

    def put_back(self, where: Tensor | None = None) -> None:
        """Give them what they held.

        where: a bool tensor of one value on their device; only if it is true, which is not waited for.
        """
        for group, kept, parts in self.groups:
            if where is not None:
                now = torch.cat([each.reshape(-1) for each in group])
                parts = _apart(torch.where(where, kept, now), group)
            torch._foreach_copy_(group, parts)


def _apart(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    """The parts of a tensor in one dimension, in the shapes of others."""
    return [part.view_as(each) for part, each in zip(flat.split([each.numel() for each in like]), like, strict=True)]
