"""Between an ImageSource and a model: row to image, row to class, batch to floats; and the blocks made of them."""

from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fasttransform import Transform
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from learnerkit._fastai import (
    Category,
    CategoryMap,
    CrossEntropyLossFlat,
    TensorCategory,
    TensorImage,
    TensorImageBW,
)
from learnerkit.classify.source import FileImages
from learnerkit.core.errors import DataError
from learnerkit.data.pictures import as_channels, as_rgb, decode
from learnerkit.data.resident import Rows
from learnerkit.ops.augment import ColorJitter, Cutout, Erase, Flip, Perspective, RandomCrop, Rotate
from learnerkit.ops.randaugment import RandAugment

Operation = Callable[[Tensor], Tensor]


def to_image(item: Any, shape: tuple[int, int, int]) -> Tensor:
    """Any image that a user may hold as uint8 [C,H,W] of the given shape.

    item: path, PIL image, uint8 array or tensor ([H,W], [H,W,C] or [C,H,W]).
    """
    if isinstance(item, (str, Path)):
        item = decode(Path(item))
    elif isinstance(item, Image.Image):
        item = np.asarray(as_rgb(ImageOps.exif_transpose(item)))
    image = torch.as_tensor(np.array(item) if isinstance(item, np.ndarray) else item).as_subclass(Tensor)
    if image.dtype != torch.uint8:
        raise DataError(f"an image of dtype {image.dtype}: give uint8 pixels (0 to 255), a path or a PIL image")
    if image.ndim == 2:
        image = image[None]
    elif image.ndim == 3 and image.shape[0] not in (1, 3):
        image = image.permute(2, 0, 1)
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise DataError(f"an image of shape {tuple(image.shape)}: [H,W], [H,W,C] or [C,H,W] with C of 1 or 3 is needed")
    channels, height, width = shape
    if image.shape[0] != channels:
        image = torch.from_numpy(as_channels(image[None].numpy(), channels))[0]
    return image if image.shape[1:] == (height, width) else F.resize(image, [height, width], antialias=True)


def as_shown(image: Tensor) -> TensorImage:
    """The tensor as the fastai type that shows it: grey for one channel, colour for three."""
    return image.as_subclass(TensorImageBW if image.shape[-3] == 1 else TensorImage)


class AsImage(Transform):
    """Any image (path, PIL, array) to a TensorImage of one shape.

    shape: channels, height, width.
    """

    input_types = (str, Path, np.ndarray, Tensor, Image.Image)

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def encodes(self, item: object) -> TensorImage:
        return as_shown(to_image(item, self.shape))


class FileRows(AsImage):
    """Row number to TensorImage, read from its file when asked for: for sets that do not fit in memory.

    images: the `FileImages` of the set.
    """

    input_types = (Integral, *AsImage.input_types)

    def __init__(self, images: FileImages) -> None:
        super().__init__(images.shape[1:])
        self.images = images

    def encodes(self, item: object) -> TensorImage:
        return as_shown(to_image(self.images[int(item)] if isinstance(item, Integral) else item, self.shape))


class ImageRows(Rows):
    """Row number to TensorImage; any other image (path, PIL, array) is taken as it is, resized to the set's shape.

    images: uint8 [N,C,H,W].
    """

    input_types = (Integral, str, Path, np.ndarray, Tensor, Image.Image)

    def encodes(self, item: object) -> TensorImage:
        if isinstance(item, Integral):
            return as_shown(self.tensor[int(item)])
        return as_shown(to_image(item, tuple(self.tensor.shape[1:])))


class LabelRows(Rows):
    """Row number to TensorCategory, or class name to TensorCategory; decodes to the class name.

    labels: int64 [N].
    vocab: class names.
    """

    input_types = (Integral, str)
    loss_func = CrossEntropyLossFlat()

    def __init__(self, labels: np.ndarray, vocab: Sequence[str]) -> None:
        super().__init__(labels)
        self.vocab = CategoryMap(list(vocab), sort=False)
        self.c = len(self.vocab)

    def encodes(self, item: object) -> TensorCategory:
        if isinstance(item, Integral):
            return TensorCategory(self.tensor[int(item)])
        if item not in self.vocab.o2i:
            raise DataError(f"label '{item}' is not one of the classes {', '.join(self.vocab)}")
        return TensorCategory(self.vocab.o2i[item])

    def decodes(self, code: TensorCategory) -> Category:
        return Category(self.vocab[int(code)])


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
    """Batch augmentations that come after normalising: erasing, cutout."""

    order = 20


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
            scale = 1 / (255 * self.std)
            plain = plain.float().mul_(scale).sub_(self.mean / self.std)
        return plain.as_subclass(type(images))

    def decodes(self, images: TensorImage) -> TensorImage:
        plain = (images.as_subclass(Tensor) * self.std + self.mean).clamp(0, 1)
        return plain.as_subclass(type(images))


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
) -> list[Operation]:
    """The operations of `image_dls` arguments, in the order in which they are applied."""
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
    ]
    return [operation for operation in chosen if operation is not None]
