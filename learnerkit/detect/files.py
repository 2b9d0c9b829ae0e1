"""The files of an evaluated detector: detections as arrays, as a table and as COCO has them, and frames to be drawn."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit.core.files import atomic_write, to_json
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.tensors import write_npz
from learnerkit.data.split import evenly
from learnerkit.detect.boxes import rescale, scores_of, stack_rows, unpack_boxes
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.data.transforms import resized
from learnerkit.detect.error_kinds import RIGHT, judge
from learnerkit.detect.error_list import COLUMNS, SCORE, error_list

LEAST, MOST = 8, 24  # images kept for each gallery of the report, as many as there is room for
ROOM = 10_000_000  # bytes of their pixels, for each
SAMPLE_SIDE = 640  # pixels of the longer side that is kept of one, at most


def write_detection_files(
    run: RunFolder, source: FrameSource, columns: dict[str, list], curves: np.ndarray, last: str, codes: bool
) -> None:
    """predictions.npz, .csv and .json, errors.csv, annotations.json, samples.npz; all but the first of the last part.

    columns: a list a key: ids, part, rows (of the source), targets, detections and, with views, detections_tta.
    curves: precision at IoU .5 over recall, [101,K]. last: the part. codes: class indices in the csv files.
    """
    final = columns.get("detections_tta", columns["detections"])
    arrays = {key: np.array(columns[key]) for key in ("ids", "part", "rows")}
    for key in ("targets", "detections", "detections_tta"):
        if key in columns:
            arrays[key] = stack_rows(columns[key]).numpy()
    chosen = [number for number, part in enumerate(columns["part"]) if part == last]
    rows = [columns["rows"][number] for number in chosen]
    found = [final[number] for number in chosen]
    ids = [columns["ids"][number] for number in chosen]
    write_detections(run, ids, found, source.vocab, codes)
    targets = [columns["targets"][number] for number in chosen]
    errors = error_list(found, targets, ids, range(len(source.vocab)) if codes else source.vocab, SCORE)
    atomic_write(run.file("errors.csv"), csv_text(errors) if errors else ",".join(COLUMNS) + "\n")
    atomic_write(run.file("annotations.json"), to_json(coco_truth(source, rows)))
    write_samples(run, source, rows, found, targets)
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
        for x1, y1, x2, y2, code in source.ignored[row].tolist():
            box = [x1, y1, x2 - x1, y2 - y1]
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": int(code) + 1, "bbox": box}
            annotations.append({**entry, "area": box[2] * box[3], "iscrowd": 1})
    categories = [{"id": code + 1, "name": name} for code, name in enumerate(source.vocab)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_samples(
    run: RunFolder, source: FrameSource, rows: list[int], found: list[Tensor], targets: list[Tensor]
) -> None:
    """Keep the frames of the worst and of evenly spaced images, so that pictures can be drawn from the files alone.

    rows: of the source; found, targets: detections [D,6] and truth [M,5] of each, in pixels of the stored frames.
    """
    judged = judge(found, targets, SCORE)
    wrong = np.bincount(judged.image[judged.kind != RIGHT], minlength=len(rows))
    kept, side = sample_room(source.channels, source.sizes[rows])
    chosen = {"worst": np.argsort(-wrong, kind="stable")[:kept], "spread": evenly(len(rows), kept)}
    arrays: dict[str, np.ndarray] = {}
    for name, numbers in chosen.items():
        frames, truth, boxes = [], [], []
        for number in numbers:
            height, width = source.sizes[rows[number]].tolist()
            size = resized((height, width), min(side, max(height, width)))
            frame = torch.from_numpy(source.frame(rows[number]))[None]
            shown = nn.functional.interpolate(frame, size, mode="area")[0].clamp(0, 1)
            frames.append((shown * 255).to(torch.uint8))
            truth.append(rescale(targets[number], (height, width), size))
            boxes.append(rescale(found[number], (height, width), size))
        sizes = np.array([frame.shape[1:] for frame in frames])
        padded = np.zeros((len(frames), source.channels, *sizes.max(axis=0)), np.uint8)
        for place, frame in zip(padded, frames, strict=True):
            place[:, : frame.shape[1], : frame.shape[2]] = frame
        arrays |= {name: numbers, f"{name}_frames": padded, f"{name}_sizes": sizes}
        arrays |= {f"{name}_targets": stack_rows(truth).numpy(), f"{name}_found": stack_rows(boxes).numpy()}
    write_npz(run.file("samples.npz"), **arrays)


def sample_room(channels: int, sizes: np.ndarray) -> tuple[int, int]:
    """How many frames a gallery keeps, and pixels of their longer side at most: many small ones, or a few large.

    sizes: heights and widths of the frames [N,2].
    """
    side = min(SAMPLE_SIDE, int(sizes.max()))
    shown = np.array([resized(tuple(size), min(side, max(size))) for size in sizes.tolist()])
    one = channels * int(shown.max(axis=0).prod())  # they are padded to the largest
    kept = min(MOST, max(LEAST, ROOM // one))
    return kept, side if kept * one <= ROOM else int(side * (ROOM / (kept * one)) ** 0.5)
