"""A detector's training step and evaluation beside torchvision's, and average precision beside the reference libraries.

python benchmarks/detection.py [--rounds 5]
"""

import sys
import time
from functools import partial

from kit.command import main
from kit.question import Contender, Setting, Table

HEIGHT, WIDTH, BS = 240, 320, 2


def boxes_and_codes():
    import torch

    corners = torch.rand(BS, 6, 2) * torch.tensor([WIDTH - 70.0, HEIGHT - 70.0])
    return torch.cat([corners, corners + 10 + torch.rand(BS, 6, 2) * 50], dim=2), torch.randint(0, 3, (BS, 6))


def ours(limits):
    """learnerkit's mit_b0 with two streams: the model, its losses on two frames, its detections on one."""
    import torch

    from learnerkit.all import create_model
    from learnerkit.detect.boxes import pack_boxes

    torch.manual_seed(0)
    boxes, codes = boxes_and_codes()
    own = {"anchors": [9, 18, 36, 72, 144], "box_batch_size_per_image": 64, **limits}
    model = create_model("detect:mit_b0", 5, 3, **own)
    frames, sizes = torch.rand(BS, 5, HEIGHT, WIDTH), torch.tensor([[HEIGHT, WIDTH]] * BS)
    targets = torch.stack([pack_boxes(b, c, 6) for b, c in zip(boxes, codes, strict=True)])
    return model, lambda: model(frames, sizes, targets)[1], lambda: model(frames[:1], sizes[:1])


def torchvisions():
    import torch
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    torch.manual_seed(0)
    boxes, codes = boxes_and_codes()
    none = {"weights": None, "weights_backbone": None, "trainable_backbone_layers": 5}
    model = fasterrcnn_resnet50_fpn(num_classes=4, **none, min_size=HEIGHT, max_size=WIDTH)
    frames = list(torch.rand(BS, 3, HEIGHT, WIDTH))
    truth = [{"boxes": b, "labels": c + 1} for b, c in zip(boxes, codes, strict=True)]
    return model, lambda: model(frames, truth), lambda: model(frames[:1])


def step(build, setting: Setting):
    """Seconds of a step; as facts the milliseconds of an evaluated frame and the parameters."""
    import torch

    model, losses, detect = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def run():
        model.train()
        start = time.perf_counter()
        optimizer.zero_grad()
        sum(losses().values()).backward()
        optimizer.step()
        seconds = time.perf_counter() - start
        model.eval()
        with torch.no_grad():
            start = time.perf_counter()
            detect()
        frame = (time.perf_counter() - start) * 1000
        return {"figure": seconds, "frame": frame, "parameters": sum(p.numel() for p in model.parameters())}

    return run


def scenes(setting: Setting):
    """Images with true boxes and detections near them: [(boxes, classes, scores, true boxes, true classes)]."""
    import numpy as np

    rng, found = np.random.default_rng(0), []
    for _ in range(setting.of(20, 200, 500)):
        n = rng.integers(1, 15)
        corner, side = rng.random((n, 2)) * 400, 10 + rng.random((n, 2)) * 200
        truth, codes = np.concatenate([corner, corner + side], axis=1), rng.integers(0, 10, n)
        moved = truth + rng.normal(0, 8, truth.shape) * (rng.random((n, 1)) < 0.7)
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        wrong = rng.integers(0, 4)
        corner, side = rng.random((wrong, 2)) * 400, 10 + rng.random((wrong, 2)) * 100
        boxes = np.concatenate([moved, np.concatenate([corner, corner + side], axis=1)])
        said = np.concatenate(
            [np.where(rng.random(n) < 0.85, codes, rng.integers(0, 10, n)), rng.integers(0, 10, wrong)]
        )
        found.append(
            (boxes.astype(np.float32), said, rng.random(n + wrong).astype(np.float32), truth.astype(np.float32), codes)
        )
    return found


def timed(compute):
    """Seconds, and the mAP, which shows that the same was computed."""
    start = time.perf_counter()
    value = compute()
    return {"figure": time.perf_counter() - start, "mAP": f"{float(value):.6f}"}


