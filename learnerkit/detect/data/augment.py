"""Augmentation of frames that moves their boxes along, by torchvision's transforms v2."""

from typing import Any

import torch
from fasttransform import ItemTransform
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from learnerkit.detect.boxes import pack_boxes, unpack_boxes
from learnerkit.detect.data.transforms import BoxTargets, TensorFrame

LEAST_SIDE = 1.0  # pixels of a box that is kept
COLOURS = (0.3, 0.3, 0.3, 0.05)  # brightness, contrast, saturation, hue


class AugmentFrames(ItemTransform):
    """Mirror, crop with a limit on the boxes' overlap, scale jitter, and colours of the first three channels alone.

    mirror: flip half of the frames. crop: probability of torchvision's RandomIoUCrop.
    jitter: greatest change of the scale, .2 for .8 to 1.25 times; 0 for none.
    colour: probability that brightness, contrast, saturation and hue of the RGB channels are changed.
    """

    split_idx, order = 0, 20

    def __init__(self, mirror: bool = True, crop: float = 0.0, jitter: float = 0.0, colour: float = 0.0) -> None:
        super().__init__()
        self.mirror, self.crop, self.jitter, self.colour = mirror, crop, jitter, colour
        self.crops = v2.RandomIoUCrop(min_scale=0.5)
        self.flips = v2.RandomHorizontalFlip(0.5)
        self.colours = v2.ColorJitter(*COLOURS)

    def encodes(self, item: list) -> tuple:
        frame, target, *rest = item
        boxes, codes = unpack_boxes(target.as_subclass(Tensor))
        image = tv_tensors.Image(frame.as_subclass(Tensor))
        boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=image.shape[-2:])
        if self.mirror:
            image, boxes = self.flips(image, boxes)
        if self.crop and len(boxes) and torch.rand(()) < self.crop:
            image, boxes, codes = _kept(*self.crops(image, boxes, codes))
        if self.jitter:
            low, high = 1 - self.jitter, 1 / (1 - self.jitter)
            factor = low * (high / low) ** torch.rand(()).item()
            size = [max(1, round(side * factor)) for side in image.shape[-2:]]
            image, boxes = v2.functional.resize(image, size), v2.functional.resize(boxes, size)
        image = image.as_subclass(Tensor)
        if self.colour and len(image) >= 3 and torch.rand(()) < self.colour:
            image = torch.cat([self.colours(image[:3]), image[3:]])
        packed = pack_boxes(boxes.as_subclass(Tensor), codes, len(target))
        return image.as_subclass(TensorFrame), packed.as_subclass(BoxTargets), *rest


def _kept(image: Tensor, boxes: tv_tensors.BoundingBoxes, codes: Tensor) -> tuple[Any, Any, Tensor]:
    """What of the boxes is left within the image after a crop."""
    boxes = v2.functional.clamp_bounding_boxes(boxes)
    inside = ((boxes[:, 2] - boxes[:, 0]) >= LEAST_SIDE) & ((boxes[:, 3] - boxes[:, 1]) >= LEAST_SIDE)
    return image, tv_tensors.wrap(boxes[inside], like=boxes), codes[inside]
