"""Measure a trained detector: average precision on each part, what each modality is worth, the time for a frame."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from learnerkit.callbacks.tta import TTA
from learnerkit.core.environment import wait_for
from learnerkit.core.errors import RecipeError
from learnerkit.core.run_folder import RunFolder
from learnerkit.data.split import evenly
from learnerkit.detect.boxes import rescale
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.data.transforms import resized
from learnerkit.detect.files import write_detection_files
from learnerkit.detect.interpret import DetectionInterpretation
from learnerkit.detect.learner import DetectionLearner
from learnerkit.detect.metrics import FIGURES, SIZES, average_precision
from learnerkit.detect.passes import quiet
from learnerkit.learner.measure import measured_rows, part_loader
from learnerkit.models.info import megabytes

ABLATED = 200  # images on which modalities are switched off, at most
TIMED = 20  # images whose time is measured


def evaluate(
    learn: DetectionLearner, run: RunFolder, parts: list[str], tta: int = 0, codes: bool = False, name: str = ""
) -> dict[str, Any]:
    """Evaluate 'valid', 'test' or both, and write the results into the run folder.

    tta: 2 also measures plain and mirrored views merged; 0 does not.
    codes: class indices instead of names in predictions.csv.
    name: how the part is called in the results, where it is not one of the run's own.
    Returns the content of results.json.
    """
    source = learn.dls.source
    check_views(tta, source.keeps)
    measured = [_measured(learn, part, name or part, tta) for part in parts]
    last = measured[-1]
    figures: dict[str, Any] = {"tta_views": 2} if tta else {}
    for one in measured:
        figures |= one.figures
    figures |= _ablation(learn, last.seen, name or parts[-1]) | _speed(learn, last.seen.dl)
    results = run.write_results(figures)
    columns = {key: [value for one in measured for value in one.columns[key]] for key in last.columns}
    write_detection_files(run, source, columns, last.precision50, parts[-1], codes)
    return results


@dataclass(frozen=True)
class Measured:
    """One part, measured.

    figures: of results.json; columns: of predictions.npz, one value an image; seen: what the plain view found.
    precision50: precision at IoU .5 over recall, [101,K], of the merged views where there are any.
    """

    figures: dict[str, Any]
    columns: dict[str, list]
    seen: DetectionInterpretation
    precision50: np.ndarray


def _measured(learn: DetectionLearner, part: str, name: str, tta: int) -> Measured:
    source, size = learn.dls.source, learn.dls.size
    chosen, said = measured_rows(learn, part)
    rows, dl = getattr(learn.dls.split, part)[chosen], part_loader(learn, part, chosen)
    views = {"detections": DetectionInterpretation.from_learner(learn, dl=dl)}
    if tta:
        views["detections_tta"] = DetectionInterpretation.from_learner(learn, dl=dl, cbs=[TTA(2)])
    targets = stored(views["detections"].targets, source, rows, size)
    columns = {"ids": [source.ids[row] for row in rows], "part": [part] * len(rows), "rows": rows.tolist()}
    columns["targets"], figures = targets, {}
    for key, seen in views.items():
        columns[key] = stored(seen.detections, source, rows, size)
        precision = average_precision(columns[key], targets, len(source.vocab))
        figures |= _named(precision, name, source.vocab, key.removeprefix("detections"))
    return Measured(figures | said, columns, views["detections"], precision["precision50"])


def _named(measured: dict[str, Any], part: str, vocab: Sequence[str], suffix: str) -> dict[str, Any]:
    """Average precisions as results.json has them."""
    figures = {f"{part}_{key}{suffix}": measured[key] for key in (*FIGURES, *SIZES)}
    return {**figures, f"{part}_per_class{suffix}": dict(zip(vocab, measured["per_class"], strict=True))}


def check_views(tta: int, keeps: Sequence[str]) -> None:
    """RecipeError for a number of views that a detector does not have.

    keeps: views under which the set keeps its classes.
    """
    if tta not in (0, 2):
        raise RecipeError(f"tta: {tta}: a detector has two views, plain and mirrored; 0 or 2")
    if tta and "mirror" not in keeps:
        raise RecipeError(f"tta: {tta}: the second view is a mirror, under which this set does not keep its classes")


def predict_frames(learn: DetectionLearner, rows: np.ndarray, tta: int = 0) -> list[Tensor]:
    """Detections [D,6] on some rows of the learner's set, in pixels of the stored frames.

    tta: 2 for plain and mirrored views merged.
    """
    check_views(tta, learn.dls.source.keeps)
    dl = learn.dls.test_dl([int(row) for row in rows], with_labels=True)
    seen = DetectionInterpretation.from_learner(learn, dl=dl, cbs=[TTA(2)] if tta else None)
    return stored(seen.detections, learn.dls.source, rows, learn.dls.size)


def stored(packed: list[Tensor], source: FrameSource, rows: np.ndarray, size: int | None) -> list[Tensor]:
    """Boxes in pixels of the stored frames, from those of the frames as the model saw them."""
    if size is None:
        return packed
    sizes = [tuple(source.sizes[row].tolist()) for row in rows]
    return [rescale(image, resized(shape, size), shape) for image, shape in zip(packed, sizes, strict=True)]


def _ablation(learn: DetectionLearner, seen: DetectionInterpretation, part: str) -> dict[str, Any]:
    if not learn.dls.source.modalities:
        return {}
    if len(seen.ids) > ABLATED:
        chosen = evenly(len(seen.ids), ABLATED)
        dl = learn.dls.test_dl([seen.dl.items[place] for place in chosen], with_labels=True)
        kept = ([values[place] for place in chosen] for values in (seen.detections, seen.targets, seen.ids))
        seen = DetectionInterpretation(learn, dl, *kept)
    return {"ablation": {"part": part, "images": len(seen.ids), "rows": seen.ablation()}}


def _speed(learn: DetectionLearner, dl: Any) -> dict[str, Any]:
    """The model's time for one frame, median over some, without reading it."""
    model, times = learn.model.eval(), []
    single = learn.dls.test_dl(dl.items[:TIMED], bs=1, num_workers=0)
    with quiet(learn):
        for number, (frames, sizes, *_) in enumerate(single):
            frames = frames.as_subclass(Tensor)
            if number == 0:
                model(frames, sizes)  # the first pass waits for memory and kernels
            wait_for(frames.device)
            begun = time.perf_counter()
            model(frames, sizes)
            wait_for(frames.device)
            times.append(time.perf_counter() - begun)
    ms = statistics.median(times) * 1000
    return {"ms_per_image": round(ms, 2), "fps": round(1000 / ms, 2), "megabytes": megabytes(model)}
