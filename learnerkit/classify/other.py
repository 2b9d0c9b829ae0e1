"""Measure a finished classifier on other data than its own, labelled or not."""

from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.classify.cifar import PLANE, is_cifar, read_cifar
from learnerkit.classify.dls import evaluation_dls
from learnerkit.classify.evaluate import named_figures, predict_views, write_predictions, write_report_text
from learnerkit.classify.folder import list_folder, read_folder
from learnerkit.classify.metrics import confusion
from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz
from learnerkit.core.unpickle import load_cifar_pickle
from learnerkit.data.faults import Fault, refuse_faults
from learnerkit.data.loaders import KitLoaders, whole
from learnerkit.data.pictures import SUFFIXES, as_channels, decode_all
from learnerkit.data.source import UNLABELLED, like_run
from learnerkit.data.walk import files_in, folders_in
from learnerkit.learner.kit import KitLearner
from learnerkit.pages.confusion import draw_confusion


def open_other(path: Path, described: dict[str, Any]) -> KitLoaders:
    """DataLoaders of other images, with the classes, size and statistics of a run's own set.

    path: a CIFAR folder, a folder of class folders, a flat folder of images, or an unlabelled CIFAR pickle (keys data
        and, if it likes, ids). described: the run's run.json.
    """
    source = read_other(path, described)
    return evaluation_dls(source, whole(source))


def evaluate_other(learn: KitLearner, target: RunFolder, tta: int = 0, codes: bool = False) -> dict[str, Any]:
    """Predict the whole of a learner's set and, where it has labels, measure it; returns what results.json holds.

    target: the folder of what is written; tta: number of test-time views, 0 for none.
    codes: class indices instead of names in predictions.csv.
    """
    source, ids = learn.dls.source, np.array(learn.dls.source.ids)
    dl = learn.dls.test_dl(list(range(len(source))))
    _, predicted = predict_views(learn, dl, tta)
    chosen = predicted.get("probabilities_tta", predicted["probabilities"])
    write_predictions(target.file("predictions.csv"), ids, chosen, source.vocab, codes)
    arrays, figures = {"ids": ids, **predicted}, {"images": len(source)}
    if (source.labels != UNLABELLED).all():
        figures |= named_figures(predicted, source.labels, "all")
        arrays["targets"] = source.labels
        write_report_text(target.file("classification_report.txt"), source.labels, chosen, source.vocab, "all")
        matrix = confusion(source.labels, chosen.argmax(axis=1), len(source.vocab))
        draw_confusion(matrix, source.vocab, target.path.name).savefig(target.file("confusion_matrix.png"))
    write_npz(target.file("predictions.npz"), **arrays)
    return target.write_results(figures)


def read_other(path: Path, described: dict[str, Any]) -> ImageSource:
    """Images of any format that the command line takes, as `open_other` needs them; unlabelled have the label -1."""
    vocab, data = described["classes"], described["data"]
    size = tuple(data["shape"][1:])
    if is_cifar(path):
        source = read_cifar(path, "coarse" if data["name"].endswith("-coarse") else "fine")
    elif path.is_file():
        source = _unlabelled_pickle(path, vocab)
    elif folders_in(path):
        source = read_folder(list_folder(path, vocab), size, labelled=False)
    else:
        source = _flat_folder(path, vocab, size)
    source.images = as_channels(source.images, data["shape"][0])
    return like_run(source, path, described)


def _flat_folder(path: Path, vocab: list[str], size: tuple[int, int]) -> ImageSource:
    files = files_in(path, SUFFIXES)
    if not files:
        raise DataError(f"{path}: holds no image files and no class folders")
    ids = [file.stem for file in files]
    ids = ids if len(set(ids)) == len(ids) else [file.name for file in files]
    images, faults = decode_all(files, size)
    refuse_faults(str(path), [Fault(files[row].name, reason) for row, reason in faults.items()], len(files))
    return ImageSource(path.name, images, np.full(len(files), UNLABELLED), vocab, ids)


def _unlabelled_pickle(path: Path, vocab: list[str]) -> ImageSource:
    batch = load_cifar_pickle(path.read_bytes(), str(path))
    data = batch.get("data")
    rows = isinstance(data, np.ndarray) and (data.shape[1:] == (PLANE,) or data.shape[1:] == (32, 32, 3))
    if not rows:
        found = data.shape if isinstance(data, np.ndarray) else f"the keys {', '.join(map(str, batch))}"
        raise DataError(f"{path}: needs 'data' with rows of {PLANE:,} bytes or of 32x32x3; it has {found}")
    images = data.transpose(0, 3, 1, 2) if data.ndim == 4 else data.reshape(-1, 3, 32, 32)
    ids = [str(name) for name in batch.get("ids", range(len(images)))]
    labels = batch.get("labels", [UNLABELLED] * len(images))
    if not all(type(code) is int for code in labels):
        raise DataError(f"{path}: its labels are not all integers")
    return ImageSource(path.name, np.ascontiguousarray(images), np.array(labels), vocab, ids)
