"""Wide residual networks (Zagoruyko and Komodakis 2016), pre-activation, for small images."""

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from learnerkit.core.errors import ModelError
from learnerkit.models.registry import register_pattern


class WideBlock(nn.Module):
    """Norm, ReLU, 3x3 convolution, twice, on a residual branch: [B,n_in,H,W] -> [B,n_out,H/stride,W/stride].

    dropout: between the two convolutions.
    """

    def __init__(self, n_in: int, n_out: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.depth = StochasticDepth(0.0, "row")
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False) if stride != 1 or n_in != n_out else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.bn1(x).relu()
        branch = self.conv2(self.dropout(self.bn2(self.conv1(active)).relu()))
        return self.depth(branch) + (x if self.shortcut is None else self.shortcut(active))


@register_pattern(r"wrn_(\d+)_(\d+)", "wrn_D_K")
def wide_resnet(
    depth: int, widen: int, n_in: int = 3, n_out: int = 10, dropout: float = 0.0, stride: int = 1
) -> nn.Sequential:
    """WRN-depth-widen: three groups of (depth-4)/6 blocks with 16, 32 and 64 times `widen` channels.

    depth: 6n+4, such as 16, 22, 28 or 40; widen: 1 or more. WRN-28-10 has 36.5 M parameters.
    dropout: inside the blocks; .3 is usual with `widen` of 10.
    stride: of the first convolution.
    """
    if depth < 10 or (depth - 4) % 6:
        below = max(10, (depth - 4) // 6 * 6 + 4)
        raise ModelError(f"wrn_{depth}_{widen}: depth must be 6n+4; the nearest are {below} and {below + 6}")
    if widen < 1:
        raise ModelError(f"wrn_{depth}_{widen}: the widening factor must be 1 or more")
    layers: list[nn.Module] = [nn.Conv2d(n_in, 16, 3, stride, 1, bias=False)]
    width_before = 16
    for group, base in enumerate((16, 32, 64)):
        for position in range((depth - 4) // 6):
            step = 2 if position == 0 and group > 0 else 1
            layers.append(WideBlock(width_before, base * widen, step, dropout))
            width_before = base * widen
    layers += [
        nn.BatchNorm2d(width_before),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width_before, n_out),
    ]
    model = nn.Sequential(*layers)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(model[-1].bias)
    return model
