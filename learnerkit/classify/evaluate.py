"""Measure a trained classifier and write what was measured: predictions, figures, report, samples for the pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from learnerkit._fastai import Callback, DataLoader
from learnerkit.callbacks.identity import class_names
from learnerkit.callbacks.tta import TTA
from learnerkit.classify.metrics import activation_of, figures_of, report_text
from learnerkit.core.files import atomic_write
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.tensors import write_npz
from learnerkit.data.loaders import KitLoaders
from learnerkit.data.split import evenly
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.measure import measured_ids, measured_rows, part_loader

SAMPLES = 25  # pictures kept for each gallery of the report


def predict_part(learn: KitLearner, dl: DataLoader, cbs: list[Callback] | None = None) -> tuple[np.ndarray, Any]:
    """Probabilities [N,K] and targets [N] (None where unlabelled) of a loader."""
    with learn.no_logging():
        probabilities, targets = learn.get_preds(dl=dl, cbs=cbs, act=activation_of(learn.loss_func))
    labelled = isinstance(targets, torch.Tensor) and len(targets) == len(probabilities)
    return probabilities.float().numpy(), targets.numpy() if labelled else None


def predict_views(learn: KitLearner, dl: DataLoader, tta: int) -> tuple[Any, dict[str, np.ndarray]]:
    """Targets of a loader as in `predict_part`, and its probabilities by their name in predictions.npz.

    tta: number of test-time views; 0 for none.
    """
    probabilities, targets = predict_part(learn, dl)
    averaged = {"probabilities_tta": predict_part(learn, dl, [TTA(tta)])[0]} if tta else {}
    return targets, {"probabilities": probabilities, **averaged}


def named_figures(predicted: dict[str, np.ndarray], targets: np.ndarray, part: str) -> dict[str, float]:
    """The figures of `predict_views` as results.json has them, such as 'test_accuracy_tta'."""
    return {
        f"{part}_{key}{name.removeprefix('probabilities')}": value
        for name, probabilities in predicted.items()
        for key, value in figures_of(probabilities, targets).items()
    }


def evaluate(learn: KitLearner, run: RunFolder, parts: list[str], tta: int = 0, codes: bool = False) -> dict[str, Any]:
    """Evaluate 'valid', 'test' or both, and write the results into the run folder.

    tta: number of test-time views; 0 for none. Without and with it is measured.
    A learner with `limit_batches` is evaluated on so many batches, and the results say so in 'limited_to'.
    codes: class indices instead of names in predictions.csv.
    Returns the content of results.json.
    """
    vocab = class_names(learn.dls)
    figures: dict[str, Any] = {"tta_views": tta} if tta else {}
    columns: dict[str, list[np.ndarray]] = {}
    for part in parts:
        rows, said = measured_rows(learn, part)
        dl = part_loader(learn, part, rows)
        targets, predicted = predict_views(learn, dl, tta)
        ids = measured_ids(learn, part, rows, dl, len(targets))
        figures |= named_figures(predicted, targets, part) | said
        for key, value in {"ids": ids, "part": np.full(len(ids), part), "targets": targets, **predicted}.items():
            columns.setdefault(key, []).append(value)
    results = run.write_results(figures)
    arrays = {key: np.concatenate(value) for key, value in columns.items()}
    write_npz(run.file("predictions.npz"), **arrays)
    last = arrays["part"] == parts[-1]
    chosen, targets = arrays.get("probabilities_tta", arrays["probabilities"])[last], arrays["targets"][last]
    write_predictions(run.file("predictions.csv"), arrays["ids"][last], chosen, vocab, codes)
    write_report_text(run.file("classification_report.txt"), targets, chosen, vocab, parts[-1])
    if isinstance(learn.dls, KitLoaders):
        write_samples(learn, run, parts[-1], rows, targets, chosen)
    return results


def write_predictions(
    path: Path, ids: np.ndarray, probabilities: np.ndarray, vocab: list[str], codes: bool = False
) -> None:
    """The submission file: a header `ID,Labels` and a line an image, with class names, or indices when `codes`."""
    predicted = probabilities.argmax(axis=1).tolist()
    labels = [code if codes else vocab[code] for code in predicted]
    rows = [{"ID": name, "Labels": label} for name, label in zip(ids.tolist(), labels, strict=True)]
    atomic_write(path, csv_text(rows))


def write_report_text(path: Path, targets: np.ndarray, probabilities: np.ndarray, vocab: list[str], part: str) -> None:
    """`report_text` of the likeliest classes, below the name and size of the part."""
    text = report_text(targets, probabilities.argmax(axis=1), vocab)
    convention = "a class that is never seen or never predicted counts as 0, scikit-learn's default"
    atomic_write(path, f"part: {part}, {len(targets)} images; {convention}\n\n{text}")


def write_samples(
    learn: KitLearner, run: RunFolder, part: str, chosen: np.ndarray, targets: np.ndarray, probabilities: np.ndarray
) -> None:
    """Keep the pixels of the worst and of evenly spaced images, so that pictures can be drawn from the files alone.

    chosen: positions in the part that were evaluated; targets, probabilities: of those.
    """
    rows = getattr(learn.dls.split, part)[chosen]
    losses = -np.log(probabilities[np.arange(len(targets)), targets].clip(1e-12))
    worst = np.argsort(-losses, kind="stable")[:SAMPLES]
    spread = evenly(len(targets), SAMPLES)
    pictures = learn.dls.source.pictures
    write_npz(
        run.file("samples.npz"),
        worst=worst,
        worst_images=pictures(rows[worst]),
        spread=spread,
        spread_images=pictures(rows[spread]),
        losses=losses[worst],
        part=np.array(part),
    )
