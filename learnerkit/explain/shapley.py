"""What each of a few players adds to a value: exact Shapley values, by every coalition."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb

import torch
from torch import Tensor

from learnerkit.core.errors import DataError

MOST_PLAYERS = 8  # 256 coalitions


def shapley_values(value: Callable[[frozenset[int]], Tensor], n: int) -> Tensor:
    """The Shapley value (1953) of each of n players, [..., n]; their sum is the value of all less that of none.

    value: of a coalition, the numbers of the players that take part, to a tensor [...]; it is called 2**n times.
    """
    if not 1 <= n <= MOST_PLAYERS:
        raise DataError(f"{n} parts to share a score among; 1 to {MOST_PLAYERS} are, since every set of them is tried")
    coalitions = [frozenset(chosen) for size in range(n + 1) for chosen in combinations(range(n), size)]
    values = {coalition: value(coalition) for coalition in coalitions}
    found = []
    for player in range(n):
        without = [coalition for coalition in coalitions if player not in coalition]
        gains = [(values[one | {player}] - values[one]) / (n * comb(n - 1, len(one))) for one in without]
        found.append(torch.stack(gains).sum(dim=0))
    return torch.stack(found, dim=-1)


def shares_of(values: Tensor) -> Tensor:
    """How much of what speaks for something came from each player, [..., n], 0 to 1; not a number where nothing did.

    values: Shapley values; those below 0 speak against it and have no share.
    """
    positive = values.clamp_min(0)
    return positive / positive.sum(dim=-1, keepdim=True)


def filled_in(frames: Tensor, boxes: Tensor, channels: Sequence[int], margin: float = 0.1) -> Tensor:
    """Frames [B,C,H,W] in which the inside of a box each is what its border says, in some channels alone.

    boxes: x1, y1, x2, y2 in pixels [B,4]; channels: numbers of them.
    margin: by which the boxes are widened, as a share of their sides.
    Each pixel is the mean of the line between the columns left and right of the box, and of that between the rows above
    and below it; a side on the edge of the frame is taken for its opposite.
    """
    frames = frames.clone()
    for frame, box in zip(frames, boxes.tolist(), strict=True):
        top, bottom = _widened(box[1], box[3], margin, frame.shape[1])
        left, right = _widened(box[0], box[2], margin, frame.shape[2])
        rows = _between(frame[channels, :, left:right], top, bottom, 1)
        columns = _between(frame[channels, top:bottom], left, right, 2)
        kept = [part for part in (rows, columns) if part is not None]
        inside = torch.stack(kept).mean(dim=0) if kept else frame[channels].mean(dim=(1, 2), keepdim=True)
        frame[channels, top:bottom, left:right] = inside
    return frames


def _widened(low: float, high: float, margin: float, most: int) -> tuple[int, int]:
    wide = margin * (high - low)
    begin = min(max(0, int(low - wide)), most - 1)
    return begin, max(begin + 1, min(most, int(high + wide) + 1))


def _between(values: Tensor, begin: int, end: int, axis: int) -> Tensor | None:
    """The straight line from what is just before `begin` to what is at `end`; None where both are outside."""
    n = values.shape[axis]
    before = values.narrow(axis, begin - 1, 1) if begin > 0 else None
    after = values.narrow(axis, end, 1) if end < n else None
    if before is None and after is None:
        return None
    before, after = (after if before is None else before), (before if after is None else after)
    steps = torch.linspace(0, 1, end - begin + 2, device=values.device)[1:-1]
    shape = [1, 1, 1]
    shape[axis] = -1
    return before + (after - before) * steps.view(shape)
