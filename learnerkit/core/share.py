"""A rank's share of a batch, where several train together: its samples r, r+world, r+2*world and so on."""

from typing import Any


def own_part(batch: list[int], share: tuple[int, int] | None) -> list[int]:
    """The samples of a batch that a rank takes; where they are too few for all, one stands in and counts for nothing.

    share: (rank, number of ranks); None for all of them.
    """
    return batch if share is None else batch[share[0] :: share[1]] or batch[:1]


def in_order(parts: list[list[Any]]) -> list[Any]:
    """What the ranks have of a batch, in the order of the batch; `parts[r]` is of rank r, without stand-ins."""
    world, n = len(parts), sum(map(len, parts))
    return [parts[place % world][place // world] for place in range(n)]
