"""Measure a trained classifier and write what was measured: predictions, figures, report, samples for the pictures."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learnerkit._fastai import Callback, DataLoader
from learnerkit.callbacks.identity import class_names
from learnerkit.callbacks.tta import TTA
from learnerkit.classify.calibration import fit_calibration, is_distribution
from learnerkit.classify.evaluation import Evaluation, evaluation_in
from learnerkit.classify.kept import write_samples
from learnerkit.classify.metrics import activation_of, figures_of, report_text
from learnerkit.classify.seen import pictures_of
from learnerkit.core.calibrated import read_calibration, write_calibration
from learnerkit.core.errors import LearnerkitError, RecipeError
from learnerkit.core.files import atomic_write
from learnerkit.core.ranges import Until
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.tensors import weights_file, write_npz
from learnerkit.data.loaders import KitLoaders
from learnerkit.data.twins import twins_in_train
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.measure import measured_ids, measured_rows, part_loader, quick_to_predict

EXPLAINED = 15  # of the surest mistakes, how many have Grad-CAM
log = logging.getLogger(__name__)


def predict_part(learn: KitLearner, dl: DataLoader, cbs: list[Callback] | None = None) -> tuple[np.ndarray, Any]:
    """Probabilities [N,K] and targets [N] (None where unlabelled) of a loader."""
    with learn.no_logging(), quick_to_predict(learn):
        probabilities, targets = learn.get_preds(dl=dl, cbs=cbs, act=activation_of(learn.loss_func))
    labelled = isinstance(targets, torch.Tensor) and len(targets) == len(probabilities)
    return probabilities.float().numpy(), targets.numpy() if labelled else None


def views_of(tta: int, until: float | str | None = None) -> TTA | None:
    """The test-time views of an evaluation; None for none.

    tta: their number; until: of `TTA`. RecipeError where there are none to be left out.
    """
    if until is not None and not tta:
        raise RecipeError(f"until={until}: says of which samples views are taken; say how many, tta=16 (--tta 16)")
    return TTA(tta, until=until) if tta else None


def predict_views(learn: KitLearner, dl: DataLoader, views: TTA | None) -> tuple[Any, dict[str, np.ndarray]]:
    """Targets of a loader as in `predict_part`, and its probabilities by their name in predictions.npz.

    views: test-time views; None for none.
    """
    probabilities, targets = predict_part(learn, dl)
    averaged = {"probabilities_tta": predict_part(learn, dl, [views])[0]} if views is not None else {}
    return targets, {"probabilities": probabilities, **averaged}


def passes_of(views: TTA | None, samples: int, part: str) -> dict[str, Any]:
    """What results.json says of views that were not taken of all samples: the confidence, and passes a sample."""
    if views is None or views.until is None:
        return {}
    said = {"tta_until": views.threshold, "tta_until_fitted": views.until == "auto"}
    return {**said, f"{part}_passes_tta": views.forwards / max(samples, 1)}


def named_figures(predicted: dict[str, np.ndarray], targets: np.ndarray, part: str) -> dict[str, float]:
    """The figures of `predict_views` as results.json has them, such as 'test_accuracy_tta'."""
    return {
        f"{part}_{key}{name.removeprefix('probabilities')}": value
        for name, probabilities in predicted.items()
        for key, value in figures_of(probabilities, targets).items()
    }


def evaluate(
    learn: KitLearner,
    run: RunFolder,
    parts: list[str],
    tta: int = 0,
    codes: bool = False,
    until: Until | None = None,
) -> dict[str, Any]:
    """Evaluate 'valid', 'test' or both, and write the results into the run folder.

    tta: number of test-time views; 0 for none. Without and with it is measured.
    A learner with `limit_batches` is evaluated on so many batches, and the results say so in 'limited_to'.
    codes: class indices instead of names in predictions.csv.
    until: views are taken of samples less sure than that alone, see `TTA`.
    Returns the content of results.json.
    """
    vocab, views = class_names(learn.dls), views_of(tta, until)
    figures: dict[str, Any] = {"tta_views": tta} if tta else {}
    columns: dict[str, list[np.ndarray]] = {}
    for part in parts:
        rows, said = measured_rows(learn, part)
        dl = part_loader(learn, part, rows)
        targets, predicted = predict_views(learn, dl, views)
        ids = measured_ids(learn, part, rows, dl, len(targets))
        figures |= named_figures(predicted, targets, part) | said | passes_of(views, len(ids), part)
        for key, value in {"ids": ids, "part": np.full(len(ids), part), "targets": targets, **predicted}.items():
            columns.setdefault(key, []).append(value)
        if isinstance(learn.dls, KitLoaders):
            twins = twins_in_train(learn.dls.source, learn.dls.split, part)[rows]
            figures |= without_twins(predicted, targets, part, twins)
            columns.setdefault("twins", []).append(twins)
    results = run.write_results(figures)
    arrays = {key: np.concatenate(value) for key, value in columns.items()}
    seen = evaluation_in(arrays, vocab)
    write_predictions(run.file("predictions.csv"), seen.ids, seen.probabilities, vocab, codes)
    write_report_text(run.file("classification_report.txt"), seen.targets, seen.probabilities, vocab, seen.part, tta)
    calibrate(getattr(run, "weights_folder", run.path), arrays, views)
    if isinstance(learn.dls, KitLoaders):
        in_set, source = getattr(learn.dls.split, seen.part)[rows], learn.dls.source
        write_samples(run, seen, lambda some: source.pictures(in_set[some]), mistakes_explained(learn, dl, seen))
    write_npz(run.file("predictions.npz"), **arrays)  # last: with it a run counts as evaluated
    return results


def mistakes_explained(learn: KitLearner, dl: DataLoader, seen: Evaluation) -> dict[int, np.ndarray]:
    """Grad-CAM [h,w] of the surest mistakes by their row; none of a model that has no map."""
    rows = seen.surest_mistakes[:EXPLAINED].tolist()
    try:
        _, maps = pictures_of(learn, dl, rows, seen.predicted[rows])
    except (LearnerkitError, RuntimeError) as error:
        log.info("no Grad-CAM of the mistakes: %s", error)
        return {}
    return dict(zip(rows, maps, strict=True))


def without_twins(
    predicted: dict[str, np.ndarray], targets: np.ndarray, part: str, twins: np.ndarray
) -> dict[str, float]:
    """How many samples of a part have a twin in the training part and, where some have, the accuracy on the others.

    twins: whether each has, bool [N]; predicted: of `predict_views`.
    """
    figures: dict[str, float] = {f"{part}_twins": int(twins.sum())}
    if twins.any() and not twins.all():
        for name, probabilities in predicted.items():
            right = probabilities.argmax(axis=1) == targets
            figures[f"{part}_accuracy{name.removeprefix('probabilities')}_without_twins"] = float(right[~twins].mean())
    return figures


def calibrate(folder: Path, arrays: dict[str, np.ndarray], views: TTA | None) -> None:
    """Keep the temperature and the sets of the valid part beside the weights, where both are there.

    arrays: as predictions.npz has them; views: those that were averaged.
    A loss whose activation gives no distribution, such as a sigmoid, has none.
    """
    valid = arrays["part"] == "valid"
    if not valid.any() or not weights_file(folder).exists():
        return
    ways = {"plain": arrays["probabilities"][valid]}
    if "probabilities_tta" in arrays:
        ways["tta"] = arrays["probabilities_tta"][valid]
    if all(is_distribution(probabilities) for probabilities in ways.values()):
        targets = arrays["targets"][valid]
        before = {name: known for name in ("plain", "tta") if (known := read_calibration(folder, name == "tta"))}
        fitted = {name: fit_calibration(values, targets) for name, values in ways.items()}
        if "tta" in fitted:
            fitted["tta"] = replace(fitted["tta"], views=len(views.active), until=views.threshold)
        write_calibration(folder, before | fitted)


def write_predictions(
    path: Path, ids: np.ndarray, probabilities: np.ndarray, vocab: list[str], codes: bool = False
) -> None:
    """The submission file: a header `ID,Labels` and a line an image, with class names, or indices when `codes`."""
    predicted = probabilities.argmax(axis=1).tolist()
    labels = [code if codes else vocab[code] for code in predicted]
    rows = [{"ID": name, "Labels": label} for name, label in zip(ids.tolist(), labels, strict=True)]
    atomic_write(path, csv_text(rows))


def write_report_text(
    path: Path, targets: np.ndarray, probabilities: np.ndarray, vocab: list[str], part: str, views: int = 0
) -> None:
    """`report_text` of the likeliest classes, below the name and size of the part, and how many views were averaged."""
    text = report_text(targets, probabilities.argmax(axis=1), vocab)
    convention = "a class that is never seen or never predicted counts as 0, scikit-learn's default"
    how = f", the mean of {views} views" if views else ""
    atomic_write(path, f"part: {part}, {len(targets)} images{how}; {convention}\n\n{text}")
