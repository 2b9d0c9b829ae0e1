"""Between a batch of images in uint8 and a model: augmented, normalised, brought to the size that it sees."""

from collections.abc import Callable, Sequence

import torch
from fasttransform import Transform
from torch import Tensor

from learnerkit._fastai import TensorImage
from learnerkit.ops.augment import ColorJitter, Cutout, Erase, Flip, Perspective, RandomCrop, Rotate
from learnerkit.ops.randaugment import RandAugment
from learnerkit.ops.resized import RandomResizedCrop, centre, resized

Operation = Callable[[Tensor], Tensor]


class Augment(Transform):
    """Batch augmentations on uint8 images of the training part, each image with its own draw.

    operations: callables [B,C,H,W] -> [B,C,H,W], such as those of `ops.augment`.
    """

    split_idx, order = 0, 5

    def __init__(self, operations: Sequence[Operation]) -> None:
        super().__init__()
        self.operations = list(operations)

    def encodes(self, images: TensorImage) -> TensorImage:
        plain = images.as_subclass(Tensor)
        for operation in self.operations:
            plain = operation(plain)
        return plain.as_subclass(type(images))


class AugmentFloat(Augment):
    """Batch augmentations that come after normalising: erasing, cutout, and at last the random crop to another size."""

    order = 20


class Sized(Transform):
    """Images as a model sees them: the middle of each where the set keeps a margin, at the size asked for.

    view: height and width of the middle; the whole when None. size: height and width that it is brought to.
    What a random crop has brought to that size already stays.
    """

    order = 30

    def __init__(self, size: tuple[int, int], view: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.size, self.view = tuple(size), view

    def encodes(self, images: TensorImage) -> TensorImage:
        plain = images.as_subclass(Tensor)
        if plain.shape[-2:] != self.size:
            plain = resized(plain if self.view is None else centre(plain, self.view), self.size)
        return plain.as_subclass(type(images))


class NormalizeBytes(Transform):
    """uint8 images to normalised floats in one step; decodes to floats in 0..1.

    mean, std: one a channel, for pixels in 0..1.
    """

    order = 10

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean = torch.tensor(mean)[:, None, None]
        self.std = torch.tensor(std)[:, None, None]

    def to(self, device: torch.device) -> None:
        """Move the statistics, as fastai asks when a loader changes its device."""
        self.mean, self.std = self.mean.to(device), self.std.to(device)

    def encodes(self, images: TensorImage) -> TensorImage:
        plain = images.as_subclass(Tensor)
        if plain.dtype == torch.uint8:
            mean, std = self._on(plain.device)
            plain, scale, offset = plain.float(), 1 / (255 * std), mean / std
            rows = plain.permute(0, 2, 3, 1)
            if rows.is_contiguous():  # channels last: whole rows of pixels at once, not three values at a time
                width = plain.shape[3]
                scale, offset = (each.flatten().repeat(width) for each in (scale, offset))
                rows.flatten(2).mul_(scale).sub_(offset)
            else:
                plain.mul_(scale).sub_(offset)
        return plain.as_subclass(type(images))

    def decodes(self, images: TensorImage) -> TensorImage:
        mean, std = self._on(images.device)
        plain = (images.as_subclass(Tensor) * std + mean).clamp(0, 1)
        return plain.as_subclass(type(images))

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and deviation where a batch is: fastai decodes on the CPU what a model on a GPU has seen."""
        return self.mean.to(device), self.std.to(device)


class BytesToFloat(Transform):
    """uint8 images that nothing has normalised to floats in 0..1, as a model needs them."""

    order = 15

    def encodes(self, images: TensorImage) -> TensorImage:
        plain = images.as_subclass(Tensor)
        return (plain.float().div_(255) if plain.dtype == torch.uint8 else plain).as_subclass(type(images))


def augmentations(
    flip: bool,
    crop: int = 0,
    rotate: float = 0,
    jitter: bool | Sequence[float] = False,
    perspective: float = 0,
    randaugment: Sequence[int] | None = None,
    erase: float = 0,
    cutout: int = 0,
    min_scale: float | None = None,
    size: tuple[int, int] | None = None,
) -> list[Operation]:
    """The operations of `image_dls` arguments, in the order in which they are applied.

    size: height and width that the model sees, for `min_scale`.
    """
    jitter = ((0.3, 0.3, 0.3, 0.1) if jitter is True else jitter) or None
    chosen = [
        RandomCrop(crop) if crop else None,
        Flip() if flip else None,
        Rotate(rotate) if rotate else None,
        Perspective(perspective) if perspective else None,
        ColorJitter(*jitter) if jitter else None,
        RandAugment(*randaugment) if randaugment else None,
        Erase(erase) if erase else None,
        Cutout(cutout) if cutout else None,
        RandomResizedCrop(size, (min_scale, 1.0)) if min_scale is not None else None,
    ]
    return [operation for operation in chosen if operation is not None]
