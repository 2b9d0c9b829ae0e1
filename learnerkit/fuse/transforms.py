"""Between a PairSource and a model: row to map, batch normalised and augmented; the loader that shows pairs.

A batch is (saliency [B,C,H,W], attention [B,C,H,W], class [B]).
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np
import torch
from fasttransform import ItemTransform
from matplotlib import pyplot
from torch import Tensor

from learnerkit._fastai import TensorBase, TransformBlock
from learnerkit.core.errors import DataError
from learnerkit.core.ranges import checked
from learnerkit.data.resident import ResidentDL, Rows
from learnerkit.fuse.files import AS_STORED, Reading
from learnerkit.fuse.given import given_pair
from learnerkit.fuse.model import Fused
from learnerkit.fuse.source import PairSource, as_picture
from learnerkit.ops.augment import RandomCrop
from learnerkit.pages.figure import NamedFigure
from learnerkit.pages.letters import plain_text


class TensorMap(TensorBase):
    """One map [C,H,W], or a batch of them."""


class MapRows(Rows):
    """Row number to TensorMap, or one side of a pair that is given; a map [C,H,W] alone is taken as it is.

    maps: float32 [N,C,H,W]; side: which map of a pair, 0 or 1; how: pairs that are given are read, see `fuse.given`.
    """

    input_types = (Integral, Tensor, np.ndarray, object)  # whatever it is, it is refused in words

    def __init__(self, maps: np.ndarray, side: int, how: Reading = AS_STORED) -> None:
        super().__init__(maps)
        self.side, self.how = side, how

    def __call__(self, item: Any, *args: Any, **kwargs: Any) -> Any:
        """Transform a row number, a map, or this side of a pair; DataError for what is neither."""
        if not isinstance(item, (Integral, Tensor, np.ndarray)) or getattr(item, "ndim", 3) != 3:
            item = torch.from_numpy(given_pair(item, self.how, self.tensor.shape[1:])[self.side])
        return super().__call__(item, *args, **kwargs)

    def encodes(self, item: object) -> TensorMap:
        if isinstance(item, Integral):
            return self.entry(int(item)).as_subclass(TensorMap)
        given = torch.as_tensor(np.asarray(item), dtype=torch.float32)
        if given.shape != self.tensor.shape[1:]:
            raise DataError(f"a map of shape {tuple(given.shape)}: {tuple(self.tensor.shape[1:])} is needed")
        return given.as_subclass(TensorMap)


@checked
def SaliencyBlock(source: PairSource, which: Literal["saliency", "attention"] = "saliency") -> TransformBlock:
    """A block of maps for one's own DataBlock; two of them, 'saliency' and 'attention', make a pair.

    source: the set whose row numbers are the items.
    which: 'saliency' or 'attention'.

    Examples:
        >>> import numpy as np
        >>> from learnerkit.fuse.source import PairSource
        >>> maps, rows = np.random.rand(2, 40, 3, 8, 8).astype("float32"), np.arange(40)
        >>> source = PairSource("pairs", maps, rows % 2, ["a", "b"], [*map(str, rows)], np.full(40, ""), rows, "hash")
        >>> blocks = [SaliencyBlock(source, "saliency"), SaliencyBlock(source, "attention"), LabelBlock(source)]
        >>> len(DataBlock(blocks, n_inp=2).dataloaders(rows.tolist(), bs=8).one_batch())
        3
    """
    side = Fused.input_names.index(which)
    return TransformBlock(type_tfms=MapRows(source.maps[side], side, source.how), dl_type=PairDL)


class PairDL(ResidentDL):
    """The resident loader of pairs: shows the two maps of a sample side by side."""

    def show_batch(
        self,
        b: Any = None,
        max_n: int = 9,
        ctxs: Any = None,
        show: bool = True,
        unique: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Draw pairs with their class.

        b: a batch; one is cut when None. max_n: how many. show: whether to draw them, or return what would be shown.
        unique: one pair again and again, as it is augmented. ctxs, kwargs: for fastai's sake.
        """
        b = self.shown_batch(unique, max_n) if b is None else b
        if not show:
            return self.decoded_batch(b, max_n)
        return self._draw(b, [self._name(code) for code in b[2][:max_n]] if len(b) > 2 else None, max_n)

    def show_results(self, b: Any, out: Any, max_n: int = 9, ctxs: Any = None, show: bool = True, **kwargs: Any) -> Any:
        """Draw pairs with their class and the predicted one, red where wrong.

        b: a batch; out: predicted classes [B]. max_n: how many. show: whether to draw them, or return what would be
        shown. ctxs, kwargs: for fastai's sake.
        """
        if not show:
            return super().show_results(b, out, max_n, show=False)
        out = out[0] if isinstance(out, tuple) else out  # as fastai's Interpretation gives them
        truth, said = ([self._name(code) for code in codes[:max_n]] for codes in (b[2], out))
        titles = [f"{a}\npredicted: {p}" for a, p in zip(truth, said, strict=True)]
        return self._draw(b, titles, max_n, [a == p for a, p in zip(truth, said, strict=True)])

    def _name(self, code: Any) -> str:
        vocab = self.vocab
        return plain_text(str(vocab[int(code)]))

    def _draw(self, b: Any, titles: list[str] | None, max_n: int, right: list[bool] | None = None) -> Any:
        n = min(max_n, len(b[0]))
        columns = min(3, n)
        rows = -(-n // columns)
        size = (3.4 * columns, 2.2 * rows)
        _, axes = pyplot.subplots(rows, 2 * columns, figsize=size, squeeze=False, FigureClass=NamedFigure)
        for panel in axes.ravel():
            panel.set_axis_off()
        for number in range(n):
            row, column = divmod(number, columns)
            for side in (0, 1):
                panel = axes[row, 2 * column + side]
                panel.imshow(as_picture(b[side][number].detach().cpu().float().numpy()).transpose(1, 2, 0))
                panel.text(0.5, -0.02, ("saliency", "attention")[side], fontsize=7, ha="center", va="top",
                           transform=panel.transAxes)  # fmt: skip
            if titles is not None:
                color = "black" if right is None else "green" if right[number] else "red"
                axes[row, 2 * column].set_title(titles[number], fontsize=8, color=color, x=1.1)
        return axes


class NormalizePairs(ItemTransform):
    """Each map's channels to mean 0 and deviation 1 over the training part.

    mean, std: one a channel, those of the saliency map first.
    """

    order = 10

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean, self.std = (torch.tensor(values).view(2, -1, 1, 1) for values in (mean, std))

    def to(self, device: torch.device) -> None:
        """Move the statistics, as fastai asks when a loader changes its device."""
        self.mean, self.std = self.mean.to(device), self.std.to(device)

    def encodes(self, batch: list) -> tuple:
        first, second, *rest = batch
        mean, std = self.mean.to(first.device), self.std.to(first.device)
        return (first - mean[0]) / std[0], (second - mean[1]) / std[1], *rest


def mirror_some(maps: Tensor) -> Tensor:
    """Half of the samples flipped left to right."""
    flipped = torch.rand(len(maps)).to(maps.device) < 0.5
    return torch.where(flipped[:, None, None, None], maps.flip(-1), maps)


def add_noise(maps: Tensor, std: float) -> Tensor:
    """`maps` with Gaussian noise of standard deviation `std`."""
    return maps + std * torch.randn(maps.shape).to(maps.device)


def drop_maps(first: Tensor, second: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """With probability `p`, one of the two maps of a sample is zeroed, either as often."""
    draw = torch.rand(len(first)).to(first.device)[:, None, None, None]
    return first * (draw >= p / 2), second * ((draw < p / 2) | (draw >= p))


class AugmentPairs(ItemTransform):
    """Augmentation of the training part in which both maps of a pair share what moves them.

    crop: zero padding in pixels before a random crop; mirror: flip half of the pairs.
    noise: standard deviation of Gaussian noise, in the maps' units; drop: probability that one map is zeroed.
    """

    split_idx, order = 0, 20

    def __init__(self, crop: int = 0, mirror: bool = False, noise: float = 0.0, drop: float = 0.0) -> None:
        super().__init__()
        self.crop, self.mirror, self.noise, self.drop = RandomCrop(crop) if crop else None, mirror, noise, drop

    def encodes(self, batch: list) -> tuple:
        first, second, *rest = batch
        kind, n = type(first), first.shape[1]
        both = torch.cat([first.as_subclass(Tensor), second.as_subclass(Tensor)], dim=1)
        if self.crop is not None:
            both = self.crop(both)
        if self.mirror:
            both = mirror_some(both)
        if self.noise:
            both = add_noise(both, self.noise)
        maps = drop_maps(both[:, :n], both[:, n:], self.drop) if self.drop else (both[:, :n], both[:, n:])
        return *(part.contiguous().as_subclass(kind) for part in maps), *rest
