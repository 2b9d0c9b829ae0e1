"""Near copies: images that are another one re-encoded, resized, shifted by some pixels, mirrored or brightened.

The low frequencies of aligned crops find who may be one (`data.hashes`); their details, which the hashes have not
seen, decide. Images that are merely of one kind, planes on a sky, agree in the first alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from learnerkit.data.hashes import ALIKE, BLOCK, CROP, LOW, SIDE, basis, candidates, grey, hashes, scale_of
from learnerkit.data.split import evenly

HIGH = 12  # details are the frequencies from LOW to below HIGH
LEAST_SIDE = 16  # pixels of an image; a smaller one has none
SAME, STRICT = 0.9, 0.98  # correlation of the details of copies; the second where a set's images are alike
UNIFORM = 0.75  # cosine of hashes from which a set's images are alike, where one pair in a hundred has it
FEW, SAMPLE = 20, 500  # images that say too little about their set, and so many that are asked
COLOUR = 0.8  # least correlation of the coarse colours of copies
CELL, AGREEING = 6, 14  # pixels of a cell's side, and how many of a crop's 16 cells have to agree: no lone object's do
FAINT, AGREED = 3.0, 0.8  # what a cell needs: root mean square of its details in grey levels, their correlation
COMPARED = 2048  # pairs at a time


@dataclass(frozen=True)
class Likeness:
    """Two images that show one picture.

    first, second: their rows; score: correlation of their details.
    mirrored: whether one is the other's mirror image; shift: thumbnail pixels down and right from the second to
        the first.
    gain: contrast of the first against the second's.
    """

    first: int
    second: int
    score: float
    mirrored: bool
    shift: tuple[int, int]
    gain: float

    @property
    def kind(self) -> str:
        """What was done to one to make the other, in words."""
        done = ["mirrored"] if self.mirrored else []
        done += ["shifted"] if any(self.shift) else []
        done += ["brightness"] if abs(self.gain - 1) > 0.08 else []
        return ", ".join(done) or "re-encoded"


def thumbnails_of(images: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """Some of the images uint8 [N,C,H,W], made uint8 [n,C,32,32]; None where they are too small to have details."""
    if min(images.shape[2:]) < LEAST_SIDE:
        return None
    if images.shape[2:] == (SIDE, SIDE):
        return images[rows]
    size = max(1, BLOCK // int(np.prod(images.shape[1:])))
    blocks = [torch.from_numpy(images[rows[start : start + size]]) for start in range(0, len(rows), size)]
    small = [F.interpolate(block, (SIDE, SIDE), mode="bilinear", antialias=True).numpy() for block in blocks]
    return np.concatenate(small) if small else np.zeros((0, images.shape[1], SIDE, SIDE), np.uint8)


def thumbnail_of(frame: np.ndarray) -> np.ndarray:
    """A frame float32 [C,H,W] in 0..1 as uint8 [C,32,32]."""
    small = F.interpolate(torch.from_numpy(frame)[None], (SIDE, SIDE), mode="bilinear", antialias=True)[0]
    return (small * 255).round().clamp(0, 255).byte().numpy()


def near_copies(first: np.ndarray, second: np.ndarray) -> list[Likeness]:
    """The near copies between two lists of images, the likest first; at most eight of an image of the first list.

    Where many images are alike without being copies (digits, letters), only what is nearly equal counts; where all are,
    nothing does.

    first, second: thumbnails, uint8 [n,C,32,32].
    """
    if not len(first) or not len(second):
        return []
    least = least_likeness(second)
    if least is None:
        return []
    maybe, found = candidates(first, second, max(ALIKE, least)), []
    for start in range(0, len(maybe.first), COMPARED):
        rows, others, offsets, mirrored = (column[start : start + COMPARED] for column in vars(maybe).values())
        theirs = crops(second, others, offsets[:, 1], np.zeros_like(mirrored))
        score, gain, possible = compared(crops(first, rows, offsets[:, 0], mirrored), theirs)
        shifts = offsets[:, 0] - offsets[:, 1]
        shifts[mirrored, 1] = offsets[mirrored].sum(axis=1)[:, 1]  # the first one's crop runs to the left
        for place in np.flatnonzero(possible & (score >= least)):
            pair = int(rows[place]), int(others[place]), round(float(score[place]), 3), bool(mirrored[place])
            found.append(Likeness(*pair, tuple(shifts[place].tolist()), round(float(gain[place]), 2)))
    return sorted(found, key=lambda pair: -pair.score)


def least_likeness(images: np.ndarray) -> float | None:
    """The correlation of details from which images are copies; None where nothing tells copies from others.

    It depends on how alike images of the set are that are no copies, as digits are, or parts before one camera: on the
    cosine of hashes that one pair in a hundred has.

    images: thumbnails, uint8 [n,C,32,32].
    """
    if len(images) < FEW:
        return STRICT
    sample = images[evenly(len(images), SAMPLE)]
    sides = hashes(sample, [0], scale_of(sample))[0]
    common = np.quantile((sides @ sides.T).numpy()[np.triu_indices(len(sample), 1)], 0.99)
    return None if common >= ALIKE else STRICT if common >= UNIFORM else SAME


def crops(images: np.ndarray, rows: np.ndarray, offsets: np.ndarray, mirrored: np.ndarray) -> Tensor:
    """A crop of each row at an offset from the middle: float32 [P,C,24,24].

    rows: [P]; offsets: [P,2], down and right; mirrored: [P], which crops are mirrored afterwards.
    """
    places = np.arange(CROP) + (SIDE - CROP) // 2
    down, right = offsets[:, :1] + places, offsets[:, 1:] + places
    right[mirrored] = right[mirrored, ::-1]
    pixels = images[rows[:, None, None], :, down[:, :, None], right[:, None, :]]
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float()


def compared(first: Tensor, second: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of crops [P,C,24,24], two by two: correlation of details, gain of contrast, and whether they can be copies [P].

    They can where the details agree all over the crop, and the coarse colours do.
    """
    waves, place = basis(HIGH), torch.arange(HIGH)
    both = [waves @ grey(crop) @ waves.T for crop in (first, second)]
    fine = torch.maximum(place[:, None], place) >= LOW
    details, coarse = ([x[:, mask] for x in both] for mask in (fine, ~fine))
    gain = coarse[0][:, 1:].norm(dim=1) / coarse[1][:, 1:].norm(dim=1).clamp(min=1e-6)
    cells = [(waves.T @ (x * fine) @ waves).unfold(1, CELL, CELL).unfold(2, CELL, CELL).flatten(3) for x in both]
    told = torch.maximum(*(cell.norm(dim=3) for cell in cells)) >= FAINT * CELL
    agreeing = (told & (F.cosine_similarity(*cells, dim=3) >= AGREED)).sum(dim=(1, 2))
    colours = [F.avg_pool2d(crop, CELL).flatten(1) for crop in (first, second)]
    colours = [x - x.mean(dim=1, keepdim=True) for x in colours]
    possible = (agreeing >= AGREEING) & (F.cosine_similarity(*colours) >= COLOUR)
    return F.cosine_similarity(*details).numpy(), gain.numpy(), possible.numpy()
