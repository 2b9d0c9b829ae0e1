"""Boxes drawn onto pictures by torchvision."""

from collections.abc import Sequence

import torch
from matplotlib.font_manager import findfont
from torch import Tensor
from torchvision.utils import draw_bounding_boxes

LEAST_SIDE = 480  # pixels of the longer side that a picture is enlarged to before it is drawn on
LETTERS = 26  # of the longer side's length for the height of a letter


def with_boxes(picture: Tensor, boxes: Tensor, texts: Sequence[str], color: str = "lime") -> Tensor:
    """A picture uint8 [3,H,W], repeated where it is small, with boxes [n,4] and a text at each."""
    factor = max(1, -(-LEAST_SIDE // max(picture.shape[1:])))
    picture = picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    drawable = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if not drawable.any():
        return picture
    shown = [text for text, kept in zip(texts, drawable.tolist(), strict=True) if kept]
    places, font = (boxes[drawable] * factor).round(), findfont("DejaVu Sans")
    height = max(picture.shape[1:]) // LETTERS
    return draw_bounding_boxes(picture, places, labels=shown, colors=color, width=2, font=font, font_size=height)


def channel_pictures(frame: Tensor, n_rgb: int) -> list[Tensor]:
    """A frame in 0..1 [C,H,W] as uint8 pictures [3,H,W]: the colours, then each further channel in grey."""
    shown = (frame.clamp(0, 1) * 255).to(torch.uint8)
    colours = shown[:n_rgb] if n_rgb == 3 else shown[:1].expand(3, -1, -1)
    return [colours, *(channel.expand(3, -1, -1) for channel in shown[n_rgb:])]
