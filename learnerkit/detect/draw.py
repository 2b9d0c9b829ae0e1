"""Boxes drawn onto pictures by torchvision."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.utils import draw_bounding_boxes

from learnerkit.pages.letters import in_one_font

LEAST_SIDE = 480  # pixels of the longer side that a picture is enlarged to before it is drawn on
LETTERS = 26  # of the longer side's length for the height of a letter


def with_boxes(picture: Tensor, boxes: Tensor, texts: Sequence[str], color: str = "lime") -> Tensor:
    """A picture uint8 [3,H,W], repeated where it is small, with boxes [n,4] and a text at each."""
    factor = max(1, -(-LEAST_SIDE // max(picture.shape[1:])))
    picture = picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    height = max(picture.shape[1:]) // LETTERS
    written = [in_one_font(text) for text in texts]
    for font in dict.fromkeys(font for _, font in written):
        chosen = kept & torch.tensor([file == font for _, file in written])
        shown = [text for (text, _), drawn in zip(written, chosen.tolist(), strict=True) if drawn]
        if shown:
            places = (boxes[chosen] * factor).round()
            picture = draw_bounding_boxes(
                picture, places, labels=shown, colors=color, width=2, font=font, font_size=height
            )
    return picture


def channel_pictures(frame: Tensor, n_rgb: int) -> list[Tensor]:
    """A frame in 0..1 [C,H,W] as uint8 pictures [3,H,W]: the colours, then each further channel in grey."""
    shown = (frame.clamp(0, 1) * 255).to(torch.uint8)
    colours = shown[:n_rgb] if n_rgb == 3 else shown[:1].expand(3, -1, -1)
    return [colours, *(channel.expand(3, -1, -1) for channel in shown[n_rgb:])]
