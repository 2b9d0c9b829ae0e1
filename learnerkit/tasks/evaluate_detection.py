"""Measure a trained detector and write what was measured: figures, predictions as COCO has them, samples."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit.callbacks.tta import TTA
from learnerkit.core.errors import RecipeError
from learnerkit.core.files import atomic_write, read_json, to_json, write_json
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.tensors import write_npz
from learnerkit.data.detection import FrameSource
from learnerkit.data.detection_transforms import resized
from learnerkit.interpret.detection import DetectionInterpretation, quiet
from learnerkit.learner.detection import DetectionLearner
from learnerkit.metrics.detection import FIGURES, SIZES, average_precision
from learnerkit.ops.boxes import scores_of, stack_rows, unpack_boxes
from learnerkit.ops.matching import image_errors

SAMPLES = 8  # images kept for each gallery of the report
SAMPLE_SIDE = 640  # pixels of the longer side that is kept of one
ABLATED = 200  # images on which modalities are switched off, at most
TIMED = 20  # images whose time is measured


def evaluate_detection(
    learn: DetectionLearner, run: RunFolder, parts: list[str], tta: int = 0, codes: bool = False, shown: str = ""
) -> dict[str, Any]:
    """Evaluate 'valid', 'test' or both, and write the results into the run folder.

    tta: 2 also measures plain and mirrored views merged; 0 does not.
    codes: class indices instead of names in predictions.csv.
    shown: how the part is called in the results, where it is not one of the run's own.
    Returns the content of results.json.
    """
    source, size = learn.dls.source, learn.dls.size
    check_views(tta, source.keeps)
    results = read_json(run.file("results.json")) if run.file("results.json").exists() else {}
    columns: dict[str, list] = {key: [] for key in ("ids", "part", "rows", "targets", "detections", "detections_tta")}
    for part in parts:
        rows = np.asarray(getattr(learn.dls.split, part))
        if learn.limit_batches is not None:  # a quick trial evaluates as little as it trained, evenly spaced
            results["limited_to"] = learn.limit_batches * learn.dls.valid.bs
            rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), results["limited_to"])).astype(int)]
        dl = learn.dls.test_dl([int(row) for row in rows], with_labels=True)
        seen = DetectionInterpretation.from_learner(learn, dl=dl)
        targets = stored(seen.targets, source, rows, size)
        found = {"detections": stored(seen.detections, source, rows, size)}
        if tta:
            merged = DetectionInterpretation.from_learner(learn, dl=dl, cbs=[TTA(2)])
            found["detections_tta"] = stored(merged.detections, source, rows, size)
        for kind, detections in found.items():
            suffix = "_tta" if kind.endswith("tta") else ""
            measured = average_precision(detections, targets, len(source.vocab))
            name = shown or part
            results |= {f"{name}_{key}{suffix}": measured[key] for key in (*FIGURES, *SIZES)}
            results[f"{name}_per_class{suffix}"] = dict(zip(source.vocab, measured["per_class"], strict=True))
            columns[kind] += detections
        columns["ids"] += [source.ids[row] for row in rows]
        columns["part"] += [part] * len(rows)
        columns["rows"] += rows.tolist()
        columns["targets"] += targets
        if part == parts[-1]:
            curves = measured["precision50"]
            results |= _ablation(learn, seen, shown or part)
            results |= _speed(learn, dl)
    if tta:
        results["tta_views"] = 2
    write_json(run.file("results.json"), results)
    _write_predictions(run, source, columns, curves, parts[-1], codes)
    return results


def check_views(tta: int, keeps: Sequence[str]) -> None:
    """RecipeError where a number of views is none that a detector has.

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
    scaled = []
    for rows_of_image, row in zip(packed, rows, strict=True):
        height, width = source.sizes[row].tolist()
        seen = resized((height, width), size)
        factor = torch.tensor([width / seen[1], height / seen[0]] * 2)
        scaled.append(torch.cat([rows_of_image[:, :4] * factor, rows_of_image[:, 4:]], dim=1))
    return scaled


def _ablation(learn: DetectionLearner, seen: DetectionInterpretation, part: str) -> dict[str, Any]:
    if not learn.dls.source.modalities:
        return {}
    if len(seen.ids) > ABLATED:
        chosen = np.linspace(0, len(seen.ids) - 1, ABLATED).astype(int)
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
            _wait(frames)
            begun = time.perf_counter()
            model(frames, sizes)
            _wait(frames)
            times.append(time.perf_counter() - begun)
    ms = statistics.median(times) * 1000
    weights = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
    return {"ms_per_image": round(ms, 2), "fps": round(1000 / ms, 2), "megabytes": round(weights / 1e6, 2)}


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)


