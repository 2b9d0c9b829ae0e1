"""Detections with planted errors of known kinds, and finished runs of them, made without a training."""

import numpy as np
import torch

from learnerkit.core.files import write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.detect.boxes import pack_boxes, pack_detections
from learnerkit.detect.error_kinds import KINDS
from learnerkit.detect.files import write_detection_files
from learnerkit.detect.metrics import average_precision

SIDE = 20.0  # pixels of an object
PLACES = [(x, y) for y in range(10, 300, 60) for x in range(10, 400, 60)]  # corners that lie far apart


def planted_image(rng, planted, n_classes, right=3):
    """Truth and detections of an image with so many right boxes and, of each kind, as many errors as are planted."""
    wanted = ["right"] * right + [kind for kind in KINDS for _ in range(planted.get(kind, 0))]
    objects, codes, boxes, said, scores = [], [], [], [], []
    for place, kind in zip(rng.permutation(len(PLACES))[: len(wanted)], wanted, strict=True):
        x, y = PLACES[place]
        box, code = np.array([x, y, x + SIDE, y + SIDE]), int(rng.integers(n_classes))
        other, score = (code + 1 + int(rng.integers(n_classes - 1))) % n_classes, rng.uniform(0.55, 0.99)
        if kind != "background":
            objects.append(box)
            codes.append(code)
        beside = box + np.array([0.7, 0, 0.7, 0]) * SIDE * 0.7  # an overlap of about .34
        found = {
            "right": [(box, code)],
            "class": [(box, other)],
            "localisation": [(beside, code)],
            "both": [(beside, other)],
            "duplicate": [(box, code), (box + 1, code)],
            "background": [(box, code)],
            "missed": [],
        }[kind]
        for number, (place_of, named) in enumerate(found):
            boxes.append(place_of)
            said.append(named)
            scores.append(score - 0.01 * number)
    truth = pack_boxes(as_rows(objects), torch.tensor(codes), 1)
    return truth, pack_detections(as_rows(boxes), torch.tensor(said), torch.tensor(scores), max(1, len(boxes)))


def as_rows(boxes):
    return torch.tensor(np.array(boxes).reshape(-1, 4), dtype=torch.float32)


def planted_set(seed, planted, images=6, n_classes=4):
    """Detections and truth of several such images."""
    rng = np.random.default_rng(seed)
    pairs = [planted_image(rng, planted, n_classes) for _ in range(images)]
    return [found for _, found in pairs], [truth for truth, _ in pairs]


def fake_detector(out, name, source, detections, targets, seed=1, part="test", state="done", **results):
    """A finished run on a whole set, as its files say it.

    source: the set, of which all frames are `part`; detections, targets: of each frame.
    """
    run = RunFolder.create(out, name)
    resolved = {"seed": seed, "model": {"arch": name.split("-")[0]}, "data": {"path": "p", "split_seed": 42}}
    described = {"task": "detect", "recipe": {"dls": None, "learner": None}, "resolved": resolved, "seed": seed}
    described |= {"classes": source.vocab, "data": {"modalities": list(source.modalities)}, "device": {}}
    write_json(run.file("run.json"), described)
    rows = list(range(len(source)))
    columns = {"ids": [source.ids[row] for row in rows], "part": [part] * len(rows), "rows": rows}
    columns |= {"targets": targets, "detections": detections}
    measured = average_precision(detections, targets, len(source.vocab))
    write_detection_files(run, source, columns, measured["precision50"], part, False)
    figures = {f"{part}_{key}": measured[key] for key in ("mAP", "mAP50", "mAP75", "mAP_small")}
    figures[f"{part}_per_class"] = dict(zip(source.vocab, measured["per_class"], strict=True))
    figures |= {"parameters": 1000, "megabytes": 4.0, "ms_per_image": 5.0, "fps": 200.0, "seconds": 3.0}
    run.write_results({**figures, **results})
    run.set_status(state)
    run.unlock()
    return run
