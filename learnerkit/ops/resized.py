"""Batches brought to the size that a model sees: enlarged whole, or cut out at random. Images are [B,C,H,W]."""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]  # height, width in pixels


def resized(images: Tensor, size: Size) -> Tensor:
    """Images at another size: bilinear, with antialias where they shrink."""
    now = tuple(images.shape[-2:])
    if now == tuple(size):
        return images
    shrinks = size[0] < now[0] or size[1] < now[1]
    return F.interpolate(images, size, mode="bilinear", antialias=shrinks)


def centre(images: Tensor, size: Size) -> Tensor:
    """The middle of images; a pixel that cannot be halved is left out above and on the left."""
    height, width = images.shape[-2:]
    top, left = (height - size[0] + 1) // 2, (width - size[1] + 1) // 2
    return images[..., top : top + size[0], left : left + size[1]]


def sampling(starts: Tensor, lengths: Tensor, n_in: int, n_out: int) -> Tensor:
    """The weights [B,n_out,n_in] that make `n_out` pixels of one stretch of `n_in`, a stretch an image.

    starts, lengths: of the stretches in pixels, float [B]; pixel j reaches from j to j + 1.
    They are those of antialiased bilinear interpolation of the stretch alone: triangles, as wide as a pixel of the
    result where that is the larger, of the pixels that the stretch touches.
    """
    steps = (lengths / n_out)[:, None, None]
    middles = starts[:, None, None] + (torch.arange(n_out, device=starts.device)[:, None] + 0.5) * steps
    places = torch.arange(n_in, device=starts.device) + 0.5
    weights = (1 - (places - middles).abs() / steps.clamp(min=1)).clamp(min=0)
    ends = (starts + lengths)[:, None, None]
    weights = weights * ((places + 0.5 > starts[:, None, None]) & (places - 0.5 < ends))
    return weights / weights.sum(dim=-1, keepdim=True)


def cut_out(images: Tensor, boxes: Tensor, size: Size) -> Tensor:
    """One box of each image, each brought to `size`.

    images: float [B,C,H,W]; boxes: float [4,B], tops, lefts, heights and widths in pixels, inside the images.
    """
    tops, lefts, heights, widths = boxes.to(images.device, images.dtype, non_blocking=True)
    down = sampling(tops, heights, images.shape[-2], size[0])
    across = sampling(lefts, widths, images.shape[-1], size[1])
    return down[:, None] @ (images @ across.transpose(1, 2)[:, None])


def draw_boxes(n: int, size: Size, area: tuple[float, float], ratio: tuple[float, float]) -> Tensor:
    """Random boxes inside an image, float [4,n] on the CPU: tops, lefts, heights, widths in pixels.

    The share of the area is drawn evenly from `area`; then height over width, evenly in its logarithm, from what of
    `ratio` a box of that area has room for; then the place.

    size: of the image in pixels; area: least and greatest share of it; ratio: least and greatest height over width.
    """
    height, width = size
    areas = torch.empty(n).uniform_(*area) * height * width
    least, most = (areas / width**2).log(), (height**2 / areas).log()  # at which it is as wide, as high as the image
    low, high = (torch.full((n,), log(value)).clamp(least, most) for value in ratio)
    ratios = (low + (high - low) * torch.rand(n)).exp()
    heights, widths = (areas * ratios).sqrt().clamp(max=height), (areas / ratios).sqrt().clamp(max=width)
    return torch.stack([torch.rand(n) * (height - heights), torch.rand(n) * (width - widths), heights, widths])


@dataclass
class RandomResizedCrop:
    """Cut a random box out of each image and bring it to one size (Szegedy et al. 2015).

    size: height and width that come out; area: least and greatest share of the image; ratio: of height over width.
    """

    size: Size
    area: tuple[float, float] = (0.35, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    on_float = True

    def __call__(self, images: Tensor) -> Tensor:
        boxes = draw_boxes(len(images), tuple(images.shape[-2:]), self.area, self.ratio)
        return cut_out(images, boxes, self.size)
