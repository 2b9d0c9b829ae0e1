"""What a trained learner is measured by: its loss and its metrics on each part, and its predictions kept."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import SequentialSampler

from learnerkit._fastai import DataLoaders
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz
from learnerkit.data.loaders import KitLoaders
from learnerkit.data.split import evenly
from learnerkit.learner.kit import KitLearner


def part_ids(dls: DataLoaders, part: str) -> list[str]:
    """Names of a part's samples; of DataLoaders of one's own, which name none, their numbers in the valid loader."""
    if isinstance(dls, KitLoaders):
        return dls.ids(part)
    return [str(number) for number in range(len(dls.valid.dataset))]


def drawn_ids(dl: Any, n: int) -> np.ndarray:
    """Names for the samples of a pass over a loader of one's own: their numbers, as 'drawn 3' where it shuffles.

    n: of the pass, which may be fewer than the set has.
    """
    sampler = getattr(dl, "sampler", None)
    shuffles = bool(getattr(dl, "shuffle", False)) or (
        sampler is not None and not isinstance(sampler, SequentialSampler)
    )
    return np.array([f"drawn {number}" if shuffles else str(number) for number in range(n)])


def measured_rows(learn: KitLearner, part: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Positions in a part that are measured, and what the results say of that.

    All of them; of a quick trial (`limit_batches`) as few as it trained on, evenly spaced: 'limited_to' so many.
    """
    n = len(part_ids(learn.dls, part))
    if learn.limit_batches is None or not isinstance(learn.dls, KitLoaders):
        return np.arange(n), {}
    bs = learn.dls.valid.bs
    limit = learn.limit_batches * bs
    return evenly(n, limit), {"limited_to": limit}


def part_loader(learn: KitLearner, part: str, rows: np.ndarray) -> Any:
    """The loader of 'valid' or 'test', or one of some of its positions, in order."""
    whole = learn.dls.valid if part == "valid" else learn.dls.test
    if not isinstance(learn.dls, KitLoaders) or len(rows) == len(whole.items):
        return whole
    return learn.dls.test_dl([whole.items[row] for row in rows], with_labels=True)


def measure(learn: KitLearner, run: RunFolder, parts: Sequence[str]) -> dict[str, Any]:
    """The loss and the metrics of 'valid', 'test' or both as results, and the predictions as predictions.npz.

    Returns the content of results.json: '{part}_{name}' of each figure.
    """
    figures: dict[str, Any] = {}
    columns: dict[str, list[np.ndarray]] = {key: [] for key in ("ids", "part", "targets", "predictions")}
    for part in parts:
        rows, said = measured_rows(learn, part)
        dl, ids = part_loader(learn, part, rows), np.array(part_ids(learn.dls, part))[rows]
        with learn.no_bar():
            values = learn.validate(dl=dl)
            predictions, targets = learn.get_preds(dl=dl)
        names = ["loss", *(metric.name for metric in learn.metrics)]
        figures |= {f"{part}_{name}": value for name, value in zip(names, values, strict=True)} | said
        for key, value in zip(columns, (ids, np.full(len(ids), part), targets, predictions), strict=True):
            columns[key].append(np.asarray(value))
    results = run.write_results(figures)
    write_npz(run.file("predictions.npz"), **{key: np.concatenate(value) for key, value in columns.items()})
    return results
