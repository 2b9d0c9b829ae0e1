"""What `learnerkit check` asks of a detector: its objects, and whether learnt frames are found as they are labelled."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import roi_align

from learnerkit.detect.boxes import unpack_boxes
from learnerkit.detect.matching import match_boxes

SIDE = 16  # pixels of an object that is looked at
SCORE = 0.3  # of a detection that counts: after some steps scores are low


def looks(batch: tuple) -> tuple[Tensor, Tensor]:
    """The objects of a batch, cut out by their boxes [N,C,16,16], and their class numbers [N]."""
    frames, _, targets = batch
    held = [unpack_boxes(rows) for rows in targets.float()]
    return roi_align(frames.float(), [boxes for boxes, _ in held], SIDE), torch.cat([codes for _, codes in held])


def learnt(learn: Any, batch: tuple, rows: Sequence[int]) -> tuple[int, int, list[str]]:
    """How many objects of a learnt batch are found by their class, of how many, and the others in words.

    rows: of the frames. The truth is the batch's own: an augmented frame has other boxes than its file.
    """
    frames, sizes, targets = (part.as_subclass(Tensor) for part in batch)
    model, source = learn.model, learn.dls.source
    model.eval()
    with torch.no_grad():
        detections = model(frames, sizes)
    right, of, wrong = 0, 0, []
    for row, found, truth in zip(rows, detections.cpu(), targets.float().cpu(), strict=True):
        codes, told = unpack_boxes(truth)[1], unpack_boxes(found)[1]
        pairs = dict(match_boxes(found, truth, SCORE))
        same = [number for number in range(len(codes)) if pairs.get(number, -1) >= 0]
        hits = [number for number in same if told[pairs[number]] == codes[number]]
        right, of = right + len(hits), of + len(codes)
        if len(hits) < len(codes):
            wrong.append(f"{source.ids[row]}: {len(hits)} of {len(codes)} objects")
    return right, of, wrong
