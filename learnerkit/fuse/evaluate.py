"""Measure a trained fusion: as any classifier, and what it takes of either map."""

from pathlib import Path
from typing import Any

from learnerkit.classify import evaluate as classify
from learnerkit.core.errors import DataError
from learnerkit.core.run_folder import RunFolder
from learnerkit.data.loaders import KitLoaders, whole
from learnerkit.fuse.dls import pair_loaders
from learnerkit.fuse.source import PairSource, read_pairs
from learnerkit.learner.kit import KitLearner


def evaluate(learn: KitLearner, run: RunFolder, parts: list[str], tta: int = 0, codes: bool = False) -> dict[str, Any]:
    """As `classify.evaluate.evaluate`; the results also hold the weights of the two maps, where the mode has any."""
    results = classify.evaluate(learn, run, parts, tta, codes)
    weights = learn.model.reported()
    return run.write_results({"fusion_weights": weights}) if weights else results


def open_other(path: Path, described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of other pairs, with the classes, shape and statistics of a run's own set.

    path: a folder of pairs; described: the run's run.json.
    """
    source = read_other(path, described)
    return pair_loaders(source, whole(source), bs=64, drop_last=False)


def read_other(path: Path, described: dict[str, Any]) -> PairSource:
    """The pairs of a folder, as `open_other` needs them."""
    source, data = read_pairs(path, least=1), described["data"]
    if source.vocab != described["classes"][: len(source.vocab)]:
        raise DataError(f"{path}: its classes are {source.vocab[:5]}..., the run's {described['classes'][:5]}...")
    if source.shape != tuple(data["shape"]):
        raise DataError(f"{path}: its maps are {source.shape}, the run's {tuple(data['shape'])}")
    source.vocab, source.keeps = described["classes"], tuple(data["keeps"])
    source.stats = tuple(map(tuple, data["stats"])) if data["stats"] else None
    return source
