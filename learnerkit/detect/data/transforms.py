"""Between a FrameSource and a detector: row to frame, row to boxes, batches normalised.

The first dimension of a batch's tensors is the images: fastai counts and joins batches by it.
"""

from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fasttransform import ItemTransform, Transform
from PIL import Image
from torch import Tensor

from learnerkit._fastai import TensorBase
from learnerkit.core.errors import DataError
from learnerkit.detect.boxes import pack_boxes, pack_ignored, rescale
from learnerkit.detect.data.channels import stretched
from learnerkit.detect.data.deep import pixels_of
from learnerkit.detect.data.frames import given_frame, joined_files, read_frame, scaled
from learnerkit.detect.data.source import FrameSource


class TensorFrame(TensorBase):
    """A frame [C,H,W], or a batch of them [B,C,H,W], padded to the largest at the right and below."""


class BoxTargets(TensorBase):
    """Boxes and classes of one image [M,5] or of a batch [B,M,5], see `detect.boxes`."""


class FrameRows(Transform):
    """Row number, path, picture or array to TensorFrame, in 0..1.

    source: the set; size: the longer side in pixels that a frame is resized to, None for as it is.
    """

    input_types = (
        Integral,
        str,
        Path,
        Image.Image,
        np.ndarray,
        Tensor,
        object,
    )  # whatever it is, it is refused in words

    def __init__(self, source: FrameSource, size: int | None = None) -> None:
        super().__init__()
        self.source, self.size = source, size

    def __call__(self, item: Any, *args: Any, **kwargs: Any) -> Any:
        """A row number, path or array as a frame; a TensorFrame stays as it is."""
        return item if isinstance(item, TensorFrame) else self.encodes(item)

    def encodes(self, item: object) -> TensorFrame:
        return self.fitted(self.whole(item))

    def whole(self, item: Any) -> Tensor:
        """A frame [C,H,W] in 0..1 of the size that it was given in; DataError where it is none of the set's kind."""
        if isinstance(item, Integral):
            if not -len(self.source) <= item < len(self.source):
                raise DataError(f"row {item}: {self.source.name} has {len(self.source)} frames")
            frame = self.source.frame(int(item))
        elif isinstance(item, (str, Path)):
            frame = self._in_range(read_frame(Path(item)), item)
        elif isinstance(item, (tuple, list)) and item and all(isinstance(one, (str, Path)) for one in item):
            frame = self._in_range(joined_files([Path(one) for one in item]), ", ".join(map(str, item)))
        elif isinstance(item, Image.Image):
            frame = self._in_range(scaled(pixels_of(item)), "the picture")
        else:
            frame = self._in_range(given_frame(item, self.source.channels), "the array")
        return torch.from_numpy(frame)

    def fitted(self, frame: Tensor) -> TensorFrame:
        """A whole frame in the size that the model sees."""
        if self.size is not None and max(frame.shape[1:]) != self.size:
            size = resized(tuple(frame.shape[1:]), self.size)
            frame = torch.nn.functional.interpolate(frame[None], size, mode="bilinear", antialias=True)[0]
        return frame.as_subclass(TensorFrame)

    def _in_range(self, frame: np.ndarray, name: Any) -> np.ndarray:
        """A frame that is none of the set's own, with the set's channels, between the values that the set says."""
        if len(frame) != self.source.channels:
            needed = f"{self.source.channels} are needed ({', '.join(self.source.channel_names)})"
            raise DataError(f"{name}: a frame of {len(frame)} channel(s): {needed}")
        return stretched(frame, self.source.stretch)


def resized(shape: tuple[int, int], size: int | None) -> tuple[int, int]:
    """Height and width with the longer side of `size` pixels, the aspect kept."""
    return shape if size is None else tuple(max(1, round(side * size / max(shape))) for side in shape)


class BoxRows(Transform):
    """Row number to BoxTargets in pixels of the frame as the model sees it.

    source: the set; size: as in `FrameRows`.
    """

    input_types = (Integral,)

    def __init__(self, source: FrameSource, size: int | None = None) -> None:
        super().__init__()
        self.source, self.size, self.vocab, self.c = source, size, source.vocab, len(source.vocab)

    def __call__(self, item: Any, *args: Any, **kwargs: Any) -> Any:
        """A row number as targets; targets stay as they are."""
        return item if isinstance(item, BoxTargets) else self.encodes(item)

    def encodes(self, item: object) -> BoxTargets:
        row = int(item)
        before = tuple(self.source.sizes[row].tolist())
        boxes = rescale(torch.from_numpy(self.source.boxes[row]), before, resized(before, self.size))
        codes = torch.from_numpy(self.source.codes[row])
        ignored = rescale(torch.from_numpy(self.source.ignored[row]), before, resized(before, self.size))
        packed = pack_boxes(boxes, codes, self.source.most_boxes - len(ignored))
        return torch.cat([packed, pack_ignored(ignored)]).as_subclass(BoxTargets)


class NormalizeFrames(ItemTransform):
    """Each channel of a batch to mean 0 and deviation 1; the padding stays 0.

    mean, std: one a channel, of frames in 0..1.
    """

    order = 10

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean, self.std = (torch.tensor(values).view(1, -1, 1, 1) for values in (mean, std))

    def to(self, device: torch.device) -> None:
        """Move the statistics, as fastai asks when a loader changes its device."""
        self.mean, self.std = self.mean.to(device), self.std.to(device)

    def encodes(self, batch: list) -> tuple:
        frames, sizes, *rest = batch
        normal = (frames - self.mean.to(frames.device)) / self.std.to(frames.device)
        for image, (height, width) in zip(normal, sizes.tolist(), strict=True):
            image[:, height:], image[:, :, width:] = 0, 0
        return normal, sizes, *rest

    def decodes(self, batch: list) -> tuple:
        frames, sizes, *rest = batch
        shown = frames.as_subclass(Tensor) * self.std.to(frames.device) + self.mean.to(frames.device)
        for image, (height, width) in zip(shown, sizes.tolist(), strict=True):
            image[:, height:], image[:, :, width:] = 0, 0
        return shown.as_subclass(type(frames)), sizes, *rest


class DropModality(ItemTransform):
    """Put one of the channels behind RGB to its mean, as if its sensor told nothing, in a part of the training frames.

    p: probability a frame; means: of each normalised channel; first: of the channels that may be dropped.
    """

    split_idx, order = 0, 30

    def __init__(self, p: float, means: Sequence[float], first: int = 3) -> None:
        super().__init__()
        self.p, self.means, self.first = p, torch.tensor(means), first

    def to(self, device: torch.device) -> None:
        """Move the means, as fastai asks when a loader changes its device."""
        self.means = self.means.to(device)

    def encodes(self, batch: list) -> tuple:
        frames, sizes, *rest = batch
        n, channels = frames.shape[:2]
        dropped = torch.rand(n) < self.p
        which = torch.randint(self.first, channels, (n,))
        for number in torch.nonzero(dropped).flatten().tolist():
            height, width = sizes[number].tolist()
            frames[number, which[number], :height, :width] = self.means[which[number]]
        return frames, sizes, *rest
