"""Which thumbnails may show one picture: hashes of their low frequencies, looked up in an inverted file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from scipy.fft import dct
from torch import Tensor
from torch.nn import functional as F

from learnerkit.data.split import evenly

SIDE, CROP = 32, 24  # pixels of a thumbnail, and of the crop that is compared: what a shift of 4 leaves of both
COARSE, FINE = (-3, 0, 3), (-1, 0, 1)  # a crop of one image at the first meets one of another at the second: -4..4
LOW = 6  # a hash has the frequencies below, but for the mean
ALIKE = 0.95  # cosine of two hashes from which their images may be copies
PROBES, MOST = 3, 8  # lists that a hash is looked up in, and candidates that an image may have
BLOCK = 2**22  # numbers in a block of cosines
TOLD_FROM = 250  # lists from which the search shows how far it is, a second's work
LUMA = torch.tensor([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Candidates:
    """Pairs of images whose hashes are alike.

    first, second: rows [P] of the two lists; offsets: int64 [P,2,2], down and right, of the crops that are alike.
    mirrored: bool [P], whether the first one's crop is mirrored.
    """

    first: np.ndarray
    second: np.ndarray
    offsets: np.ndarray
    mirrored: np.ndarray


def candidates(first: np.ndarray, second: np.ndarray, least: float = ALIKE) -> Candidates:
    """The pairs of two lists of thumbnails that may be near copies; at most `MOST` of an image of the first list.

    first, second: uint8 [n,C,32,32]; least: cosine of their hashes.
    """
    scale = scale_of(second[evenly(len(second), 5000)])
    kept = hashes(second, FINE, scale).flatten(0, 1)
    sought = hashes(first, COARSE, scale).flatten(0, 1)
    sought = torch.cat([sought, sought * mirror_signs()])
    values, asked, found = alike_rows(sought, kept, least, f"near copies among {len(first) + len(second):,} images")
    asked, found = _best(values, asked, found, len(first), len(second))
    places, rows = np.divmod(asked, len(first))
    mirrored, places = np.divmod(places, len(COARSE) ** 2)
    other_places, other_rows = np.divmod(found, len(second))
    offsets = np.stack([_offsets(COARSE, places), _offsets(FINE, other_places)], axis=1)
    return Candidates(rows, other_rows, offsets, mirrored.astype(bool))


def _offsets(steps: Sequence[int], places: np.ndarray) -> np.ndarray:
    return np.array(steps)[np.stack(np.divmod(places, len(steps)), axis=1)]


def grey(images: np.ndarray | Tensor) -> Tensor:
    """Images [n,C,H,W] as their luma, float32 [n,H,W]; the mean over the channels where there are not three."""
    images = torch.as_tensor(images).float()
    return (images * LUMA[:, None, None]).sum(1) if images.shape[1] == 3 else images.mean(1)


def basis(n: int) -> Tensor:
    """The lowest n frequencies of the cosine transform of a crop's side: [n,24]."""
    return torch.from_numpy(dct(np.eye(CROP), norm="ortho", axis=0)[:n].astype(np.float32))


def hashes(images: np.ndarray, steps: Sequence[int], scale: Tensor | None = None) -> Tensor:
    """The hash of each image's crop at each offset: [offsets, n, 35]; of length 1 where they are scaled.

    steps: the offsets in pixels from the middle, down and, for each, right; scale: a factor for each frequency.
    """
    bank, low = torch.zeros(len(steps), LOW, SIDE), (SIDE - CROP) // 2
    for row, step in zip(bank, steps, strict=True):
        row[:, low + step : low + step + CROP] = basis(LOW)
    bank, blocks = bank.flatten(0, 1), []
    for start in range(0, len(images), 4096):
        part = bank @ (grey(images[start : start + 4096]) @ bank.T)  # every step down and right at once
        part = part.unflatten(2, (-1, LOW)).unflatten(1, (-1, LOW)).permute(1, 3, 0, 2, 4)
        part = part.flatten(3).flatten(0, 1)[..., 1:]
        blocks.append(part if scale is None else F.normalize(part * scale, dim=-1, eps=1e-3))
    return torch.cat(blocks, dim=1)


def scale_of(images: np.ndarray) -> Tensor:
    """The factor for each frequency of a hash that brings a set halfway to white: edges count, noise does not."""
    return hashes(images, [0])[0].std(dim=0, correction=0).clamp(min=1e-2) ** -0.5


def mirror_signs() -> Tensor:
    """The factors that a mirror gives to the frequencies of a hash."""
    return torch.tensor([1.0 - 2 * (place % LOW % 2) for place in range(1, LOW * LOW)])


def alike_rows(sought: Tensor, kept: Tensor, least: float, title: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosines from `least` on, with the rows of `sought` and of `kept` that have them.

    Each row of `kept` lies in the list of the pivot nearest to it; a row sought is looked up in `PROBES` lists. That is
    a twentieth of the work of all against all, and misses one copy in a thousand.

    title: what a long search is called.
    """
    pivots = kept[evenly(len(kept), max(1, round(len(sought) ** 0.5)))]
    probes = min(PROBES, len(pivots))
    lists = _grouped(_nearest(kept, pivots, 1), len(pivots))
    asked = _grouped(_nearest(sought, pivots, probes), len(pivots))
    hits = [(torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))]
    for members, asking in told(zip(lists, asked, strict=True), title, len(pivots), TOLD_FROM):
        if not len(members):
            continue
        block_size = max(1, BLOCK // len(members))
        for block in asking.div(probes, rounding_mode="floor").split(block_size):
            cosines = sought[block] @ kept[members].T
            near = torch.nonzero(cosines.amax(dim=1) >= least)[:, 0]
            best = cosines[near].topk(min(MOST, len(members)), dim=1)
            hit = best.values >= least
            rows = block[near][:, None].expand_as(hit)
            hits.append((best.values[hit], rows[hit], members[best.indices[hit]]))
    values, asked, found = (torch.cat(column).numpy() for column in zip(*hits, strict=True))
    return values, asked, found


def _nearest(rows: Tensor, pivots: Tensor, k: int) -> Tensor:
    """The numbers of the k pivots that are nearest to each row: [n * k]."""
    size = max(1, BLOCK // len(pivots))
    return torch.cat([(part @ pivots.T).topk(k, dim=1).indices for part in rows.split(size)]).flatten()


def _grouped(numbers: Tensor, n: int) -> tuple[Tensor, ...]:
    """The places of each number of 0..n-1."""
    return numbers.argsort(stable=True).split(torch.bincount(numbers, minlength=n).tolist())


def told(items: Iterable, title: str, n: int, least: int) -> Iterable:
    """The items, with a line of progress where there are `least` or more and stderr is a terminal."""
    console = Console(stderr=True)
    return track(items, title, total=n, console=console, disable=n < least or not console.is_terminal)


def _best(values: np.ndarray, asked: np.ndarray, found: np.ndarray, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Of hits at several variants the best one a pair, and of each image of the first list its best pairs."""
    order = np.argsort(-values, kind="stable")
    asked, found = asked[order], found[order]
    _, once = np.unique((asked % n) * m + found % m, return_index=True)
    asked, found = asked[np.sort(once)], found[np.sort(once)]
    by_image = np.argsort(asked % n, kind="stable")
    _, begins, counts = np.unique((asked % n)[by_image], return_index=True, return_counts=True)
    rank = np.arange(len(by_image)) - np.repeat(begins, counts)
    chosen = np.sort(by_image[rank < MOST])
    return asked[chosen], found[chosen]
