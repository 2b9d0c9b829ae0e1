"""From pictures and row numbers to the entries of a batch: images of one shape in uint8, classes by number."""

from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fasttransform import Transform
from PIL import Image, ImageOps
from torch import Tensor

from learnerkit._fastai import (
    Category,
    CategoryMap,
    CrossEntropyLossFlat,
    TensorCategory,
    TensorImage,
    TensorImageBW,
)
from learnerkit.classify.files import FileImages
from learnerkit.core.errors import DataError
from learnerkit.data.mapped import MappedImages
from learnerkit.data.pictures import as_channels, as_rgb, decode, resized
from learnerkit.data.resident import Rows


def to_image(item: Any, shape: tuple[int, int, int], resize: str = "squish") -> Tensor:
    """Any image that a user may hold as uint8 [C,H,W] of the given shape.

    item: path, PIL image, uint8 array or tensor ([H,W], [H,W,C] or [C,H,W]).
    resize: how it is brought to that height and width, see `data.pictures.resized`.
    """
    if isinstance(item, (str, Path)):
        item = decode(Path(item), shape[1:], resize)
    elif isinstance(item, Image.Image):
        item = np.asarray(resized(as_rgb(ImageOps.exif_transpose(item)), shape[1:], resize))
    image = torch.as_tensor(np.array(item) if isinstance(item, np.ndarray) else item).as_subclass(Tensor)
    if image.dtype != torch.uint8:
        raise DataError(f"an image of dtype {image.dtype}: give uint8 pixels (0 to 255), a path or a PIL image")
    if image.ndim == 2:
        image = image[None]
    elif image.ndim == 3 and image.shape[0] not in (1, 3):
        image = image.permute(2, 0, 1)
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise DataError(f"an image of shape {tuple(image.shape)}: [H,W], [H,W,C] or [C,H,W] with C of 1 or 3 is needed")
    if image.shape[1:] != shape[1:]:
        pixels = image.permute(1, 2, 0).cpu().numpy()
        pixels = resized(Image.fromarray(pixels if len(image) == 3 else pixels[..., 0]), shape[1:], resize)
        image = torch.from_numpy(np.array(pixels)).reshape(*shape[1:], len(image)).permute(2, 0, 1)
    return image if len(image) == shape[0] else torch.from_numpy(as_channels(image[None].numpy(), shape[0]))[0]


def as_shown(image: Tensor) -> TensorImage:
    """The tensor as the fastai type that shows it: grey for one channel, colour for three."""
    return image.as_subclass(TensorImageBW if image.shape[-3] == 1 else TensorImage)


class AsImage(Transform):
    """Any image (path, PIL, array) to a TensorImage of one shape.

    shape: channels, height, width; resize: how an image is brought to it, see `data.pictures.resized`.
    """

    input_types = (str, Path, np.ndarray, Tensor, Image.Image)

    def __init__(self, shape: tuple[int, int, int], resize: str = "squish") -> None:
        super().__init__()
        self.shape, self.resize = tuple(shape), resize

    def encodes(self, item: object) -> TensorImage:
        return as_shown(to_image(item, self.shape, self.resize))


class FileRows(AsImage):
    """Row number to TensorImage, read from its file when asked for: for sets that do not fit in memory.

    images: the `FileImages` of the set.
    """

    input_types = (Integral, *AsImage.input_types)

    def __init__(self, images: FileImages) -> None:
        super().__init__(images.shape[1:], images.resize)
        self.images = images

    def encodes(self, item: object) -> TensorImage:
        item = self.images[int(item)] if isinstance(item, Integral) else item
        return as_shown(to_image(item, self.shape, self.resize))


class ImageRows(Rows):
    """Row number to TensorImage; any other image (path, PIL, array) is taken as it is, brought to the set's shape.

    images: uint8 [N,C,H,W]; resize: how further images are brought to their shape, see `data.pictures.resized`.
    """

    input_types = (Integral, str, Path, np.ndarray, Tensor, Image.Image)

    def __init__(self, images: np.ndarray | MappedImages, resize: str = "squish") -> None:
        super().__init__(images)
        self.resize = resize

    def encodes(self, item: object) -> TensorImage:
        if isinstance(item, Integral):
            return as_shown(self.entry(int(item)))
        return as_shown(to_image(item, tuple(self.tensor.shape[1:]), self.resize))


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
