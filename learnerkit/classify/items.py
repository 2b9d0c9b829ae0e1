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
from learnerkit.data.pictures import as_channels, as_rgb, read_picture, resized
from learnerkit.data.resident import Rows

ROUNDING = 1e-6  # past 0..1 that floats may be
GIVEN = (
    "a path, a PIL image, or an array or tensor [H,W], [H,W,C] or [C,H,W] of 1 or 3 channels, uint8 (0 to 255) or "
    "floats in 0..1"
)


def to_image(item: Any, shape: tuple[int, int, int], resize: str = "squish") -> Tensor:
    """Any image that a user may hold as uint8 [C,H,W] of the given shape; DataError says why it cannot be one.

    item: path, PIL image of 8 bits, or array or tensor ([H,W], [H,W,C] or [C,H,W]), uint8 or floats in 0..1, which are
        rounded to 8 bits.
    resize: how it is brought to that height and width, see `data.pictures.resized`.
    """
    if isinstance(item, (str, Path)):
        image = torch.from_numpy(np.array(read_picture(Path(item), shape[1:], resize)))
    elif isinstance(item, Image.Image):
        pixels = np.array(resized(as_rgb(ImageOps.exif_transpose(item)), shape[1:], resize))
        image = torch.from_numpy(pixels).permute(2, 0, 1)
    else:
        image = channels_first(as_bytes(_as_tensor(item)), shape)
    if image.shape[1:] != shape[1:]:
        pixels = image.permute(1, 2, 0).cpu().numpy()
        pixels = resized(Image.fromarray(pixels if len(image) == 3 else pixels[..., 0]), shape[1:], resize)
        image = torch.from_numpy(np.array(pixels)).reshape(*shape[1:], len(image)).permute(2, 0, 1)
    return image if len(image) == shape[0] else torch.from_numpy(as_channels(image[None].cpu().numpy(), shape[0]))[0]


def _as_tensor(item: Any) -> Tensor:
    if isinstance(item, np.ndarray):
        if item.dtype.kind not in "biuf":
            raise DataError(f"an array of dtype {item.dtype}: {GIVEN} is needed")
        item = torch.from_numpy(item.astype(item.dtype.newbyteorder("=")))
    return item.detach().as_subclass(Tensor)


def as_bytes(image: Tensor) -> Tensor:
    """Pixels as uint8; floats in 0..1 are rounded to 8 bits. DataError for anything else."""
    if image.dtype == torch.uint8:
        return image
    if not image.is_floating_point():
        raise DataError(f"an image of dtype {image.dtype}: uint8 pixels (0 to 255) or floats in 0..1 are needed")
    if not image.numel() or not image.isfinite().all():
        raise DataError(f"an image of {image.numel():,} floats, some of which are NaN or infinite: {GIVEN}")
    low, high = float(image.min()), float(image.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise DataError(
            f"an image of floats from {low:.4g} to {high:.4g}: floats are in 0..1, before any normalising; divide by "
            "255, or give uint8 pixels (0 to 255)"
        )
    return (image.float() * 255).round().clamp(0, 255).to(torch.uint8)


def channels_first(image: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """[H,W], [H,W,C] or [C,H,W] with C of 1 or 3 as [C,H,W]; DataError where it is none, or could be two of them.

    shape: of the set; an image of exactly that shape is one of it.
    """
    found = tuple(image.shape)
    if image.ndim == 2 and image.numel():
        return image[None]
    ends = image.ndim == 3 and image.numel() and (found[0] in (1, 3), found[2] in (1, 3))
    if not ends or not any(ends):
        many = "; several images are learn.get_preds(dl=learn.dls.test_dl(list))" if len(found) > 3 else ""
        raise DataError(f"an image of shape {found}: [H,W], [H,W,C] or [C,H,W] with C of 1 or 3 is needed{many}")
    if all(ends) and found != tuple(shape):
        raise DataError(f"an image of shape {found} may be [C,H,W] or [H,W,C]; give a PIL image, or uint8 of {shape}")
    return image if ends[0] else image.permute(2, 0, 1)


def _taken(item: Any, types: tuple[type, ...]) -> Any:
    if not isinstance(item, types):
        raise DataError(f"{type(item).__name__}: is no image; {GIVEN} is needed")
    return item


def as_shown(image: Tensor) -> TensorImage:
    """The tensor as the fastai type that shows it: grey for one channel, colour for three."""
    return image.as_subclass(TensorImageBW if image.shape[-3] == 1 else TensorImage)


class AsImage(Transform):
    """Any image (path, PIL, array) to a TensorImage of one shape.

    shape: channels, height, width; resize: how an image is brought to it, see `data.pictures.resized`.
    """

    kinds = (str, Path, np.ndarray, Tensor, Image.Image)
    input_types = (*kinds, object)  # whatever it is, it is refused in words

    def __init__(self, shape: tuple[int, int, int], resize: str = "squish") -> None:
        super().__init__()
        self.shape, self.resize = tuple(shape), resize

    def __call__(self, item: Any, *args: Any, **kwargs: Any) -> Any:
        """Transform an image; DataError for what is none."""
        return super().__call__(_taken(item, self.kinds), *args, **kwargs)

    def encodes(self, item: object) -> TensorImage:
        return as_shown(to_image(item, self.shape, self.resize))


class FileRows(AsImage):
    """Row number to TensorImage, read from its file when asked for: for sets that do not fit in memory.

    images: the `FileImages` of the set.
    """

    kinds = (Integral, *AsImage.kinds)
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

    kinds = (Integral, *AsImage.kinds)
    input_types = (Integral, *AsImage.input_types)

    def __init__(self, images: np.ndarray | MappedImages, resize: str = "squish") -> None:
        super().__init__(images)
        self.resize = resize

    def __call__(self, item: Any, *args: Any, **kwargs: Any) -> Any:
        """Transform a row number or an image; DataError for what is none."""
        return super().__call__(_taken(item, self.kinds), *args, **kwargs)

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
            return TensorCategory(self.entry(int(item)))
        if item not in self.vocab.o2i:
            raise DataError(f"label '{item}' is not one of the classes {', '.join(self.vocab)}")
        return TensorCategory(self.vocab.o2i[item])

    def decodes(self, code: TensorCategory) -> Category:
        return Category(self.vocab[int(code)])
