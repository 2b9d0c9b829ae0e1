"""Pictures of samples that a run keeps, so that its page and interpretation show them without model and data."""

from collections.abc import Callable, Mapping
from itertools import chain, zip_longest

import numpy as np
import torch
from torch.nn import functional as F

from learnerkit.classify.confused import confused_pairs
from learnerkit.classify.evaluation import Evaluation
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz, write_npz
from learnerkit.data.split import evenly

SIDE = 160  # pixels of the longest side of a picture that is kept
FEWEST, MOST, BYTES = 50, 400, 3_000_000  # pictures that are kept, and their pixels together
EACH, PAIRS = 3, 100  # pictures of each of the most confused pairs of classes, and how many pairs
SPREAD = 25  # pictures spread evenly over the part that are kept in any case
SHARED = 96  # pictures of the greatest losses, of the surest mistakes, and spread evenly; half as many unsure ones


def rows_to_keep(seen: Evaluation, most: int) -> np.ndarray:
    """The rows of a part whose pictures tell most: surest mistakes, confused pairs, unsure ones and evenly spread ones.

    most: how many at most. The rows are in their order.
    """
    kinds = (
        evenly(len(seen.targets), SPREAD),
        np.argsort(-seen.losses, kind="stable")[:SHARED],
        seen.surest_mistakes[:SHARED],
        evenly(len(seen.targets), min(SHARED, most // 3)),
        _of_pairs(seen),
        np.argsort(seen.confidence, kind="stable")[: SHARED // 2],
    )
    in_turn = (row for row in chain.from_iterable(zip_longest(*kinds)) if row is not None)
    kept = list(dict.fromkeys(int(row) for row in in_turn))[:most]
    return np.sort(np.array(kept, dtype=np.int64))


def _of_pairs(seen: Evaluation) -> np.ndarray:
    """The surest mistakes of each of the most confused pairs: the first of each, then the second of each."""
    pairs, _ = confused_pairs(seen.targets, seen.predicted)
    held: dict[tuple[int, int], list[int]] = {(int(true), int(found)): [] for true, found in pairs[:PAIRS]}
    for row in seen.surest_mistakes:
        of_pair = held.get((int(seen.targets[row]), int(seen.predicted[row])))
        if of_pair is not None and len(of_pair) < EACH:
            of_pair.append(int(row))
    in_turn = chain.from_iterable(zip_longest(*held.values()))
    return np.array([row for row in in_turn if row is not None], dtype=np.int64)


def write_samples(
    run: RunFolder,
    seen: Evaluation,
    pictures: Callable[[np.ndarray], np.ndarray],
    maps: Mapping[int, np.ndarray] | None = None,
) -> None:
    """Keep the pictures of some samples in samples.npz.

    seen: the part; pictures: rows of it to their pictures, uint8 [n,C,H,W].
    maps: where the model looked, [h,w] by the row of the sample, for those that were explained.
    """
    one = pictures(np.array([0])) if len(seen.targets) else np.zeros((0, 1, 1, 1), np.uint8)
    size = max(1, int(np.prod(small(one).shape[1:])))
    rows = rows_to_keep(seen, int(np.clip(BYTES // size, FEWEST, MOST)))
    images = [small(pictures(some)) for some in np.array_split(rows, -(-len(rows) // 50))] if len(rows) else [one]
    looked = {"mapped": np.array(list(maps)), "maps": np.stack(list(maps.values())).astype(np.float16)} if maps else {}
    write_npz(run.file("samples.npz"), rows=rows, images=np.concatenate(images), part=np.array(seen.part), **looked)


def small(images: np.ndarray) -> np.ndarray:
    """Pictures uint8 [n,C,H,W] of at most `SIDE` pixels a side."""
    longest = max(images.shape[2:])
    if longest <= SIDE or not len(images):
        return images
    size = [max(1, round(side * SIDE / longest)) for side in images.shape[2:]]
    return F.interpolate(torch.from_numpy(images).float(), size, mode="area").round().to(torch.uint8).numpy()


def read_samples(run: RunFolder, seen: Evaluation) -> dict[int, np.ndarray]:
    """The kept pictures uint8 [C,H,W] by the row of their sample; none where no picture of this part is kept."""
    return _by_row(run, seen, "rows", "images")


def read_maps(run: RunFolder, seen: Evaluation) -> dict[int, np.ndarray]:
    """Where the model looked, [h,w] by the row of the sample; none where nothing of this part was explained."""
    return _by_row(run, seen, "mapped", "maps")


def _by_row(run: RunFolder, seen: Evaluation, rows: str, values: str) -> dict[int, np.ndarray]:
    if not run.file("samples.npz").exists():
        return {}
    arrays = read_npz(run.file("samples.npz"))
    if not {rows, values, "part"} <= set(arrays) or str(arrays["part"]) != seen.part:
        return {}
    found = zip(arrays[rows].tolist(), arrays[values], strict=True)
    return {row: value for row, value in found if row < len(seen.targets)}


def as_rgb(image: np.ndarray) -> np.ndarray:
    """A picture uint8 [C,H,W] of one or three channels as [H,W,3]; of other numbers the first channel in grey."""
    shown = image if len(image) == 3 else image[:1]
    return np.broadcast_to(shown, (3, *image.shape[1:])).transpose(1, 2, 0)
