"""What a trained learner is measured by: its loss and its metrics on each part, and its predictions kept."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from fastai.callback.fp16 import MixedPrecision
from torch.utils.data import SequentialSampler

from learnerkit.callbacks.able import able
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz
from learnerkit.data.loaders import KitLoaders
from learnerkit.data.split import evenly
from learnerkit.learner.kit import KitLearner
from learnerkit.models.folded import folded
from learnerkit.models.mode import in_mode


def measured_ids(learn: KitLearner, part: str, rows: np.ndarray, dl: Any, n: int) -> np.ndarray:
    """Names of the samples that were measured; of a loader of one's own their numbers, 'drawn 3' where it shuffles.

    rows: of `measured_rows`; dl, n: the loader, and how many it gave, which may be fewer than its set has.
    """
    if isinstance(learn.dls, KitLoaders):
        return np.array(learn.dls.ids(part))[rows]
    sampler = getattr(dl, "sampler", None)
    shuffles = bool(getattr(dl, "shuffle", False)) or (
        sampler is not None and not isinstance(sampler, SequentialSampler)
    )
    return np.array([f"drawn {number}" if shuffles else str(number) for number in range(n)])


def measured_rows(learn: KitLearner, part: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Positions in a part that are measured, and what the results say of that.

    All of them; of a quick trial (`limit_batches`) as few as it trained on, evenly spaced: 'limited_to' so many.
    """
    if not isinstance(learn.dls, KitLoaders):  # whose loader is taken as it is
        return np.arange(0), {}
    n = len(learn.dls.ids(part))
    if learn.limit_batches is None:
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


@contextlib.contextmanager
def quick_to_predict(learn: KitLearner) -> Iterator[None]:
    """Within, a learner predicts with its norms folded where that can be done, see `models.folded`.

    In mixed precision it cannot: what is rounded would be other numbers. The model stays the one that callbacks know.
    """
    own = learn.model
    plain = getattr(own, "spec", None) is not None and "forward" not in vars(own) and not able(learn.cbs, "eval_model")
    with in_mode(own, training=False):
        quick = folded(own) if plain and not any(isinstance(cb, MixedPrecision) for cb in learn.cbs) else None
    if quick is not None:
        own.forward = quick.forward
    try:
        yield
    finally:
        if quick is not None:
            del own.forward


def measure(learn: KitLearner, run: RunFolder, parts: Sequence[str]) -> dict[str, Any]:
    """The loss and the metrics of 'valid', 'test' or both as results, and the predictions as predictions.npz.

    Returns the content of results.json: '{part}_{name}' of each figure.
    """
    figures: dict[str, Any] = {}
    columns: dict[str, list[np.ndarray]] = {key: [] for key in ("ids", "part", "targets", "predictions")}
    for part in parts:
        rows, said = measured_rows(learn, part)
        dl = part_loader(learn, part, rows)
        with learn.no_bar():
            values = learn.validate(dl=dl)
            predictions, targets = learn.get_preds(dl=dl)
        ids = measured_ids(learn, part, rows, dl, len(targets))
        names = ["loss", *(metric.name for metric in learn.metrics)]
        figures |= {f"{part}_{name}": value for name, value in zip(names, values, strict=True)} | said
        for key, value in zip(columns, (ids, np.full(len(ids), part), targets, predictions), strict=True):
            columns[key].append(np.asarray(value))
    results = run.write_results(figures)
    write_npz(run.file("predictions.npz"), **{key: np.concatenate(value) for key, value in columns.items()})
    return results
