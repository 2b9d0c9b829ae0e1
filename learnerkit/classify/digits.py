"""The embedded set: scikit-learn's 1,797 real handwritten digits (UCI optdigits), 8x8, enlarged to 32x32."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torchvision.transforms.v2 import functional as F

from learnerkit.classify.source import ImageSource


def read_digits(size: int = 32) -> ImageSource:
    """The digits as one-channel images.

    size: side in pixels after bilinear enlarging.
    A mirrored digit is another class or none, so the set keeps its classes under shifts alone.
    """
    digits = load_digits()
    images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8)[:, None]
    enlarged = F.resize(images, [size, size], antialias=True).numpy()
    ids = [f"digit_{row:04d}" for row in range(len(images))]
    vocab = [str(name) for name in digits.target_names]
    return ImageSource(
        "digits", enlarged, digits.target.astype(np.int64), vocab, ids, keeps=("shift",), loses=("mirror",)
    )
