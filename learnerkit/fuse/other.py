"""Other pairs than a run's own, to be measured as those were."""

from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.warn import warn
from learnerkit.data.loaders import KitLoaders, whole
from learnerkit.data.source import like_run
from learnerkit.fuse.dls import pair_loaders
from learnerkit.fuse.files import reading
from learnerkit.fuse.names import NUMBERS
from learnerkit.fuse.scan import read_pairs
from learnerkit.fuse.source import PairSource


def open_other(path: Path, described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of other pairs, with the classes, shape and statistics of a run's own set.

    path: a folder of pairs; described: the run's run.json.
    """
    source = read_other(path, described)
    return pair_loaders(source, whole(source), bs=64, drop_last=False)


def read_other(path: Path, described: dict[str, Any]) -> PairSource:
    """The pairs of a folder, read as the run's own were and with its classes, as `open_other` needs them."""
    taken = (described["recipe"]["dls"] or {}).get("args", {})
    how = reading(*(taken.get(key) for key in ("keys", "size", "order")))
    source, vocab = read_pairs(path, least=1, how=how), list(described["classes"])
    known, held = vocab, list(source.vocab)
    if source.origin["names"] == NUMBERS:  # the numbers of the files say the classes, where nothing names them
        known = described["data"].get("class_numbers") or list(range(len(vocab)))
        held = source.origin["class_numbers"]
        source.notes = [*source.notes[1:], "nothing names the classes; their numbers are taken for those of the run"]
    present = np.unique(source.labels)
    if foreign := [source.vocab[code] for code in present if held[code] not in known]:
        raise DataError(f"{path}: has the class '{foreign[0]}', which the run has not: {vocab[:5]}...")
    place = {int(code): known.index(held[code]) for code in present}
    source.labels = np.array([place[code] for code in source.labels.tolist()], dtype=np.int64)
    source.vocab = vocab
    for note in source.notes:
        warn(f"{path}: {note}")
    return like_run(source, path, described)
