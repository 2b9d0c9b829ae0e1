"""Signs of a bad training that a detector alone can show: of its boxes and its average precision."""

import torch

from learnerkit.callbacks.diagnose import is_sampled
from learnerkit.callbacks.kit import KitCallback
from learnerkit.core.signs import Sign

STEPS = 300  # before which an AP of 0 says nothing: regions are sorted first, classes afterwards
NO_AP = 1e-3  # AP50 that counts as none: chance hits of some boxes stay below it
FRAMES = 16  # that have to be looked at before their lack of boxes is told
OBJECTS = 10  # of the valid part, without which an AP says nothing
OUTSIDE = 0.5  # of the boxes that reach past their frame: clipped ones touch it, and lie inside
IN_SHARES = 2.0  # pixels: boxes that are all smaller are shares of the frame


def no_precision(ap50: float, objects: int, steps: int) -> Sign | None:
    """An AP50 of 0 on the valid part, after enough steps. objects: that there are."""
    if steps < STEPS or objects < OBJECTS or ap50 >= NO_AP:
        return None
    text = f"after {steps} steps AP50 is {ap50:.3f} on {objects} valid objects"
    remedy = "draw a batch (dls.show_batch()) to see whether boxes and classes are right; then another rate (--lr)"
    return Sign("no_precision", text, remedy)


def empty_targets(boxes: int, frames: int) -> Sign | None:
    """No box on any of the training frames looked at."""
    if boxes or frames < FRAMES:
        return None
    text = f"no box stands on any of the {frames} training frames looked at"
    return Sign("empty_targets", text, "`learnerkit doctor DATA` says how many boxes are read; look at the transforms")


def boxes_off(boxes: int, outside: int, greatest: float, frames: int) -> Sign | None:
    """Boxes that are not in pixels of their frame.

    outside: of so many boxes, how many reach past it; greatest: the longest side of a box, in pixels.
    """
    if not boxes or frames < FRAMES:
        return None
    remedy = "boxes are x1, y1, x2, y2 in pixels of the frame as the model sees it: look at the reader and transforms"
    if greatest <= IN_SHARES:
        text = f"the longest side of {boxes} training boxes is {greatest:.2g} pixels: they are shares of the frame"
        return Sign("boxes_off", text, remedy)
    if outside < OUTSIDE * boxes:
        return None
    return Sign("boxes_off", f"{outside} of {boxes} training boxes reach past their frame", remedy)


class BoxSigns(KitCallback):
    """Count boxes of a few training batches of each epoch, and the objects of the valid part; see `BoxSigns.signs`."""

    decides = False  # about no weight
    order = 52

    def __init__(self) -> None:
        self.rows: list[torch.Tensor] = []  # of the batches looked at: boxes, those outside, the longest side
        self.frames = 0
        self.objects: list[torch.Tensor] = []

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run

    def before_epoch(self) -> None:
        self.rows, self.frames, self.objects = [], 0, []

    def after_batch(self) -> None:
        learn = self.learn
        if not len(learn.yb):
            return
        targets = learn.yb[0].detach().as_subclass(torch.Tensor).float()
        held = targets[:, :, 4] >= 0
        if not learn.training:
            self.objects.append(held.sum())
        elif self.frames < FRAMES or is_sampled(learn.iter, learn):
            boxes, sizes = targets[:, :, :4], learn.xb[1].to(targets)[:, None]
            reach = torch.stack([boxes[..., 2] - sizes[..., 1], boxes[..., 3] - sizes[..., 0]]).amax(dim=0) > 1
            longest = (boxes[..., 2:] - boxes[..., :2]).amax(dim=-1).masked_fill(~held, 0).amax()
            self.rows.append(torch.stack([held.sum(), (held & reach).sum(), longest]).float())
            self.frames += len(targets)

    def signs(self) -> list[Sign]:
        """The signs of the epoch that has just ended."""
        learn, found = self.learn, []
        if self.rows:
            counts = torch.stack(self.rows).cpu()
            boxes, outside, longest = int(counts[:, 0].sum()), int(counts[:, 1].sum()), float(counts[:, 2].max())
            found.append(empty_targets(boxes, self.frames))
            found.append(boxes_off(boxes, outside, longest, self.frames))
        precision = learn.monitored.get("mAP50", learn.monitored.get("mAP"))
        if precision is not None and self.objects:
            objects = int(torch.stack(self.objects).sum())
            found.append(no_precision(float(precision), objects, len(learn.recorder.batch_losses)))
        return [sign for sign in found if sign is not None]
