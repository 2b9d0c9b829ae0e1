"""Average precision of resampled images: equal to measuring each resample anew; intervals that tell detectors apart."""

import numpy as np
import pytest
import torch
from scipy import stats

from learnerkit.core.finished import Comparison, Finished
from learnerkit.core.statistics import holm
from learnerkit.detect.compare import COLUMNS, apart, verdict
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
        shown = {column.head: column.text(row) for column in COLUMNS}
        assert [shown["behind the first"], shown["95 % interval"]] == [
            f"{row['difference']:.4f}",
            f"{row['ci_low']:.4f} to {row['ci_high']:.4f}",
        ]
    said = verdict(Comparison(None, "detect", runs, [], rows))
    assert "ahead of worse" in said and "not to be told apart from" in said
    errors = [row["difference_se"] for row in rows[1:]]
    plain = [2 * stats.norm.sf(abs(row["difference"]) / error) for row, error in zip(rows[1:], errors, strict=True)]
    assert [row["holm_p"] for row in rows[1:]] == pytest.approx(holm(plain))
    assert apart(rows[0], by_name["worse"]) == 1 and by_name["worse"]["holm_p"] < 0.05
    (alone,) = compared({"good": runs[:1]})
    said = verdict(Comparison(None, "detect", runs[:1], [], [alone]))
    assert said.endswith(
        "there is no other to compare it with; fastest: good, 5.0 ms/image; smallest: good, 10 parameters."
    )


@pytest.mark.parametrize(
    ("low", "high", "p", "told"),
    [(0.1, 0.2, 0.01, 1), (-0.2, -0.1, 0.01, -1), (0.1, 0.2, 0.2, 0), (-0.1, 0.2, 0.01, 0)],
)
def test_interval_and_corrected_p_have_to_agree(low, high, p, told):
    assert apart({}, {"ci_low": low, "ci_high": high, "holm_p": p}) == told
    assert apart({}, {"ci_low": None, "ci_high": None, "holm_p": None}) == 0


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


def test_frames_of_a_group_are_drawn_together():
    """Three copies of every frame, each with its own, say no more than one: the same interval, not a narrower one."""
    found, truth = random_set(0, images=30)
    found = [rows.float() for rows in distinct(found)]
    worse = [rows.clone() for rows in found]
    for rows in worse:
        rows[::2, 4] = -1
    pairs = {"good": found, "worse": worse}
    (alone,) = compared({name: [run(name, boxes, truth)] for name, boxes in pairs.items()})[1:]
    thrice = {
        name: [run(name, [rows for rows in boxes for _ in range(3)], [t for t in truth for _ in range(3)])]
        for name, boxes in pairs.items()
    }
    (narrow,) = compared(thrice)[1:]
    for members in thrice.values():
        members[0].groups = np.repeat(np.arange(30), 3)
    (grouped,) = compared(thrice)[1:]
    for key in ("difference", "ci_low", "ci_high"):
        assert grouped[key] == pytest.approx(alone[key], abs=1e-6)
    assert narrow["ci_high"] - narrow["ci_low"] < 0.7 * (grouped["ci_high"] - grouped["ci_low"])
    for members in thrice.values():
        members[0].groups = np.zeros(90, np.int64)
    (one,) = compared(thrice)[1:]
    assert one["ci_low"] is None and one["difference"] == pytest.approx(alone["difference"], abs=1e-6)


def test_the_detector_is_chosen_on_valid():
    found, truth = random_set(0, images=20)
    found = [rows.float() for rows in distinct(found)]
    none = [rows.clone() for rows in found]
    for rows in none:
        rows[::2, 4] = -1
    steady, lucky = run("steady", none, truth), run("lucky", found, truth)
    steady.results["valid_mAP"], lucky.results["valid_mAP"] = 0.5, 0.4
    rows = compared({"lucky": [lucky], "steady": [steady]})
    assert [row["variant"] for row in rows] == ["steady", "lucky"] and [row["rank_accuracy"] for row in rows] == [1, 2]
    assert rows[1]["difference"] < 0 and rows[1]["ci_high"] < 0
    said = verdict(Comparison(None, "detect", [steady, lucky], [], rows))
    assert said.startswith("Best on valid: steady (valid mAP 0.5000, test mAP")
    assert "behind lucky on other images too (interval below 0)" in said
