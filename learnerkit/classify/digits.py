"""The embedded set: scikit-learn's 1,797 real handwritten digits (UCI optdigits), 8x8, enlarged to 32x32."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torchvision.transforms.v2 import functional as F

from learnerkit.classify.source import ImageSource

SIDE = 32  # pixels; beyond it nothing is gained by keeping them larger


def read_digits(size: int | tuple[int, int] = SIDE) -> ImageSource:
    """The digits as one-channel images.

    size: side, or height and width, in pixels after bilinear enlarging; at most 32 are kept.
    A mirrored digit is another class or none, so the set keeps its classes under shifts alone.
    """
    digits = load_digits()
    images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8)[:, None]
    sides = (size, size) if isinstance(size, int) else size
    enlarged = F.resize(images, [min(side, SIDE) for side in sides], antialias=True).numpy()
    ids = [f"digit_{row:04d}" for row in range(len(images))]
    vocab = [str(name) for name in digits.target_names]
    return ImageSource(
        "digits", enlarged, digits.target.astype(np.int64), vocab, ids, keeps=("shift",), loses=("mirror",)
    )
