"""A network that learns small images in few minutes, after airbench94 (Jordan 2024, arXiv 2404.00498)."""

import torch
from torch import Tensor, nn

from learnerkit.models.registry import register_model

KERNEL = 2  # side of the patches that the first layer whitens
EPS = 5e-4  # of the eigenvalues, so that directions without variance are not blown up


class Whiten(nn.Module):
    """Decorrelate 2x2 patches by a fixed convolution with a trained bias: [B,n_in,H,W] -> [B,8*n_in,H-1,W-1].

    Its weights are those of the images that `begin_with` is shown; drawn orthogonal before, or without it.
    """

    def __init__(self, n_in: int) -> None:
        super().__init__()
        directions = nn.init.orthogonal_(torch.empty(n_in * KERNEL**2, n_in * KERNEL**2))
        self.register_buffer("weight", both_signs(directions, n_in))
        self.bias = nn.Parameter(torch.zeros(len(self.weight)))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight, self.bias)

    def begin_with(self, images: Tensor) -> None:
        """Take the directions in which patches of images [B,n_in,H,W] vary, each scaled to unit variance."""
        self.weight.copy_(both_signs(whitening(images), images.shape[1]))


def whitening(images: Tensor) -> Tensor:
    """The eigenvectors [D,D] of the covariance of 2x2 patches of images [B,C,H,W], over the root of their eigenvalues.

    D is 4*C; the direction of greatest variance comes first.
    """
    patches = nn.functional.unfold(images.double(), KERNEL).transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    return (vectors / (values + EPS).sqrt()).T.flip(0).float()


def both_signs(directions: Tensor, n_in: int) -> Tensor:
    """Directions [D,D] and their negatives as the weights of a convolution [2D,n_in,2,2]."""
    kernels = directions.reshape(-1, n_in, KERNEL, KERNEL)
    return torch.cat([kernels, -kernels])


def stage(n_in: int, n_out: int) -> nn.Sequential:
    """Two 3x3 convolutions, the first pooled to half: [B,n_in,H,W] -> [B,n_out,H//2,W//2]."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(n_out, momentum=0.4),
        nn.GELU(),
        nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(n_out, momentum=0.4),
        nn.GELU(),
    )


class QuickNet(nn.Sequential):
    """The network of `quicknet`."""

    def begin_with(self, images: Tensor) -> None:
        """Fit the first layer to normalised training images [B,n_in,H,W], before the first step."""
        self[0].begin_with(images)


@register_model("quicknet")
def quicknet(n_in: int = 3, n_out: int = 10, width: int = 64, dropout: float = 0.0) -> QuickNet:
    """A whitening layer and three pairs of 3x3 convolutions with pooling and GELU between: 2.0 M parameters.

    Its convolutions begin as the identity where they can (Dirac), norms follow a batch quickly, and what it says is
    scaled down, so that large rates are borne from the start.

    width: channels of the first pair; the others have four times as many.
    dropout: before the classifier, 0 to 1.
    """
    model = QuickNet(
        Whiten(n_in),
        nn.GELU(),
        stage(2 * KERNEL**2 * n_in, width),
        stage(width, 4 * width),
        stage(4 * width, 4 * width),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(4 * width, n_out, bias=False),
        Scaled(1 / 9),
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            same = min(module.in_channels, module.out_channels)
            nn.init.dirac_(module.weight.data[:same])
    return model


class Scaled(nn.Module):
    """Outputs times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def extra_repr(self) -> str:
        return f"{self.factor:.3g}"
