"""Other pairs than a run's own, to be measured as those were."""

from pathlib import Path
from typing import Any

from learnerkit.data.loaders import KitLoaders, whole
from learnerkit.data.source import like_run
from learnerkit.fuse.dls import pair_loaders
from learnerkit.fuse.source import PairSource, read_pairs


def open_other(path: Path, described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of other pairs, with the classes, shape and statistics of a run's own set.

    path: a folder of pairs; described: the run's run.json.
    """
    source = read_other(path, described)
    return pair_loaders(source, whole(source), bs=64, drop_last=False)


def read_other(path: Path, described: dict[str, Any]) -> PairSource:
    """The pairs of a folder, as `open_other` needs them."""
    source, vocab = read_pairs(path, least=1), described["classes"]
    if source.vocab == vocab[: len(source.vocab)]:  # it names those alone that it has
        source.vocab = vocab
    return like_run(source, path, described)
