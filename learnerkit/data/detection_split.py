"""The parts of a detection set: as its files say, else by lot, copies of one frame together."""

import warnings
from collections.abc import Sequence

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.detection import FrameSource
from learnerkit.data.split import Split, deal


def split_frames(source: FrameSource, fractions: Sequence[float], seed: int, limit: int | None = None) -> Split:
    """Train, valid and test rows; a warning where there are classes to be found that none of the training frames has.

    fractions: of the three, summing to 1; the training part of the files is shared out where they give no valid part.
    seed: which lot. limit: only so many frames of each part, evenly spaced.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6 or not fractions[0] > 0:
        raise DataError(f"split={tuple(fractions)}: train, valid and test are needed, summing to 1, train above 0")
    alike = np.zeros(len(source), dtype=np.int64)  # boxes of many classes on one frame: there is nothing to stratify by
    if not np.any(source.parts == "train"):
        given = sorted({part for part in source.parts if part not in ("", "none")})
        if given:
            raise DataError(f"{source.name}: its files name the part(s) {', '.join(given)} but no train part")
        return _checked(source, Split(*deal(alike, fractions, seed, source.copies)), limit)
    train, valid, test = (np.flatnonzero(source.parts == part) for part in ("train", "valid", "test"))
    if not len(valid):
        share = fractions[1] / (fractions[0] + fractions[1])
        chosen = deal(alike[train], (1 - share, share), seed, source.copies[train])
        train, valid = train[chosen[0]], train[chosen[1]]
    return _checked(source, Split(train, valid, test), limit)


def _checked(source: FrameSource, split: Split, limit: int | None) -> Split:
    split = split.limited(limit) if limit else split
    for part in ("train", "valid"):
        if not len(getattr(split, part)):
            raise DataError(f"the {part} part is empty: {split.counts}. Give more frames or other fractions.")
    trained = _classes(source, split.train)
    if not trained:
        raise DataError(f"{source.name}: no box stands on any of the {len(split.train)} training frames")
    for part in ("valid", "test"):
        strange = sorted(_classes(source, getattr(split, part)) - trained)
        if strange:
            names = ", ".join(source.vocab[code] for code in strange)
            warnings.warn(f"{source.name}: {names}: in {part} but not in train; nothing can learn them", stacklevel=6)
    return split


def _classes(source: FrameSource, rows: np.ndarray) -> set[int]:
    return {int(code) for row in rows for code in source.codes[row]}
