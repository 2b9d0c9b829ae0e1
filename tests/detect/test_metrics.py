"""Average precision: by hand, and equal to pycocotools."""

import contextlib
import io

import numpy as np
import pytest
import torch

from learnerkit.core.errors import LearnerkitError
from learnerkit.detect import metrics as measuring
from learnerkit.detect.boxes import pack_boxes, pack_detections, scores_of, unpack_boxes
from learnerkit.detect.metrics import BoxMAP, average_precision, detection_metrics, need_detect
from tests.scenes import random_set


def test_average_precision_of_three_boxes_by_hand():
    """Two objects; by score: right, wrong, right. Precision is 1 up to recall .5 and 2/3 from there to 1.

    At 101 recalls: 51 times 1 and 50 times 2/3, so AP50 = (51 + 50 * 2/3) / 101 = .8350.
    """
    truth = [pack_boxes(boxes([0, 0, 10, 10], [50, 50, 60, 60]), torch.tensor([0, 0]), 2)]
    places = boxes([0, 0, 10, 10], [80, 80, 90, 90], [50, 50, 60, 60])
    found = [pack_detections(places, torch.zeros(3), torch.tensor([0.9, 0.8, 0.7]), 5)]
    measured = average_precision(found, truth, 1)
    expected = (51 + 50 * 2 / 3) / 101
    for key in ("mAP", "mAP50", "mAP75", "mAP_small"):
        assert measured[key] == pytest.approx(expected, abs=1e-6), key
    assert measured["mAP_large"] is None
    assert [*measured["per_class"], *measured["per_class50"]] == pytest.approx([expected] * 2, abs=1e-6)
    assert measured["precision50"][:, 0] == pytest.approx([1] * 51 + [2 / 3] * 50)


def test_an_overlap_of_sixty_percent_counts_at_three_of_ten_thresholds():
    truth = [pack_boxes(boxes([0, 0, 10, 10]), torch.tensor([0]), 1)]
    found = [pack_detections(boxes([0, 0, 10, 6.2]), torch.zeros(1), torch.tensor([0.5]), 1)]
    measured = average_precision(found, truth)
    assert measured["mAP50"] == pytest.approx(1) and measured["mAP75"] == pytest.approx(0)
    assert measured["mAP"] == pytest.approx(0.3)  # .5, .55, .6


def test_classes_without_objects_are_left_out():
    truth = [pack_boxes(boxes([0, 0, 10, 10]), torch.tensor([2]), 1)]
    found = [pack_detections(boxes([0, 0, 10, 10], [3, 3, 9, 9]), torch.tensor([2, 0]), torch.tensor([0.5, 0.9]), 3)]
    measured = average_precision(found, truth, 4)
    assert measured["per_class"] == [None, None, pytest.approx(1), None] and measured["mAP"] == pytest.approx(1)
    nothing = average_precision([found[0][:0]], [truth[0][:0]], 4)
    assert nothing["mAP"] is None and nothing["per_class"] == [None] * 4


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_pycocotools(seed):
    coco_module, evaluate = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    found, truth = random_set(seed)
    annotations, results = [], []
    for image, (rows, objects) in enumerate(zip(found, truth, strict=True), 1):
        for (x1, y1, x2, y2), code in zip(*(part.tolist() for part in unpack_boxes(objects)), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            entry = {"image_id": image, "category_id": code, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **entry})
        held, codes = unpack_boxes(rows)
        for (x1, y1, x2, y2), code, score in zip(held.tolist(), codes.tolist(), scores_of(rows).tolist(), strict=True):
            results.append({"image_id": image, "category_id": code, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score})
    coco = coco_module.COCO()
    coco.dataset = {
        "images": [{"id": number} for number in range(1, len(found) + 1)],
        "annotations": annotations,
        "categories": [{"id": code} for code in range(5)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluator = evaluate.COCOeval(coco, coco.loadRes(results), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    measured = average_precision(found, truth, 5)
    keys = ("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large")
    for key, expected in zip(keys, evaluator.stats[:6], strict=True):
        assert measured[key] == pytest.approx(expected, abs=1e-6), key
    precision = evaluator.eval["precision"][:, :, :, 0, -1]
    assert measured["per_class"] == pytest.approx(precision.mean(axis=(0, 1)).tolist(), abs=1e-6)
    assert np.allclose(measured["precision50"], precision[0], atol=1e-6)


def test_three_figures_are_measured_once(monkeypatch):
    calls = []
    monkeypatch.setattr(
        measuring, "average_precision", lambda *given: calls.append(1) or {"mAP": 1, "mAP50": 2, "mAP75": 3}
    )
    metrics = detection_metrics()
    assert [metric.value for metric in metrics] == [1, 2, 3] and len(calls) == 1
    assert [metric.name for metric in metrics] == ["mAP", "mAP50", "mAP75"] and isinstance(metrics[0], BoxMAP)


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchmetrics.detection", None)
    with pytest.raises(LearnerkitError, match=r"pip install 'learnerkit\[detect\]'"):
        need_detect()


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
