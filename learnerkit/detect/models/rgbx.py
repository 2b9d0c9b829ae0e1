"""Two streams that rectify and fuse each other after every stage (CMX: Zhang et al. 2023, arXiv 2203.04838, section 3).

B,C,H,W: images, channels, height, width; N: tokens, H*W.
"""

import torch
from torch import Tensor, nn

from learnerkit.detect.models.mit import HEADS, image_of, initialise, make_stages, sizes_of, tokens_of

SHARE = 0.5  # of the channel-wise and of the spatial rectification


class Rectify(nn.Module):
    """Feature rectification (FRM): each stream corrected by the other, weighted by channel and by place.

    width: channels of both streams.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.channels = nn.Sequential(
            nn.Linear(4 * width, 4 * width), nn.ReLU(inplace=True), nn.Linear(4 * width, 2 * width), nn.Sigmoid()
        )
        self.places = nn.Sequential(
            nn.Conv2d(2 * width, width, 1), nn.ReLU(inplace=True), nn.Conv2d(width, 2, 1), nn.Sigmoid()
        )

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([first, second], dim=1)
        pooled = torch.cat([both.mean(dim=(2, 3)), both.amax(dim=(2, 3))], dim=1)
        by_channel = self.channels(pooled)[:, :, None, None].split(self.width, dim=1)
        by_place = self.places(both).split(1, dim=1)
        corrected = []
        for own, other, number in ((first, second, 1), (second, first, 0)):
            corrected.append(own + SHARE * by_channel[number] * other + SHARE * by_place[number] * other)
        return corrected[0], corrected[1]


class CrossAttention(nn.Module):
    """Each stream's queries meet the other's context, a matrix [C/heads,C/heads] of keys and values: [B,N,C] twice."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.first, self.second = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        queries = [self._split(x) for x in (first, second)]
        contexts = []
        for x, project in ((first, self.first), (second, self.second)):
            key, value = (self._split(part) for part in project(x).chunk(2, dim=-1))
            contexts.append(((key.transpose(-2, -1) @ value) * self.scale).softmax(dim=-2))
        mixed = (queries[0] @ contexts[1], queries[1] @ contexts[0])
        return tuple(x.transpose(1, 2).flatten(2) for x in mixed)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class CrossPath(nn.Module):
    """One exchange of the two streams' tokens by cross attention, with a residual path: [B,N,C] twice."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(2))
        self.cross = CrossAttention(width, heads)
        self.leave = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        streams = (first, second)
        halves = [enter(x).relu().chunk(2, dim=-1) for enter, x in zip(self.enter, streams, strict=True)]
        kept = [half[0] for half in halves]
        answers = self.cross(halves[0][1], halves[1][1])
        parts = zip(self.norms, streams, self.leave, kept, answers, strict=True)
        return tuple(norm(x + leave(torch.cat([k, a], dim=-1))) for norm, x, leave, k, a in parts)


class Merge(nn.Module):
    """Feature fusion (FFM): exchange by cross attention, then both streams mixed into one map [B,C,H,W].

    width: channels of both streams; heads: of the cross attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.path = CrossPath(width, heads)
        self.residual = nn.Conv2d(2 * width, width, 1, bias=False)
        self.mix = nn.Sequential(
            nn.Conv2d(2 * width, width, 1),
            nn.Conv2d(width, width, 3, 1, 1, groups=width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1),
            nn.BatchNorm2d(width),
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        height, width = first.shape[2:]
        both = torch.cat(self.path(tokens_of(first), tokens_of(second)), dim=-1)
        both = image_of(both, height, width)
        return self.norm(self.residual(both) + self.mix(both))


class DualStream(nn.Module):
    """Two MiT encoders, of RGB and of all other channels, rectified after each stage and fused for its output.

    name: 'mit_b0' to 'mit_b5'.
    n_rgb, n_other: channels of the streams; an image [B,n_rgb+n_other,H,W] has those of RGB first.
    Returns four maps at strides 4, 8, 16 and 32.
    """

    def __init__(self, name: str = "mit_b0", n_rgb: int = 3, n_other: int = 2, stochastic_depth: float = 0.1) -> None:
        super().__init__()
        self.n_rgb, self.widths = n_rgb, sizes_of(name).widths
        self.rgb = make_stages(name, n_rgb, stochastic_depth)
        self.other = make_stages(name, n_other, stochastic_depth)
        self.rectify = nn.ModuleList(Rectify(width) for width in self.widths)
        self.merge = nn.ModuleList(Merge(width, heads) for width, heads in zip(self.widths, HEADS, strict=True))
        self.rectify.apply(initialise)
        self.merge.apply(initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        first, second = x[:, : self.n_rgb], x[:, self.n_rgb :]
        features = []
        for rgb, other, rectify, merge in zip(self.rgb, self.other, self.rectify, self.merge, strict=True):
            first, second = rectify(rgb(first), other(second))
            features.append(merge(first, second))
        return features

    def groups(self) -> list[list[nn.Parameter]]:
        """The parameters of each stage: those of both streams, and of what joins them."""
        parts = zip(self.rgb, self.other, self.rectify, self.merge, strict=True)
        return [[parameter for part in stage for parameter in part.parameters()] for stage in parts]
