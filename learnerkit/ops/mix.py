"""CutMix (Yun et al. 2019) and MixUp (Zhang et al. 2018) on batches. B,C,H,W: images, channels, height, width."""

import torch
from torch import Tensor
from torch.distributions import Beta


def beta_sample(alpha: float) -> float:
    """One draw of Beta(alpha, alpha) from torch's default generator."""
    return Beta(float(alpha), float(alpha), validate_args=False).sample().item()


def cutmix_box(lam: float, height: int, width: int, y: int, x: int) -> tuple[int, int, int, int]:
    """The box (top, bottom, left, right) around pixel (y, x) that would cover 1-lam of the image, cut at its border.

    lam: part of the image that is kept, 0 to 1.
    """
    side = (1 - lam) ** 0.5
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    top, bottom = max(0, y - half_height), min(height, y + half_height)
    left, right = max(0, x - half_width), min(width, x + half_width)
    return top, bottom, left, right


def kept_area(box: tuple[int, int, int, int], height: int, width: int) -> float:
    """The part of the image outside the box, exactly."""
    top, bottom, left, right = box
    return 1 - (bottom - top) * (right - left) / (height * width)


def paste(images: Tensor, other: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """A copy of `images` with the box taken from `other`, both [B,C,H,W]."""
    top, bottom, left, right = box
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = other[..., top:bottom, left:right]
    return mixed


def blend(images: Tensor, other: Tensor, lam: float) -> Tensor:
    """`lam` of `images` plus 1-lam of `other`."""
    return torch.lerp(other, images, lam)