def _write_predictions(
    run: RunFolder, source: FrameSource, columns: dict[str, list], curves: np.ndarray, last: str, codes: bool
) -> None:
    """predictions.npz, .csv and .json, annotations.json, samples.npz; csv and json of the last part."""
    shown = columns["detections_tta"] or columns["detections"]
    arrays = {key: np.array(columns[key]) for key in ("ids", "part", "rows")}
    for key in ("targets", "detections", "detections_tta"):
        if columns[key]:
            arrays[key] = stack_rows(columns[key]).numpy()
    chosen = [number for number, part in enumerate(columns["part"]) if part == last]
    rows = [columns["rows"][number] for number in chosen]
    found = [shown[number] for number in chosen]
    ids = [columns["ids"][number] for number in chosen]
    write_detections(run, ids, found, source.vocab, codes)
    atomic_write(run.file("annotations.json"), to_json(coco_truth(source, rows)))
    write_samples(run, source, rows, found, [columns["targets"][number] for number in chosen])
    write_npz(run.file("predictions.npz"), **arrays, precision50=curves)  # last: with it a run counts as evaluated


def write_detections(
    run: RunFolder, ids: list[str], found: list[Tensor], vocab: list[str], codes: bool = False
) -> None:
    """predictions.csv, a line a box, and predictions.json, as COCO's results have it.

    ids: names of the images; their image_id is 1, 2, ... in this order. found: detections [D,6] of each.
    """
    lines, results = [], []
    for number, (name, rows) in enumerate(zip(ids, found, strict=True), 1):
        boxes, labels = unpack_boxes(rows)
        for (x1, y1, x2, y2), code, score in zip(
            boxes.tolist(), labels.tolist(), scores_of(rows).tolist(), strict=True
        ):
            box = {"x1": round(x1, 2), "y1": round(y1, 2), "x2": round(x2, 2), "y2": round(y2, 2)}
            lines.append({"ID": name, "Label": code if codes else vocab[code], "Score": round(score, 5), **box})
            coco = {"image_id": number, "category_id": code + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
            results.append(coco)
    header = "ID,Label,Score,x1,y1,x2,y2\n"
    atomic_write(run.file("predictions.csv"), csv_text(lines) if lines else header)
    atomic_write(run.file("predictions.json"), to_json(results))


def coco_truth(source: FrameSource, rows: list[int]) -> dict[str, Any]:
    """The truth of some frames as a COCO annotation file whose image ids are 1, 2, ... in the order of `rows`."""
    images, annotations = [], []
    for number, row in enumerate(rows, 1):
        height, width = source.sizes[row].tolist()
        images.append({"id": number, "file_name": source.ids[row], "height": height, "width": width})
        for (x1, y1, x2, y2), code in zip(source.boxes[row].tolist(), source.codes[row].tolist(), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": code + 1, "bbox": box}
            annotations.append({**entry, "area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": code + 1, "name": name} for code, name in enumerate(source.vocab)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_samples(
    run: RunFolder, source: FrameSource, rows: list[int], found: list[Tensor], targets: list[Tensor]
) -> None:
    """Keep the frames of the worst and of evenly spaced images, so that pictures can be drawn from the files alone.

    rows: of the source; found, targets: detections [D,6] and truth [M,5] of each, in pixels of the stored frames.
    """
    wrong = [sum(image_errors(*pair)) for pair in zip(found, targets, strict=True)]
    chosen = {
        "worst": np.argsort(-np.array(wrong), kind="stable")[:SAMPLES],
        "spread": np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).astype(int),
    }
    arrays: dict[str, np.ndarray] = {}
    for name, numbers in chosen.items():
        frames, truth, boxes = [], [], []
        for number in numbers:
            height, width = source.sizes[rows[number]].tolist()
            size = resized((height, width), min(SAMPLE_SIDE, max(height, width)))
            frame = torch.from_numpy(source.frame(rows[number]))[None]
            frames.append((nn.functional.interpolate(frame, size, mode="area")[0] * 255).to(torch.uint8))
            factor = torch.tensor([size[1] / width, size[0] / height] * 2)
            truth.append(torch.cat([targets[number][:, :4] * factor, targets[number][:, 4:]], 1))
            boxes.append(torch.cat([found[number][:, :4] * factor, found[number][:, 4:]], 1))
        sizes = np.array([frame.shape[1:] for frame in frames])
        padded = np.zeros((len(frames), source.channels, *sizes.max(axis=0)), np.uint8)
        for place, frame in zip(padded, frames, strict=True):
            place[:, : frame.shape[1], : frame.shape[2]] = frame
        arrays |= {name: numbers, f"{name}_frames": padded, f"{name}_sizes": sizes}
        arrays |= {f"{name}_targets": stack_rows(truth).numpy(), f"{name}_found": stack_rows(boxes).numpy()}
    write_npz(run.file("samples.npz"), **arrays)
