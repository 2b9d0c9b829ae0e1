"""Augmentation of pairs of maps [B,C,H,W], each pair with its own draw from torch's default generator."""

import torch
from torch import Tensor


def mirror_some(maps: Tensor) -> Tensor:
    """Half of the samples flipped left to right."""
    flipped = torch.rand(len(maps)).to(maps.device) < 0.5
    return torch.where(flipped[:, None, None, None], maps.flip(-1), maps)


def add_noise(maps: Tensor, std: float) -> Tensor:
    """`maps` with Gaussian noise of standard deviation `std`."""
    return maps + std * torch.randn(maps.shape).to(maps.device)


def drop_maps(first: Tensor, second: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """With probability `p`, one of the two maps of a sample is zeroed, either as often."""
    draw = torch.rand(len(first)).to(first.device)[:, None, None, None]
    return first * (draw >= p / 2), second * ((draw < p / 2) | (draw >= p))
