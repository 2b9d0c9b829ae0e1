"""What a pass of a learner has seen: names of the samples, their pictures, and what the model looked at."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learnerkit._fastai import DataLoader, Learner
from learnerkit.callbacks.tta import TTA
from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.maps import as_pictures, side_by_side
from learnerkit.core.errors import DataError
from learnerkit.core.members import PARTS
from learnerkit.core.text import some
from learnerkit.data.loaders import KitLoaders
from learnerkit.data.twins import twins_in_train
from learnerkit.explain.cam import gradcam


def loader_of(learn: Learner, ds_idx: int, dl: Any) -> tuple[DataLoader, str]:
    """The loader that is predicted, in order and whole, and what its part is called.

    ds_idx: which of `learn.dls`: 0 train, 1 valid, 2 test; dl: a loader that is taken as it is, called 'given'.
    DataError where there is no such part, or the loader is one of PyTorch's own.
    """
    loaders = getattr(learn.dls, "loaders", [])
    if dl is None and not 0 <= ds_idx < min(3, len(loaders)):
        raise DataError(f"ds_idx={ds_idx}: there are {some([f'{n} {p}' for n, p in enumerate(PARTS[: len(loaders)])])}")
    chosen = loaders[ds_idx] if dl is None else dl
    if not isinstance(chosen, DataLoader) or not hasattr(chosen, "vocab"):
        raise DataError(
            f"{type(chosen).__name__}: a loader without a vocab cannot be interpreted, such as one of PyTorch's own; "
            "give fastai's DataLoaders, or one of learnerkit's *_dls"
        )
    return (chosen, "given") if dl is not None else (chosen.new(shuffle=False, drop_last=False), PARTS[ds_idx])


def predicted_part(
    learn: Learner,
    dl: DataLoader,
    part: str,
    preds: Tensor,
    targs: Tensor,
    vocab: list[str],
    groups: list[str],
    cbs: Any,
) -> Evaluation:
    """The predictions of a pass over a loader as an `Evaluation`.

    part: what the loader is called; preds, targs: probabilities [N,K] and class indices [N] of it.
    vocab, groups: names of the classes, and the group of each; cbs: of the pass.
    """
    several = cbs if isinstance(cbs, Sequence) else [cbs]
    items = list(getattr(dl, "items", range(len(targs))))
    of_set = isinstance(learn.dls, KitLoaders)
    ids = [learn.dls.source.ids[item] if of_set and isinstance(item, Integral) else str(item) for item in items]
    return Evaluation(
        part,
        any(isinstance(cb, TTA) for cb in several),
        np.array(ids[: len(targs)]),
        np.asarray(targs),
        np.asarray(preds.float()),
        vocab,
        groups,
    )


def with_twins(learn: Learner, seen: Evaluation) -> Evaluation:
    """An evaluation that knows which of its samples have a twin in train, where the set is ours and the part known."""
    if not isinstance(learn.dls, KitLoaders) or seen.part not in ("valid", "test"):
        return seen
    return replace(seen, twins=twins_in_train(learn.dls.source, learn.dls.split, seen.part))


def pictures_of(
    learn: Learner, dl: DataLoader, rows: Sequence[int], explained: np.ndarray | None = None
) -> tuple[dict[int, np.ndarray], list[np.ndarray] | None]:
    """Samples of a loader as pictures uint8 [C,H,W] by their row and, on request, Grad-CAM [h,w] of each.

    rows: of the loader; explained: the class index of each that Grad-CAM is of.
    """
    if not rows:
        return {}, None if explained is None else []
    if not hasattr(dl, "items"):
        raise DataError(
            f"{type(dl).__name__}: a loader without items has no pictures to draw; use fastai's DataLoaders"
        )
    items = [dl.items[row] for row in rows]
    loader = learn.dls.test_dl(items, with_labels=True, bs=len(items))
    of_set = isinstance(learn.dls, KitLoaders) and all(isinstance(item, Integral) for item in items)
    batch = None if of_set and explained is None else loader.one_batch()
    images = learn.dls.source.pictures(np.array(items)) if of_set else _decoded(loader, batch)
    maps = None
    if explained is not None:
        inputs = tuple(values.as_subclass(Tensor) for values in batch[: loader.n_inp])
        heat = gradcam(
            learn.model,
            inputs[0] if len(inputs) == 1 else inputs,
            targets=torch.as_tensor(explained, dtype=torch.int64),
        )
        maps = list(as_pictures(side_by_side(heat), len(inputs), images))
    return dict(zip(rows, images, strict=True)), maps


def _decoded(loader: DataLoader, batch: Any) -> np.ndarray:
    """The images of a batch as they were before they were normalised, uint8 [n,C,H,W]."""
    images = loader.decode(batch)[0].as_subclass(Tensor).detach().cpu()
    values = images if images.dtype == torch.uint8 else (images.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return values.numpy()
