"""Batch augmentations in which every image draws for itself. B,C,H,W: images, channels, height, width.

Each class is a callable from a batch to a batch: it draws (on the CPU, from torch's default generator), then calls a
pure function or torchvision's. Those with `on_float = False` take uint8 [B,C,H,W]; the others take normalised floats.
Continuous amounts are drawn from a fine grid of `LEVELS` values, so that images that drew the same value share one call
of torchvision's functional API.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from learnerkit.ops.grouped import apply_grouped, draw

LEVELS = 31  # as RandAugment's magnitude bins: rotation by +-15 degrees in steps of one degree


def crop(images: Tensor, tops: Tensor, lefts: Tensor, pad: int) -> Tensor:
    """Windows of the original size out of zero-padded images, one position an image.

    tops, lefts: int64 [B], 0 to 2*pad.
    """
    height, width = images.shape[-2:]
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view [B,C,2*pad+1,2*pad+1,H,W]
    return windows[torch.arange(len(images), device=images.device), :, tops, lefts]


def spread(level: int, low: float, high: float) -> float:
    """The value of one of the `LEVELS` evenly spaced levels from `low` to `high`."""
    return low + (high - low) * level / (LEVELS - 1)


def rectangles(tops: Tensor, lefts: Tensor, heights: Tensor, widths: Tensor, size: tuple[int, int]) -> Tensor:
    """Bool masks [B,1,H,W] that are true inside one rectangle an image; parts outside the image are cut off.

    tops, lefts, heights, widths: int64 [B] in pixels.
    """
    ys = torch.arange(size[0], device=tops.device)[None, :]
    xs = torch.arange(size[1], device=tops.device)[None, :]
    rows = (ys >= tops[:, None]) & (ys < (tops + heights)[:, None])
    columns = (xs >= lefts[:, None]) & (xs < (lefts + widths)[:, None])
    return (rows[:, :, None] & columns[:, None, :])[:, None]


@dataclass
class RandomCrop:
    """Pad with zeros and cut the original size out at a random place.

    pad: pixels on each side.
    """

    pad: int = 4
    on_float = False

    def __call__(self, images: Tensor) -> Tensor:
        position = torch.randint(0, 2 * self.pad + 1, (2, len(images))).to(images.device, non_blocking=True)
        return crop(images, position[0], position[1], self.pad)


@dataclass
class Flip:
    """Mirror left and right.

    p: probability.
    """

    p: float = 0.5
    on_float = False

    def __call__(self, images: Tensor) -> Tensor:
        flipped = draw(self.p, len(images))
        if images.device.type == "cpu":  # where the drawn rows alone are fewer bytes; elsewhere launches count
            return apply_grouped(images, flipped.long() - 1, lambda drawn, _: F.horizontal_flip(drawn))
        flipped = flipped.to(images.device, non_blocking=True)
        return torch.where(flipped[:, None, None, None], F.horizontal_flip(images), images)


@dataclass
class Rotate:
    """Rotate by an angle from -degrees to +degrees (torchvision `rotate`, bilinear, zeros outside)."""

    degrees: float = 15.0
    on_float = False

    def apply(self, images: Tensor, level: int) -> Tensor:
        angle = spread(level, -self.degrees, self.degrees)
        return F.rotate(images, angle, interpolation=F.InterpolationMode.BILINEAR)

    def __call__(self, images: Tensor) -> Tensor:
        return apply_grouped(images, torch.randint(0, LEVELS, (len(images),)), self.apply)


@dataclass
class ColorJitter:
    """Brightness, contrast, saturation and hue, each image in its own order (torchvision `adjust_*`).

    brightness, contrast, saturation: factors from 1-x to 1+x, at least 0.
    hue: shift from -hue to +hue, in turns of the colour circle, at most .5.
    """

    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.1
    on_float = False

    def apply(self, images: Tensor, key: int) -> Tensor:
        kind, level = divmod(key, LEVELS)
        if kind == 3:
            return F.adjust_hue(images, spread(level, -self.hue, self.hue))
        amount = (self.brightness, self.contrast, self.saturation)[kind]
        adjust = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)[kind]
        return adjust(images, max(0.0, spread(level, 1 - amount, 1 + amount)))

    def __call__(self, images: Tensor) -> Tensor:
        kinds = torch.rand(len(images), 4).argsort(dim=1)
        levels = torch.randint(0, LEVELS, (len(images), 4))
        for turn in range(4):
            images = apply_grouped(images, kinds[:, turn] * LEVELS + levels[:, turn], self.apply)
        return images


@dataclass
class Perspective:
    """Move the four corners inwards (torchvision `perspective`, bilinear, zeros outside).

    p: probability.
    scale: greatest move of a corner, as a part of half the image's side.
    """

    p: float = 0.5
    scale: float = 0.5
    on_float = False

    def __call__(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        reach = torch.tensor([width, height]) * self.scale / 2
        moves = (torch.rand(len(images), 4, 2) * (reach + 1)).floor().clamp(max=reach)
        corners = torch.tensor([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
        inwards = torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        targets = (corners + inwards * moves).int()

        def warp(group: Tensor, row: int) -> Tensor:
            return F.perspective(
                group, corners.tolist(), targets[row].tolist(), interpolation=F.InterpolationMode.BILINEAR
            )

        chosen = torch.where(draw(self.p, len(images)), torch.arange(len(images)), -1)
        return apply_grouped(images, chosen, warp)


@dataclass
class Erase:
    """Set a random rectangle to the data's mean colour (zero after normalising). Zhong et al. 2020.

    p: probability.
    area: least and greatest part of the image.
    ratio: least and greatest height over width, drawn evenly in its logarithm.
    """

    p: float = 0.3
    area: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    on_float = True

    def __call__(self, images: Tensor) -> Tensor:
        n, (height, width) = len(images), images.shape[-2:]
        area = torch.empty(n).uniform_(*self.area) * height * width
        ratio = torch.empty(n).uniform_(*torch.tensor(self.ratio).log().tolist()).exp()
        heights = (area * ratio).sqrt().round().clamp(1, height)
        widths = (area / ratio).sqrt().round().clamp(1, width)
        tops = (torch.rand(n) * (height - heights + 1)).floor()
        lefts = (torch.rand(n) * (width - widths + 1)).floor()
        heights = torch.where(draw(self.p, n), heights, 0.0)
        box = torch.stack([tops, lefts, heights, widths]).long().to(images.device, non_blocking=True)
        return images.masked_fill(rectangles(*box, (height, width)), 0)


@dataclass
class Cutout:
    """Set a square around a random pixel to the data's mean colour, cut off at the border. DeVries, Taylor 2017.

    size: side of the square in pixels.
    """

    size: int = 16
    on_float = True

    def __call__(self, images: Tensor) -> Tensor:
        n, (height, width) = len(images), images.shape[-2:]
        tops = torch.randint(0, height, (n,)) - self.size // 2
        lefts = torch.randint(0, width, (n,)) - self.size // 2
        side = torch.full((n,), self.size)
        box = torch.stack([tops, lefts, side, side]).to(images.device, non_blocking=True)
        return images.masked_fill(rectangles(*box, (height, width)), 0)
