"""Small convolutional networks for small images. B,C,H,W: images, channels, height, width."""

from torch import nn

from learnerkit.models.registry import register_model


def conv_block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU: [B,n_in,H,W] -> [B,n_out,H/stride,W/stride]."""
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


@register_model("tiny_cnn")
def tiny_cnn(n_in: int = 3, n_out: int = 10, width: int = 16, dropout: float = 0.0) -> nn.Sequential:
    """Three strided 3x3 convolutions of width, 2*width and 4*width: 24 k parameters, for trials and tests.

    dropout: before the classifier, 0 to 1.
    """
    return nn.Sequential(
        conv_block(n_in, width, 2),
        conv_block(width, 2 * width, 2),
        conv_block(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Sequential(nn.Flatten(), nn.Dropout(dropout)),
        nn.Linear(4 * width, n_out),
    )


@register_model("simple_cnn")
def simple_cnn(n_in: int = 3, n_out: int = 10, width: int = 32, dropout: float = 0.2) -> nn.Sequential:
    """Three pairs of 3x3 convolutions with max pooling between: 290 k parameters.

    width: channels of the first pair; doubled in each following one.
    dropout: before the classifier, 0 to 1.
    """
    return nn.Sequential(
        conv_block(n_in, width),
        conv_block(width, width),
        nn.MaxPool2d(2),
        conv_block(width, 2 * width),
        conv_block(2 * width, 2 * width),
        nn.MaxPool2d(2),
        conv_block(2 * width, 4 * width),
        conv_block(4 * width, 4 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(4 * width, n_out),
    )
