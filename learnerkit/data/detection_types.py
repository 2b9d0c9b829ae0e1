"""The tensors of a detection batch. Their first dimension is the images: fastai counts and joins batches by it."""

from fastai.torch_core import TensorBase


class TensorFrame(TensorBase):
    """A frame [C,H,W], or a batch of them [B,C,H,W], padded to the largest at the right and below."""


class BoxTargets(TensorBase):
    """Boxes and classes of one image [M,5] or of a batch [B,M,5], see `ops.boxes`."""
