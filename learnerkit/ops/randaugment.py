"""RandAugment (Cubuk et al. 2020) on batches: every image draws its own operations, one call for each group.

Operations, magnitudes and signs are those of torchvision 0.29's `transforms.v2.RandAugment`, each done by torchvision's
functional API; a test holds this against that class, image by image.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from learnerkit.ops.grouped import apply_grouped

BINS = 31


def _affine(images: Tensor, translate: tuple[int, int] = (0, 0), shear: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    center = [0, 0] if any(shear) else None
    return F.affine(images, angle=0.0, translate=list(translate), scale=1.0, shear=list(shear), center=center)


def _shear_degrees(amount: float) -> float:
    return math.degrees(math.atan(amount))


# name -> (operation of images and signed magnitude, greatest magnitude, signed); the order is torchvision's
OPERATIONS: dict[str, tuple[Callable[[Tensor, float], Tensor], float, bool]] = {
    "Identity": (lambda x, m: x, 0.0, False),
    "ShearX": (lambda x, m: _affine(x, shear=(_shear_degrees(m), 0.0)), 0.3, True),
    "ShearY": (lambda x, m: _affine(x, shear=(0.0, _shear_degrees(m))), 0.3, True),
    "TranslateX": (lambda x, m: _affine(x, translate=(int(m * x.shape[-1]), 0)), 150 / 331, True),
    "TranslateY": (lambda x, m: _affine(x, translate=(0, int(m * x.shape[-2]))), 150 / 331, True),
    "Rotate": (lambda x, m: F.rotate(x, m), 30.0, True),
    "Brightness": (lambda x, m: F.adjust_brightness(x, 1 + m), 0.9, True),
    "Color": (lambda x, m: F.adjust_saturation(x, 1 + m), 0.9, True),
    "Contrast": (lambda x, m: F.adjust_contrast(x, 1 + m), 0.9, True),
    "Sharpness": (lambda x, m: F.adjust_sharpness(x, 1 + m), 0.9, True),
    "Posterize": (lambda x, m: F.posterize(x, 8 - round(m)), 4.0, False),
    "Solarize": (lambda x, m: F.solarize(x, 255 * (1 - m)), 1.0, False),
    "AutoContrast": (lambda x, m: F.autocontrast(x), 0.0, False),
    "Equalize": (lambda x, m: F.equalize(x), 0.0, False),
}
NAMES = tuple(OPERATIONS)


@dataclass
class RandAugment:
    """Several operations of one magnitude on each image.

    ops: how many operations an image gets, one after another.
    magnitude: 0 (none) to 30 (strongest).
    """

    ops: int = 2
    magnitude: int = 9
    on_float = False

    def apply(self, images: Tensor, key: int) -> Tensor:
        """The operation `key // 2` on uint8 images, with negative sign for odd keys."""
        index, negative = divmod(key, 2)
        operation, greatest, signed = OPERATIONS[NAMES[index]]
        amount = float(torch.linspace(0.0, greatest, BINS)[self.magnitude])  # float32, as torchvision's bins
        return operation(images, -amount if signed and negative else amount)

    def __call__(self, images: Tensor) -> Tensor:
        for _ in range(self.ops):
            drawn = torch.randint(0, len(NAMES), (len(images),))
            signs = torch.randint(0, 2, (len(images),))
            images = apply_grouped(images, drawn * 2 + signs, self.apply)
        return images
