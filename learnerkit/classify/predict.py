"""Classes of pictures without labels: which, how sure, and which set holds the true one as often as stated."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learnerkit.callbacks.identity import class_names
from learnerkit.classify.evaluate import predict_part, views_of
from learnerkit.classify.loaders import evaluation_dls
from learnerkit.classify.source import ImageSource
from learnerkit.core.calibrated import sets_of
from learnerkit.core.files import atomic_write
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.data.inputs import Inputs, Sample, Wanted, files_or_error, inputs_below, tell_left_out
from learnerkit.data.loaders import KitLoaders, whole
from learnerkit.data.pictures import SUFFIXES, as_channels, decoded
from learnerkit.data.source import UNLABELLED
from learnerkit.learner.kit import KitLearner
from learnerkit.task import shape_alone

TOP = 3  # classes of a line
Opened = tuple[KitLoaders | None, list[str | None]]  # loaders of the good ones of some files; what is wrong with each


def pictures_in(path: Path) -> list[Sample]:
    """The pictures of a folder and of the folders below it, whatever these are called, or one file."""
    if not path.is_dir():
        return [path]
    files = inputs_below(path, SUFFIXES)
    taken = set(files)
    tell_left_out(path, [file for file in inputs_below(path) if file not in taken], "no pictures")
    return files_or_error(path, files, "pictures (.png, .jpg, .webp ...)")


def blank_dls(described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of one black picture, as a run's own were made: its learner then predicts without its data.

    described: the run's run.json.
    """
    dls = image_dls_of(np.zeros((1, *described["data"]["shape"]), np.uint8), described)
    dls.source.is_blank = True
    return dls


def preprocessing(data: dict[str, Any]) -> dict[str, Any]:
    """What is done to a picture before the model takes it, in the order of the keys.

    data: of a run's run.json.
    """
    channels, *size = data["shape"]
    mean, std = data["stats"]
    return {
        "colours": "RGB" if channels == 3 else "grey (ITU-R 601-2 luma)",
        "size": size,  # height and width
        "resize": data.get("resize", "squish"),
        "interpolation": "bilinear, antialiased",
        "scale": 1 / 255,  # of uint8 pixels
        "mean": list(mean),
        "std": list(std),
        "centre": data.get("view"),
        **shape_alone(data),  # to which it is interpolated at last, where it has another
        "layout": "NCHW",
        "dtype": "float32",
    }


def image_dls_of(images: np.ndarray, described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of pictures uint8 [N,C,H,W] of a run's shape, with its classes, size and statistics."""
    data = described["data"]
    source = ImageSource("pictures", images, np.full(len(images), UNLABELLED), described["classes"])
    source.stats, source.keeps = tuple(map(tuple, data["stats"])), tuple(data["keeps"])
    source.resize, source.view = data.get("resize", "squish"), tuple(data["view"]) if data.get("view") else None
    seen = data.get("input_shape")
    return evaluation_dls(source, whole(source), size=tuple(seen[1:]) if seen else None)


def open_pictures(files: Sequence[Path], described: dict[str, Any]) -> Opened:
    """DataLoaders of the files that are pictures, brought to a run's size and channels; what is wrong with the others.

    described: the run's run.json.
    """
    data = described["data"]
    channels, *size = data["shape"]
    read = list(decoded(files, tuple(size), data.get("resize", "squish")))
    good = [pixels for pixels in read if not isinstance(pixels, str)]
    dls = image_dls_of(as_channels(np.stack(good), channels), described) if good else None
    return dls, [pixels if isinstance(pixels, str) else None for pixels in read]


def predict(
    learn: KitLearner,
    described: dict[str, Any],
    inputs: Inputs,
    wanted: Wanted,
    target: RunFolder,
    read: Callable[[Sequence[Path], dict[str, Any]], Opened] = open_pictures,
) -> dict[str, Any]:
    """Predict files, some at a time, into predictions.csv and submission.csv of a folder.

    described: the run's run.json; wanted: see `data.inputs`.
    read: some files to DataLoaders of the good ones, and what is wrong with each of the others.
    Returns what is told of them.
    """
    vocab, tables, n = class_names(learn.dls), ["", ""], 0
    counts = np.zeros(len(vocab), dtype=np.int64)
    for places in inputs.blocks():
        dls, faults = read([inputs.samples[place] for place in places], described)
        for place, reason in zip(places, faults, strict=True):
            if reason is not None:
                inputs.left_out(place, reason)
        if dls is None or not inputs.goes_on:
            continue
        probabilities = _probabilities(learn, dls, wanted)
        ids = [inputs.ids[place] for place, reason in zip(places, faults, strict=True) if reason is None]
        for number, rows in enumerate(_rows(ids, probabilities, vocab, wanted)):
            header, _, lines = csv_text(rows).partition("\n")
            tables[number] = (tables[number] or f"{header}\n") + lines
        counts += np.bincount(probabilities.argmax(axis=1), minlength=len(vocab))
        n += len(ids)
    inputs.settle()
    for name, table in zip(("predictions.csv", "submission.csv"), tables, strict=True):
        atomic_write(target.file(name), table)
    return {"samples": n, "predicted": {name: int(count) for name, count in zip(vocab, counts, strict=True) if count}}


def _probabilities(learn: KitLearner, dls: KitLoaders, wanted: Wanted) -> np.ndarray:
    dl = dls.test_dl(list(range(len(dls.source))), device=learn.dls.device)
    views = views_of(wanted.tta, wanted.until)
    with learn.no_bar(), torch.no_grad():
        return predict_part(learn, dl, views and [views])[0]


def _rows(
    ids: list[str], probabilities: np.ndarray, vocab: list[str], wanted: Wanted
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines of predictions.csv and of submission.csv.

    probabilities: the model's own [N,K].
    """
    known, word = wanted.calibration, "Confidence" if wanted.calibration is None else "Calibrated_confidence"
    shares = probabilities if known is None else known.probabilities(probabilities)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    sets = None if wanted.coverage is None else sets_of(shares, known.thresholds[str(wanted.coverage)])
    rows = []
    for number, (name, best) in enumerate(zip(ids, order.tolist(), strict=True)):
        row = {"ID": name}
        for rank, code in enumerate(best, 1):
            row |= {f"Label{_rank(rank)}": vocab[code], f"{word}{_rank(rank)}": round(float(shares[number, code]), 8)}
        if sets is not None:
            row[f"Set_{wanted.coverage}"] = joined([vocab[code] for code in np.flatnonzero(sets[number])])
        rows.append(row)
    labels = [best if wanted.codes else vocab[best] for best in order[:, 0].tolist()]
    return rows, [{"ID": name, "Labels": label} for name, label in zip(ids, labels, strict=True)]


def joined(names: Sequence[str]) -> str:
    """Names of classes as one field, ';' between them; one that stands in a name has a backslash before it."""
    return ";".join(name.replace("\\", "\\\\").replace(";", "\\;") for name in names)


def _rank(rank: int) -> str:
    return "" if rank == 1 else str(rank)