def direct(package, setting: Setting):
    """pycocotools or faster-coco-eval by hand."""
    import contextlib
    import importlib
    import io

    if package == "pycocotools":
        coco = importlib.import_module("pycocotools.coco").COCO
        evaluator = importlib.import_module("pycocotools.cocoeval").COCOeval
    else:
        module = importlib.import_module("faster_coco_eval")
        coco, evaluator = module.COCO, module.COCOeval_faster

    def wide(boxes):
        return [[float(a), float(b), float(c - a), float(d - b)] for a, b, c, d in boxes.astype("float64")]

    given = scenes(setting)

    def compute():
        truth, found = [], []
        for image, (boxes, codes, scores, true_boxes, true_codes) in enumerate(given, 1):
            for box, code in zip(wide(true_boxes), true_codes, strict=True):
                area = {"area": box[2] * box[3], "iscrowd": 0, "id": len(truth) + 1}
                truth.append({"image_id": image, "category_id": int(code) + 1, "bbox": box, **area})
            for box, code, score in zip(wide(boxes), codes, scores, strict=True):
                found.append({"image_id": image, "category_id": int(code) + 1, "bbox": box, "score": float(score)})
        with contextlib.redirect_stdout(io.StringIO()):
            reference = coco()
            images = [{"id": number, "width": 640, "height": 640} for number in range(1, len(given) + 1)]
            kinds = [{"id": code, "name": str(code)} for code in range(1, 11)]
            reference.dataset = {"images": images, "annotations": truth, "categories": kinds, "info": {}}
            reference.createIndex()
            judged = evaluator(reference, reference.loadRes(found), "bbox")
            judged.evaluate()
            judged.accumulate()
            judged.summarize()
        return judged.stats[0]

    return lambda: timed(compute)


def by_torchmetrics(backend, setting: Setting):
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    given = [[torch.from_numpy(part) for part in one] for one in scenes(setting)]

    def compute():
        metric = MeanAveragePrecision(backend=backend)
        metric.warn_on_many_detections = False
        found = [{"boxes": boxes, "labels": codes, "scores": scores} for boxes, codes, scores, _, _ in given]
        metric.update(found, [{"boxes": boxes, "labels": codes} for _, _, _, boxes, codes in given])
        return metric.compute()["map"]

    return lambda: timed(compute)


def learnerkit(setting: Setting):
    import torch

    from learnerkit.detect.boxes import pack_boxes
    from learnerkit.detect.metrics import average_precision

    found, truth = [], []
    for one in scenes(setting):
        boxes, codes, scores, true_boxes, true_codes = map(torch.from_numpy, one)
        found.append(torch.cat([boxes, codes[:, None].float(), scores[:, None]], dim=1))
        truth.append(pack_boxes(true_boxes, true_codes, len(true_codes)))
    return lambda: timed(lambda: average_precision(found, truth)["mAP"])


SAMPLED = {"proposals": (2000, 1000), "box_batch_size_per_image": 512}
REGIONS = "512 regions sampled, 2000 and 1000 proposals, as torchvision's"
TABLES = {
    "step": Table(
        title="A detector's step",
        asks="How long do a training step on two frames of 240x320 with six boxes each and the evaluation of one frame "
        "take? Forward, backward, SGD; random weights, 3 classes, fp32; five channels (three for torchvision's).",
        unit="s a step",
        contenders={
            "torchvision fasterrcnn_resnet50_fpn": Contender(
                partial(step, torchvisions), "another backbone; min_size 240"
            ),
            "learnerkit mit_b0, two streams": Contender(partial(step, partial(ours, {}))),
            "the same, its limits as torchvision's": Contender(partial(step, partial(ours, SAMPLED)), REGIONS),
        },
        base="torchvision fasterrcnn_resnet50_fpn",
        columns={"ms a frame": "frame", "parameters": "parameters"},
        quick=False,
    ),
    "map": Table(
        title="Average precision",
        asks="How long does COCO's mAP of 500 images with about 3,700 boxes of 10 classes take?",
        unit="s",
        contenders={
            "pycocotools": Contender(partial(direct, "pycocotools")),
            "faster-coco-eval": Contender(partial(direct, "faster_coco_eval")),
            "torchmetrics on pycocotools": Contender(partial(by_torchmetrics, "pycocotools")),
            "torchmetrics on faster-coco-eval": Contender(partial(by_torchmetrics, "faster_coco_eval")),
            "learnerkit": Contender(learnerkit),
        },
        base="pycocotools",
        columns={"mAP": "mAP"},
    ),
}

if __name__ == "__main__":
    sys.exit(main("detection"))
