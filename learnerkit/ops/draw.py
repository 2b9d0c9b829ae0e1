"""Boxes drawn onto pictures by torchvision."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.utils import draw_bounding_boxes


def with_boxes(picture: Tensor, boxes: Tensor, texts: Sequence[str] | None = None, color: str = "lime") -> Tensor:
    """A picture uint8 [3,H,W] with boxes [n,4] and a text at each; an image without boxes is given back."""
    drawable = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes = boxes[drawable]
    if not len(boxes):
        return picture
    texts = [text for text, kept in zip(texts, drawable.tolist(), strict=True) if kept] if texts else None
    return draw_bounding_boxes(picture, boxes.round(), labels=texts, colors=color, width=1)


def enlarged(picture: Tensor, boxes: Tensor, least: int = 480) -> tuple[Tensor, Tensor]:
    """A small picture repeated so that its longer side has at least `least` pixels, and its boxes with it."""
    factor = max(1, -(-least // max(picture.shape[1:])))
    return picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2), boxes * factor


def channel_pictures(frame: Tensor, n_rgb: int) -> list[Tensor]:
    """A frame in 0..1 [C,H,W] as uint8 pictures [3,H,W]: the colours, then each further channel in grey."""
    shown = (frame.clamp(0, 1) * 255).to(torch.uint8)
    colours = shown[:n_rgb] if n_rgb == 3 else shown[:1].expand(3, -1, -1)
    return [colours, *(channel.expand(3, -1, -1) for channel in shown[n_rgb:])]
