"""Residual networks for small images: He et al. 2016 in the CIFAR form, with squeeze-excitation and stochastic depth.

Parameter names are torchvision's, so its ResNet weights load where the shapes agree.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation, StochasticDepth

from learnerkit.models.registry import register_model
from learnerkit.ops.depth import linear_rates


class BasicBlock(nn.Module):
    """Two 3x3 convolutions on a residual branch: [B,n_in,H,W] -> [B,n_out,H/stride,W/stride].

    se: squeeze-excitation with reduction 16 (Hu et al. 2018) at the end of the branch.
    depth_p: probability of dropping the branch of an image in training (Huang et al. 2016).
    """

    expansion = 1

    def __init__(self, n_in: int, n_out: int, stride: int = 1, se: bool = False, depth_p: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.se = SqueezeExcitation(n_out, max(1, n_out // 16)) if se else nn.Identity()
        self.depth = StochasticDepth(depth_p, "row")
        self.downsample = shortcut(n_in, n_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.relu(self.bn1(self.conv1(x)))
        branch = self.depth(self.se(self.bn2(self.conv2(branch))))
        return self.relu(branch + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions on a residual branch: [B,n_in,H,W] -> [B,4*width,H/stride,W/stride].

    width: channels of the 3x3 convolution, which has the stride, as in torchvision's.
    depth_p: probability of dropping the branch of an image in training.
    """

    expansion = 4

    def __init__(self, n_in: int, width: int, stride: int = 1, se: bool = False, depth_p: float = 0.0) -> None:
        super().__init__()
        n_out = self.expansion * width
        self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.se = SqueezeExcitation(n_out, max(1, n_out // 16)) if se else nn.Identity()
        self.depth = StochasticDepth(depth_p, "row")
        self.downsample = shortcut(n_in, n_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.relu(self.bn1(self.conv1(x)))
        branch = self.relu(self.bn2(self.conv2(branch)))
        branch = self.depth(self.se(self.bn3(self.conv3(branch))))
        return self.relu(branch + self.downsample(x))


def shortcut(n_in: int, n_out: int, stride: int) -> nn.Module:
    """What is added to a residual branch: the input itself, or a 1x1 convolution of it where the shape changes."""
    if stride == 1 and n_in == n_out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))


def residual_network(
    n_in: int,
    n_out: int,
    blocks: Sequence[int],
    widths: Sequence[int],
    se: bool = False,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    zero_init: bool = False,
    stride: int = 1,
    block: type[BasicBlock | Bottleneck] = BasicBlock,
) -> nn.Sequential:
    """3x3 stem, stages of blocks (all but the first halve the map), average pooling, classifier.

    blocks, widths: number of blocks of each stage, and channels of their 3x3 convolutions.
    dropout: before the classifier.
    stochastic_depth: drop probability of the last block; the others rise to it linearly.
    zero_init: start each branch's last norm at zero, so that a block starts as its shortcut.
    stride: of the stem.
    block: the kind of block.
    """
    rates = linear_rates(stochastic_depth, sum(blocks))
    stages, n_before, before = [], widths[0], 0
    for number, (count, width) in enumerate(zip(blocks, widths, strict=True), 1):
        layers = []
        for position in range(count):
            step = 2 if position == 0 and number > 1 else 1
            layers.append(block(n_before, width, step, se, rates[before + position]))
            n_before = block.expansion * width
        before += count
        stages.append((f"layer{number}", nn.Sequential(*layers)))
    model = nn.Sequential(
        OrderedDict(
            [
                ("conv1", nn.Conv2d(n_in, widths[0], 3, stride, 1, bias=False)),
                ("bn1", nn.BatchNorm2d(widths[0])),
                ("relu", nn.ReLU(inplace=True)),
                *stages,
                ("avgpool", nn.AdaptiveAvgPool2d(1)),
                ("flatten", nn.Flatten()),
                ("dropout", nn.Dropout(dropout)),
                ("fc", nn.Linear(n_before, n_out)),
            ]
        )
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if zero_init and isinstance(module, block):
            nn.init.zeros_((module.bn2 if block is BasicBlock else module.bn3).weight)
    return model


@register_model("resnet18")
def resnet18(n_in: int = 3, n_out: int = 10, dropout: float = 0.0, stride: int = 1) -> nn.Sequential:
    """ResNet-18 in the CIFAR form (3x3 stem, no pooling): 11.2 M parameters."""
    return residual_network(n_in, n_out, (2, 2, 2, 2), (64, 128, 256, 512), dropout=dropout, stride=stride)


@register_model("resnet34")
def resnet34(n_in: int = 3, n_out: int = 10, dropout: float = 0.0, stride: int = 1) -> nn.Sequential:
    """ResNet-34 in the CIFAR form (3x3 stem, no pooling): 21.3 M parameters."""
    return residual_network(n_in, n_out, (3, 4, 6, 3), (64, 128, 256, 512), dropout=dropout, stride=stride)


@register_model("resnet50")
def resnet50(n_in: int = 3, n_out: int = 10, dropout: float = 0.0, stride: int = 1) -> nn.Sequential:
    """ResNet-50 in the CIFAR form (3x3 stem, no pooling): 23.5 M parameters."""
    widths = (64, 128, 256, 512)
    return residual_network(n_in, n_out, (3, 4, 6, 3), widths, dropout=dropout, stride=stride, block=Bottleneck)


@register_model("resnet101")
def resnet101(n_in: int = 3, n_out: int = 10, dropout: float = 0.0, stride: int = 1) -> nn.Sequential:
    """ResNet-101 in the CIFAR form (3x3 stem, no pooling): 42.5 M parameters."""
    widths = (64, 128, 256, 512)
    return residual_network(n_in, n_out, (3, 4, 23, 3), widths, dropout=dropout, stride=stride, block=Bottleneck)


@register_model("se_resnet")
def se_resnet(n_in: int = 3, n_out: int = 10, dropout: float = 0.3, stride: int = 1) -> nn.Sequential:
    """Four stages of two squeeze-excitation blocks, 32 to 256 channels: 2.8 M parameters."""
    widths = (32, 64, 128, 256)
    return residual_network(n_in, n_out, (2, 2, 2, 2), widths, se=True, dropout=dropout, stride=stride)


@register_model("hybrid_resnet")
def hybrid_resnet(
    n_in: int = 3, n_out: int = 10, dropout: float = 0.3, stochastic_depth: float = 0.2, stride: int = 1
) -> nn.Sequential:
    """`se_resnet` with stochastic depth in linear rates and zero-initialised last norms: 2.8 M parameters.

    stochastic_depth: drop probability of the last block.
    """
    return residual_network(
        n_in, n_out, (2, 2, 2, 2), (32, 64, 128, 256), True, dropout, stochastic_depth, zero_init=True, stride=stride
    )
