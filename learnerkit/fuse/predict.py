"""Classes of pairs of maps without labels: as any classifier's, from files in which a class may be lacking."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.classify import predict as classify
from learnerkit.data.inputs import Sample, files_or_error, inputs_below, tell_left_out
from learnerkit.data.loaders import KitLoaders, whole
from learnerkit.data.source import UNLABELLED
from learnerkit.fuse.dls import pair_loaders
from learnerkit.fuse.files import Reading, reading
from learnerkit.fuse.given import read_maps
from learnerkit.fuse.listing import SUFFIXES, list_pairs
from learnerkit.fuse.model import Fused
from learnerkit.fuse.names import CLASS_FILES
from learnerkit.fuse.source import PairSource


def pairs_in(path: Path) -> list[Sample]:
    """The files of pairs in a folder and below it, of the suffix that most of them have, or one file."""
    if not path.is_dir():
        return [path]
    if not (below := inputs_below(path, SUFFIXES)):
        return files_or_error(path, [], f"files of pairs ({', '.join(SUFFIXES)})")
    taken = set(list_pairs(path)).intersection(below)
    files = sorted(taken)
    others = [file for file in inputs_below(path) if file not in taken and file.name not in CLASS_FILES]
    tell_left_out(path, others, "no pairs, or of another format,")
    return files


def blank_dls(described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of one pair of zeros, as a run's own were made: its learner then predicts without its data.

    described: the run's run.json.
    """
    dls = pair_dls_of(np.zeros((2, 1, *described["data"]["shape"]), np.float32), described)
    dls.source.is_blank = True
    return dls


def preprocessing(data: dict[str, Any]) -> dict[str, Any]:
    """What is done to each map of a pair before the model takes it.

    data: of a run's run.json.
    """
    n = data["shape"][0]
    stats = dict(zip(("mean", "std"), data["stats"], strict=True)) if data["stats"] else {}
    each = {key: dict(zip(Fused.input_names, (values[:n], values[n:]), strict=True)) for key, values in stats.items()}
    return {"values": "as the files hold them", **each, "shape": data["shape"], "layout": "NCHW", "dtype": "float32"}


def pair_dls_of(maps: np.ndarray, described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of pairs float32 [2,N,C,H,W] of a run's shape, with its classes and statistics."""
    data, n = described["data"], maps.shape[1]
    ids, labels, groups = [str(row) for row in range(n)], np.full(n, UNLABELLED), np.arange(n)
    vocab, layers = list(described["classes"]), np.full(n, "")
    source = PairSource("pairs", maps, labels, vocab, ids, layers, groups, "", how=reading_of(described))
    source.stats = tuple(map(tuple, data["stats"])) if data["stats"] else None
    source.keeps = tuple(data["keeps"])
    return pair_loaders(source, whole(source), bs=64, drop_last=False)


def reading_of(described: dict[str, Any]) -> Reading:
    """How the files of a run's own set were read."""
    taken = (described["recipe"]["dls"] or {}).get("args", {})
    return reading(*(taken.get(key) for key in ("keys", "size", "order")))


def open_pairs(files: Sequence[Path], described: dict[str, Any]) -> classify.Opened:
    """DataLoaders of the files that are pairs of a run's shape; what is wrong with the others.

    described: the run's run.json.
    """
    how, shape = reading_of(described), tuple(described["data"]["shape"])
    read = [read_maps(file, how, shape) for file in files]
    good = [maps for maps in read if not isinstance(maps, str)]
    dls = pair_dls_of(np.stack(good, axis=1), described) if good else None
    return dls, [maps if isinstance(maps, str) else None for maps in read]


predict = partial(classify.predict, read=open_pairs)
