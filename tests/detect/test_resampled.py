"""Average precision of resampled images: equal to measuring each resample anew; intervals that tell detectors apart."""

import numpy as np
import pytest
import torch

from learnerkit.core.finished import Comparison, Finished
from learnerkit.detect.compare import COLUMNS, verdict
from learnerkit.detect.compare import rows as compared
from learnerkit.detect.metrics import average_precision
from learnerkit.detect.resampled import resampled_map
from tests.scenes import random_set


def distinct(found, seed=0):
    """Detections without equal scores, whose order nobody promises."""
    rng = np.random.default_rng(seed)
    return [rows + torch.tensor([0, 0, 0, 0, 0, 1.0]) * torch.from_numpy(rng.random((len(rows), 1))) for rows in found]


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_measuring_the_repeated_images(seed):
    found, truth = random_set(seed)
    found = [rows.float() for rows in distinct(found)]
    n = len(found)
    counts = np.concatenate([np.ones((1, n), int), np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), 4)])
    for value, times in zip(resampled_map(found, truth, counts), counts, strict=True):
        chosen = np.repeat(np.arange(n), times)
        again = average_precision([found[i] for i in chosen], [truth[i] for i in chosen])
        assert value == pytest.approx(again["mAP"], abs=1e-6)


def test_a_resample_without_any_object_has_no_figure(monkeypatch):
    found, truth = random_set(1, images=6)
    empty = [rows[:0] for rows in truth[:1]] + truth[1:]
    values = resampled_map(found, empty, np.array([[6, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]]))
    assert np.isnan(values[0]) and not np.isnan(values[1])
    assert resampled_map(found, empty, np.ones((1, 6), int))[0] == values[1]
    monkeypatch.setattr("learnerkit.detect.resampled.CELLS", 1)  # a resample at a time
    assert resampled_map(found, empty, np.array([[6, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]]))[1] == values[1]


def run(label, found, truth, seed=1):
    """A finished run with the given boxes."""
    measured = average_precision(found, truth)
    results = {f"test_{key}": measured[key] for key in ("mAP", "mAP50", "mAP75")}
    results |= {"parameters": 10, "megabytes": 1.0, "ms_per_image": 5.0, "fps": 200.0, "seconds": 1.0}
    most = max(map(len, truth))
    boxes = {"detections": torch.stack(list(found)).numpy()}
    boxes["truth"] = torch.stack([torch.cat([t, t.new_full((most - len(t), 5), -1)]) for t in truth]).numpy()
    described = {"task": "detect", "resolved": {"seed": seed}}
    return Finished(None, described, results, [], "test", len(found), "hash", boxes, label=label)


def test_detectors_are_told_apart_where_the_images_say_so():
    found, truth = random_set(0, images=60)
    found = [rows.float() for rows in distinct(found)]
    worse = [rows.clone() for rows in found]
    for rows in worse:
        rows[::2, 4] = -1  # half of its detections are lost
    hair = [rows.clone() for rows in found]
    hair[7][:, 4] = -1  # those of one image are
    runs = [run("good", found, truth), run("worse", worse, truth), run("hair", hair, truth)]
    rows = compared({item.label: [item] for item in runs})
    by_name = {row["variant"]: row for row in rows}
    assert rows[0]["ci_low"] is None and rows[0]["mAP"] == max(row["mAP"] for row in rows)
    assert by_name["worse"]["ci_low"] > 0
    for row in rows[1:]:
        assert row["ci_low"] <= row["difference"] <= row["ci_high"]
        assert row["difference"] == pytest.approx(rows[0]["mAP"] - row["mAP"])
        assert [column.text(row) for column in COLUMNS[6:8]] == [
            f"{row['difference']:.4f}",
            f"{row['ci_low']:.4f} to {row['ci_high']:.4f}",
        ]
    said = verdict(Comparison(None, "detect", runs, [], rows))
    assert "ahead of worse" in said and "not to be told apart from" in said


def test_seeds_of_a_variant_are_averaged_before_the_difference():
    found, truth = random_set(2, images=30)
    found = [rows.float() for rows in distinct(found)]
    none = [rows.clone() for rows in found]
    for rows in none:
        rows[:, 4] = -1
    rows = compared(
        {
            "steady": [run("steady", found, truth)],
            "one of two": [run("one of two", found, truth, 1), run("one of two", none, truth, 2)],
        }
    )
    best, other = rows
    assert other["difference"] == pytest.approx(best["mAP"] / 2) and other["mAP_std"] > 0
    assert other["ci_low"] > 0
