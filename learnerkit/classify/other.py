"""Measure a finished classifier on other data than its own, labelled or not."""

from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.classify.cifar import is_cifar, read_cifar
from learnerkit.classify.evaluate import (
    named_figures,
    passes_of,
    predict_views,
    views_of,
    write_predictions,
    write_report_text,
)
from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.figures import confusion_figure
from learnerkit.classify.folder import has_labels, list_folder
from learnerkit.classify.loaders import evaluation_dls
from learnerkit.classify.packed import is_packed, read_packed
from learnerkit.classify.reading import open_folder
from learnerkit.classify.source import ImageSource
from learnerkit.classify.superclasses import groups_of
from learnerkit.core.errors import DataError
from learnerkit.core.ranges import Until
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.data.faults import Fault, refuse_faults
from learnerkit.data.loaders import KitLoaders, whole
from learnerkit.data.pictures import SUFFIXES, as_channels, decode_all
from learnerkit.data.source import UNLABELLED, like_run, meant_part
from learnerkit.data.walk import IMAGES, files_below, files_in, folders_in, holds
from learnerkit.learner.kit import KitLearner


def open_other(path: Path, described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of other images, with the classes, size and statistics of a run's own set.

    path: a CIFAR folder, a folder of class folders, a flat folder of images, one image, or a file
        of many (`packed.read_packed`).
        Where its files name parts, the test part is meant.
    described: the run's run.json.
    """
    source = read_other(path, described)
    for note in source.notes:
        warn(f"{source.name}: {note}")
    seen = described["data"].get("input_shape")
    return evaluation_dls(source, whole(source), size=tuple(seen[1:]) if seen else None)


def evaluate_other(
    learn: KitLearner, target: RunFolder, tta: int = 0, codes: bool = False, until: Until | None = None
) -> dict[str, Any]:
    """Predict the whole of a learner's set and, where it has labels, measure it; returns what results.json holds.

    target: the folder of what is written; tta: number of test-time views, 0 for none.
    codes: class indices instead of names in predictions.csv; until: views are taken of samples less sure alone.
    """
    source, ids = learn.dls.source, np.array(learn.dls.source.ids)
    dl = learn.dls.test_dl(list(range(len(source))))
    views = views_of(tta, until)
    _, predicted = predict_views(learn, dl, views)
    chosen = predicted.get("probabilities_tta", predicted["probabilities"])
    write_predictions(target.file("predictions.csv"), ids, chosen, source.vocab, codes)
    arrays, figures = {"ids": ids, **predicted}, {"images": len(source)} | passes_of(views, len(source), "all")
    if (source.labels != UNLABELLED).all():
        figures |= named_figures(predicted, source.labels, "all")
        arrays["targets"] = source.labels
        write_report_text(target.file("classification_report.txt"), source.labels, chosen, source.vocab, "all", tta)
        seen = Evaluation("all", bool(tta), ids, source.labels, chosen, source.vocab, groups_of(source.vocab))
        confusion_figure(seen).savefig(target.file("confusion_matrix.png"))
    write_npz(target.file("predictions.npz"), **arrays)
    return target.write_results(figures)


def read_other(path: Path, described: dict[str, Any]) -> ImageSource:
    """Images of any format that the command line takes, as `open_other` needs them; unlabelled have the label -1."""
    vocab, data = described["classes"], described["data"]
    channels, *size = data["shape"]
    how = tuple(size), data.get("resize", "squish")
    if is_cifar(path):
        source = read_cifar(path, "coarse" if data["name"].endswith("-coarse") else "fine")
    elif path.is_file() and path.suffix.lower() not in SUFFIXES:
        if not is_packed(path):
            raise DataError(
                f"{path}: files of this kind are not read; give a folder of pictures, a CIFAR folder or archive, .npy, "
                ".npz or a pickled dict of arrays"
            )
        source = read_packed(path, vocab)
    else:
        source = _pictures(path, vocab, *how, cache="auto" if channels == 3 else "memory")
    if source.channels != channels:
        source.images, source.digests = as_channels(source.images, channels), None
    source.resize, source.view = how[1], tuple(data["view"]) if data.get("view") else None
    return meant_part(like_run(source, path, described))


def _pictures(path: Path, vocab: list[str], size: tuple[int, int], resize: str, cache: str) -> ImageSource:
    """A folder's pictures with the classes that folders or a table say, or of no class; one picture too."""
    inner = [folder for folder in folders_in(path) if holds(folder, SUFFIXES)] if path.is_dir() else []
    flat = len(inner) == 1 and inner[0].name.lower() in IMAGES and not folders_in(inner[0])
    if path.is_dir() and ((inner and not flat) or has_labels(path)):
        return open_folder(list_folder(path, vocab), size, resize, cache, labelled=False)
    return _flat_pictures(inner[0] if flat else path, vocab, size, resize)


def _flat_pictures(path: Path, vocab: list[str], size: tuple[int, int], resize: str) -> ImageSource:
    files = [path] if path.is_file() else files_in(path, SUFFIXES)
    if not files:
        raise DataError(f"{path}: holds no pictures and no class folders with pictures")
    ids = [file.stem for file in files]
    ids = ids if len(set(ids)) == len(ids) else [file.name for file in files]
    images, faults = decode_all(files, size, resize)
    refuse_faults(str(path), [Fault(files[row].name, reason) for row, reason in faults.items()], len(files))
    others = sorted(set(files_below(path)) - set(files)) if path.is_dir() else []
    notes = [f"{len(others):,} file(s) of no picture format left out: {some([file.name for file in others])}"]
    return ImageSource(path.name, images, np.full(len(files), UNLABELLED), vocab, ids, notes=notes if others else [])
