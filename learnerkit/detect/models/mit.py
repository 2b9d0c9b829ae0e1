"""Mix Transformer encoders, MiT-B0 to B5, from the SegFormer paper (Xie et al. 2021, arXiv 2105.15203, section 3.1).

B,C,H,W: images, channels, height, width; N: tokens, H*W.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from learnerkit.core.errors import ModelError, nearest
from learnerkit.ops.depth import linear_rates

HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)  # of the keys' and values' resolution, in each stage
PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))  # kernel and stride of the overlapping patches


@dataclass(frozen=True)
class Sizes:
    """Blocks and channels of the four stages."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int] = (64, 128, 320, 512)


SIZES = {
    "mit_b0": Sizes((2, 2, 2, 2), (32, 64, 160, 256)),
    "mit_b1": Sizes((2, 2, 2, 2)),
    "mit_b2": Sizes((3, 4, 6, 3)),
    "mit_b3": Sizes((3, 4, 18, 3)),
    "mit_b4": Sizes((3, 8, 27, 3)),
    "mit_b5": Sizes((3, 6, 40, 3)),
}


def tokens_of(image: Tensor) -> Tensor:
    """[B,C,H,W] -> [B,N,C]."""
    return image.flatten(2).transpose(1, 2)


def image_of(tokens: Tensor, height: int, width: int) -> Tensor:
    """[B,N,C] -> [B,C,H,W]."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, height, width)


class PatchEmbedding(nn.Module):
    """Overlapping patches by a strided convolution: [B,n_in,H,W] -> [B,width,H/stride,W/stride], normalised."""

    def __init__(self, n_in: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, width, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        x = self.conv(x)
        return self.norm(tokens_of(x)), x.shape[2], x.shape[3]


class EfficientAttention(nn.Module):
    """Self-attention whose keys and values come from tokens reduced by a strided convolution: [B,N,C] -> [B,N,C]."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.reduce = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(width) if reduction > 1 else None

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        source = x if self.reduce is None else self.norm(tokens_of(self.reduce(image_of(x, height, width))))
        query, key, value = self._split(self.query(x)), self._split(self.key(source)), self._split(self.value(source))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class MixFFN(nn.Module):
    """Feed-forward layer with a 3x3 depth-wise convolution, which lets the tokens know their place."""

    def __init__(self, width: int, ratio: int = 4) -> None:
        super().__init__()
        self.widen = nn.Linear(width, width * ratio)
        self.conv = nn.Conv2d(width * ratio, width * ratio, 3, 1, 1, groups=width * ratio)
        self.narrow = nn.Linear(width * ratio, width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        x = tokens_of(self.conv(image_of(self.widen(x), height, width)))
        return self.narrow(nn.functional.gelu(x))


class MixBlock(nn.Module):
    """Attention and feed-forward layer, each normalised before and on a residual branch."""

    def __init__(self, width: int, heads: int, reduction: int, drop: float) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), EfficientAttention(width, heads, reduction)
        self.norm2, self.ffn = nn.LayerNorm(width), MixFFN(width)
        self.depth = StochasticDepth(drop, "row")

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        x = x + self.depth(self.attention(self.norm1(x), height, width))
        return x + self.depth(self.ffn(self.norm2(x), height, width))


class MixStage(nn.Module):
    """Patches, blocks, norm: [B,n_in,H,W] -> [B,width,H/stride,W/stride]."""

    def __init__(self, n_in: int, width: int, number: int, drops: list[float]) -> None:
        super().__init__()
        self.patches = PatchEmbedding(n_in, width, *PATCHES[number])
        self.blocks = nn.ModuleList(MixBlock(width, HEADS[number], REDUCTIONS[number], drop) for drop in drops)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x, height, width = self.patches(x)
        for block in self.blocks:
            x = block(x, height, width)
        return image_of(self.norm(x), height, width)


def sizes_of(name: str) -> Sizes:
    """Depths and widths of 'mit_b0' to 'mit_b5'."""
    if name not in SIZES:
        raise ModelError(f"backbone '{name}': {nearest(name, SIZES)}")
    return SIZES[name]


def make_stages(name: str, n_in: int = 3, stochastic_depth: float = 0.1) -> nn.ModuleList:
    """The four stages of a MiT, with the paper's initialisation.

    name: 'mit_b0' to 'mit_b5'; n_in: input channels; stochastic_depth: drop probability of the last block.
    """
    sizes = sizes_of(name)
    rates = iter(linear_rates(stochastic_depth, sum(sizes.depths)))
    widths = (n_in, *sizes.widths)
    stages = nn.ModuleList(
        MixStage(widths[number], widths[number + 1], number, [next(rates) for _ in range(depth)])
        for number, depth in enumerate(sizes.depths)
    )
    stages.apply(initialise)
    return stages


def initialise(module: nn.Module) -> None:
    """Truncated normal for linear layers, fan-out normal for convolutions, as in the paper's training."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, 0, (2 / fan_out) ** 0.5)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class MixTransformer(nn.Module):
    """A MiT encoder: [B,n_in,H,W] -> four feature maps at strides 4, 8, 16 and 32.

    name: 'mit_b0' to 'mit_b5'; n_in: input channels; stochastic_depth: drop probability of the last block.
    """

    def __init__(self, name: str = "mit_b0", n_in: int = 3, stochastic_depth: float = 0.1) -> None:
        super().__init__()
        self.stages = make_stages(name, n_in, stochastic_depth)
        self.widths = sizes_of(name).widths

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features
