"""Boxes in tensors of one shape: [B,M,5] of truth and [B,D,6] of detections, rows of class -1 where there are fewer.

A box is x1, y1, x2, y2 in pixels of the image as the model sees it; then its class, from 0; then a detection's score.
A region that is neither learnt nor counted (a crowd, a difficult object) has the class -2 - code.
"""

import torch
from torch import Tensor
from torchvision.ops import batched_nms

NONE = -1  # the class of a row that holds no box
SAME_OBJECT = 0.5  # IoU from which two views show one object


def pack_boxes(boxes: Tensor, codes: Tensor, rows: int) -> Tensor:
    """Boxes [n,4] and classes [n] as float32 [max(n, rows),5]."""
    packed = torch.zeros(max(len(boxes), rows), 5)
    packed[:, 4] = NONE
    packed[: len(boxes), :4] = boxes
    packed[: len(boxes), 4] = codes
    return packed


def unpack_boxes(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes [n,4] and classes int64 [n] of one image's rows [M,5 or 6]."""
    held = packed[packed[:, 4] >= 0]
    return held[:, :4], held[:, 4].long()


def pack_ignored(ignored: Tensor) -> Tensor:
    """Regions to be ignored [k,5], x1 y1 x2 y2 and their class, as rows that `unpack_boxes` passes over."""
    rows = ignored.clone()
    rows[:, 4] = -2 - rows[:, 4]
    return rows


def unpack_ignored(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Regions to be ignored [k,4] and their classes int64 [k] of one image's rows [M,5]."""
    held = packed[packed[:, 4] < NONE]
    return held[:, :4], -2 - held[:, 4].long()


def scores_of(packed: Tensor) -> Tensor:
    """Scores [n] of one image's detections [D,6]."""
    return packed[packed[:, 4] >= 0, 5]


def confident(detections: Tensor, score: float) -> Tensor:
    """The detections of one image with at least a score."""
    return detections[: int((scores_of(detections) >= score).sum())]


def pack_detections(boxes: Tensor, codes: Tensor, scores: Tensor, rows: int) -> Tensor:
    """Detections, best first, as float32 [rows,6]; those past `rows` are dropped."""
    order = scores.argsort(descending=True, stable=True)[:rows]
    packed = boxes.new_zeros((rows, 6), dtype=torch.float32)
    packed[:, 4] = NONE
    packed[: len(order)] = torch.cat([boxes[order], codes[order, None].to(boxes), scores[order, None]], 1).float()
    return packed


def stack_rows(parts: list[Tensor]) -> Tensor:
    """Packed boxes of several images, of different row counts, as one tensor [B,M,k]."""
    most = max(len(part) for part in parts)
    stacked = parts[0].new_zeros((len(parts), most, parts[0].shape[1]))
    stacked[:, :, 4] = NONE
    for row, part in zip(stacked, parts, strict=True):
        row[: len(part)] = part
    return stacked


def rescale(packed: Tensor, before: tuple[int, ...], after: tuple[int, ...]) -> Tensor:
    """Boxes [n,4], or packed rows [M,k], of an image that was resized.

    before, after: its height and width.
    """
    factor = torch.tensor([after[1] / before[1], after[0] / before[0]] * 2, device=packed.device)
    return torch.cat([packed[:, :4] * factor, packed[:, 4:]], dim=1)


def mirror_boxes(packed: Tensor, widths: Tensor) -> Tensor:
    """Rows [B,M,k] of images that were flipped left to right.

    widths: of the images, in pixels [B].
    """
    mirrored = packed.clone()
    wide = widths.to(packed)[:, None]
    mirrored[:, :, 0] = torch.where(packed[:, :, 4] != NONE, wide - packed[:, :, 2], 0)
    mirrored[:, :, 2] = torch.where(packed[:, :, 4] != NONE, wide - packed[:, :, 0], 0)
    return mirrored


def mirror_images(images: Tensor, sizes: Tensor) -> Tensor:
    """Images [B,C,H,W] flipped left to right, each within its own height and width [B,2]; the padding stays behind."""
    flipped = images.clone()
    for row, image, (height, width) in zip(flipped, images, sizes.tolist(), strict=True):
        row[:, :height, :width] = image[:, :height, :width].flip(-1)
    return flipped


def merge_detections(views: list[Tensor]) -> Tensor:
    """Detections of several views of the same images as one set each: the best of those that overlap.

    views: [B,D,6] each, in the same coordinates. Two of one class that overlap by `SAME_OBJECT` are one object.
    """
    merged = []
    for image in torch.cat(views, dim=1):
        boxes, codes = unpack_boxes(image)
        scores = scores_of(image)
        kept = batched_nms(boxes, scores, codes, SAME_OBJECT)
        merged.append(pack_detections(boxes[kept], codes[kept], scores[kept], views[0].shape[1]))
    return torch.stack(merged)
