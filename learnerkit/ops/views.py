"""Test-time views: identity, mirror, small shifts and their products, deterministic and in a fixed order."""

from dataclasses import dataclass

import torch
from torch import Tensor

from learnerkit.core.errors import DataError

# nearest first; each pair is opposite, so that every odd count of shifts is symmetric
SHIFTS = (
    (0, 0),
    (-1, -1),
    (1, 1),
    (-1, 1),
    (1, -1),
    (0, -1),
    (0, 1),
    (-1, 0),
    (1, 0),
    (-2, -2),
    (2, 2),
    (-2, 2),
    (2, -2),
    (0, -2),
    (0, 2),
    (-2, 0),
    (2, 0),
)


@dataclass(frozen=True)
class View:
    """One way to look at a batch.

    dy, dx: shift in pixels, downwards and to the right; what comes in at the border is its mirror image.
    mirror: flip left and right first.
    """

    dy: int = 0
    dx: int = 0
    mirror: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        if self.mirror:
            images = images.flip(-1)
        return shift(images, self.dy, self.dx)

    def __str__(self) -> str:
        return f"{'flip' if self.mirror else 'plain'} {self.dy:+d}{self.dx:+d}"


def shift(images: Tensor, dy: int, dx: int) -> Tensor:
    """`images` [B,C,H,W] moved by dy pixels down and dx to the right, the border mirrored in."""
    if not dy and not dx:
        return images
    reach = max(abs(dy), abs(dx))
    height, width = images.shape[-2:]
    padded = torch.nn.functional.pad(images, (reach, reach, reach, reach), mode="reflect")
    return padded[..., reach - dy : reach - dy + height, reach - dx : reach - dx + width]


def make_views(n: int, mirror: bool) -> list[View]:
    """The first `n` views: each shift plain and mirrored where a mirror keeps the class, shifts alone where not.

    n: 1 to 17 without mirror, to 34 with it.
    """
    flips = (False, True) if mirror else (False,)
    views = [View(dy, dx, flip) for dy, dx in SHIFTS for flip in flips]
    if not 1 <= n <= len(views):
        raise DataError(f"TTA: n={n} views asked for; there are 1 to {len(views)} with mirror={mirror}")
    return views[:n]
