"""Comparisons that refuse what cannot be compared."""

import io
import shutil

import pytest
from rich.console import Console

from learnerkit.core.errors import RunError
from learnerkit.core.files import read_json, write_json
from learnerkit.runs.compare import compare_runs, print_comparison, verdict, write_comparison
from tests.runs.fake import fake_run


def test_comparison_ranks_groups_and_tests(tmp_path):
    for seed in (1, 2, 3):
        for fusion, accuracy in (("concat", 0.9), ("add", 0.88), ("max", 0.6)):
            fake_run(tmp_path, f"{fusion}-{seed}", fusion, seed, accuracy)
    fake_run(tmp_path, "broken", "gated", 1, 0.99, state="failed")
    found = compare_runs(tmp_path)
    best, second, worst = found.rows
    assert [row["variant"] for row in found.rows] == ["concat", "add", "max"] and best["n"] == 3
    assert best["test_accuracy"] == pytest.approx(0.9) and best["seeds"] == "1 2 3" and best["holm_p"] is None
    assert second["difference"] == pytest.approx(0.02, abs=1e-5) and worst["ci_low"] > 0.2 and worst["holm_p"] < 1e-6
    assert found.varying == ["model.fusion"] and "broken: is failed" in found.unfinished[0]
    assert found.left_out == found.unfinished
    assert verdict(found).startswith("Of 9 finished of 10 runs: Best on valid: concat")
    assert "better than max" in verdict(found)
    page = write_comparison(found)
    text = page.read_text()
    assert "&lt; .0001" in text and "broken: is failed" in text and text.count("data:image/png") == 2
    for name in ("comparison_table.csv", "fusion_comparison.png", "all_training_curves.png"):
        assert (tmp_path / name).stat().st_size > 100
    console = Console(width=100, record=True, file=io.StringIO())
    print_comparison(found, console)
    assert "Best on valid: concat (valid 89.00%, test 90.00% on 200 test samples)" in console.export_text().replace(
        "\n", ""
    )


def test_other_test_samples_cannot_be_ranked(tmp_path):
    fake_run(tmp_path, "a", "concat", 1, 0.9)
    fake_run(tmp_path, "b", "add", 1, 0.8, test="u")
    with pytest.raises(RunError, match=r"different test samples and cannot be ranked(?s:.)*: a\n(?s:.)*: b"):
        compare_runs(tmp_path)
    with pytest.raises(RunError, match="no finished run"):
        compare_runs(tmp_path / "nothing")


def test_the_verdict_does_not_contradict_the_figures(tmp_path):
    """Three seeds that err on different samples beat, averaged, three that err on the same: then nothing is claimed."""
    for seed in (1, 2, 3):
        fake_run(tmp_path, f"a{seed}", "concat", 1, 0.85)
        write_json(tmp_path / f"a{seed}" / "run.json", {**read_json(tmp_path / f"a{seed}" / "run.json"), "seed": seed})
        fake_run(tmp_path, f"b{seed}", "add", seed, 0.8, roll=60 * seed)
    found = compare_runs(tmp_path)
    best, other = found.rows
    assert best["variant"] == "concat" and other["ensemble_accuracy"] > best["ensemble_accuracy"]
    assert "not to be told apart from add" in verdict(found)


def test_repeats_and_other_data_are_not_seeds(tmp_path):
    first = fake_run(tmp_path, "a", "concat", 1, 0.9)
    shutil.copytree(first.path, tmp_path / "copy")
    other = fake_run(tmp_path, "b", "concat", 1, 0.8)
    described = {**read_json(other.file("run.json")), "fingerprint": "other"}
    described["resolved"]["data"]["path"] = "x/late_layers"
    write_json(other.file("run.json"), described)
    found = compare_runs(tmp_path)
    assert [row["n"] for row in found.rows] == [1, 1] and found.varying == ["data"]
    assert found.rows[1]["variant"] == "x/late_layers" and found.left_out == ["copy: repeats seed 1 of a"]
    other.set_status("done")
    other.file("status.json").write_text("[]")
    assert any(line.startswith("b: ") for line in compare_runs(tmp_path).unfinished)
