"""Passes of a detector over a loader: what it found beside the truth, also with some channels switched off."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from learnerkit._fastai import Callback, DataLoader
from learnerkit.detect.learner import DetectionLearner


class SwitchOff(Callback):
    """Put some channels to a constant, as if their sensor told nothing.

    channels: numbers of them; values: of each channel, normalised.
    """

    order = -15  # before anything has looked at the batch

    def __init__(self, channels: list[int], values: list[float]) -> None:
        self.channels, self.values = channels, values

    def before_batch(self) -> None:
        frames, sizes, *rest = self.learn.xb
        frames = frames.clone()
        for image, (height, width) in zip(frames, sizes.tolist(), strict=True):
            for channel in self.channels:
                image[channel, :height, :width] = self.values[channel]
        self.learn.xb = (frames, sizes, *rest)


def predicted(learn: DetectionLearner, dl: DataLoader, cbs: Any = None) -> tuple[list[Tensor], list[Tensor]]:
    """Detections [D,6] and truth [M,5] of each image of a loader."""
    with quiet(learn):
        detections, targets = learn.get_preds(dl=dl, cbs=cbs)
    return [row.as_subclass(Tensor).float() for row in detections], [row.as_subclass(Tensor) for row in targets]


@contextlib.contextmanager
def quiet(learn: DetectionLearner) -> Iterator[None]:
    """Without progress bar and table."""
    with learn.no_bar(), learn.no_logging(), torch.no_grad():
        yield
