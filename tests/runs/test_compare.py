"""Comparisons: who is chosen, what is drawn, which runs are compared and which are left out, and how it looks."""

import io
import shutil

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from learnerkit.all import Run, fusion_learner, saliency_dls
from learnerkit.classify.compare import draw
from learnerkit.cli import main
from learnerkit.core.errors import RunError
from learnerkit.core.files import read_json, write_json
from learnerkit.core.members import groups_of
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.statistics import group_codes
from learnerkit.core.tensors import read_npz, write_npz
from learnerkit.pages.comparison import draw_all_courses
from learnerkit.runs.compare import compare_runs, print_comparison, verdict, write_comparison
from tests.pairs import write_pairs
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
    assert found.varying == ["model.fusion"] and "broken: failed" in found.unfinished[0]
    assert found.left_out == found.unfinished
    assert verdict(found).startswith("Of 9 finished of 10 runs: Best on valid: concat")
    assert "better than max" in verdict(found)
    page = write_comparison(found)
    text = page.read_text()
    assert "&lt; .0001" in text and "broken: failed" in text and text.count("data:image/png") == 2
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


# the choice


def test_valid_chooses_and_test_stands_beside(tmp_path):
    fake_run(tmp_path, "a", "add", 1, 0.6, valid=0.9)
    fake_run(tmp_path, "b", "concat", 1, 0.9, valid=0.8)
    found = compare_runs(tmp_path)
    first, second = found.rows
    assert [first["variant"], second["variant"]] == ["add", "concat"] and [first["place"], second["place"]] == [1, 2]
    assert second["difference"] == pytest.approx(-0.3) and second["ci_high"] < 0
    assert verdict(found) == (
        "Best on valid: add (valid 90.00%, test 60.00% on 200 test samples); on test it is worse than concat "
        "(Holm p < .05, interval below 0)."
    )
    table = (write_comparison(found).parent / "comparison_table.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table[1:]] == ["add", "concat"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"loss": 0.9}, {"loss": 0.5}, "max stands first for its lower loss there"),
        ({"parameters": 9}, {"parameters": 5}, "max stands first for its fewer parameters"),
        ({"loss": 0.5, "parameters": 9}, {"loss": 0.9, "parameters": 5}, "add stands first for its lower loss there"),
        ({}, {}, "add stands first for its name alone"),
    ],
)
def test_a_tie_is_said_as_one(tmp_path, first, second, said):
    fake_run(tmp_path, "a", "add", 1, 0.7, valid=0.9, **first)
    fake_run(tmp_path, "b", "max", 1, 0.8, valid=0.9, **second)
    fake_run(tmp_path, "c", "mean", 1, 0.99, valid=0.89)
    found = compare_runs(tmp_path)
    names = [row["variant"] for row in found.rows]
    assert [row["place"] for row in found.rows] == [1, 1, 3] and names[2] == "mean" and names[0] == said.split()[0]
    text = verdict(found)
    assert text.startswith(f"Tied on valid: {names[0]} and {names[1]} (valid 90.00%, test ") and said in text
    assert write_comparison(found).read_text().count('class="first"') == 2  # no winner by accident


def test_means_over_seeds_that_differ_by_rounding_are_a_tie(tmp_path):
    for seed, one, other in ((1, 0.1, 0.2), (2, 0.2, 0.2), (3, 0.3, 0.2)):
        fake_run(tmp_path, f"a{seed}", "add", seed, 0.7, valid=one)
        fake_run(tmp_path, f"b{seed}", "max", seed, 0.7, valid=other)
    assert [row["place"] for row in compare_runs(tmp_path).rows] == [1, 1]


def test_a_choice_that_favours_the_best_says_so(tmp_path):
    run = fake_run(tmp_path, "a", "add", 1, 0.7)
    write_json(run.file("run.json"), {**run.described(), "split": {"valid_is_test": True}})
    assert "valid and test are the same samples, which favours the best" in verdict(compare_runs(tmp_path))
    write_json(run.file("results.json"), {"test_accuracy": 0.7})
    run.file("history.jsonl").unlink()
    said = verdict(compare_runs(tmp_path))
    assert said.startswith("Best on test: all (test 70.00% on 200 test samples; without a figure on valid the choice")


def test_without_a_measured_valid_the_epoch_counts_whose_weights_were_kept(tmp_path):
    run = fake_run(tmp_path, "a", "add", 1, 0.7, epochs=3)
    write_json(run.file("run.json"), {**run.described(), "monitor": "accuracy", "mode": "max"})
    write_json(run.file("results.json"), {"test_accuracy": 0.7})
    (row,) = compare_runs(tmp_path).rows
    best = max(run.history(), key=lambda epoch: epoch["accuracy"])
    assert row["valid_accuracy"] == pytest.approx(best["accuracy"])
    assert row["valid_loss"] == pytest.approx(best["valid_loss"])


# groups


def test_three_copies_of_each_sample_are_no_more_than_one(tmp_path):
    """The runs' files say which samples belong together; a run of earlier times, without, is taken by the sample."""
    groups = np.repeat(np.arange(70), 3)
    for name, n, more in (("single", 70, {}), ("thrice", 210, {"groups": groups}), ("old", 210, {})):
        for fusion, accuracy in (("concat", 0.9), ("add", 0.7)):
            run = fake_run(tmp_path / name, fusion, fusion, 1, accuracy, n=n, **more)
            once = read_npz(tmp_path / "single" / fusion / "predictions.npz")
            ids = read_npz(run.file("predictions.npz"))["ids"]
            rows = np.repeat(np.arange(70), n // 70)
            more_of_it = {key: once[key][rows] for key in ("part", "targets", "probabilities")}
            write_npz(run.file("predictions.npz"), ids=ids, **more_of_it)
            write_json(run.file("results.json"), {**run.results(), "test_accuracy": accuracy})
    single, thrice, old = (compare_runs(tmp_path / name) for name in ("single", "thrice", "old"))
    for key in ("difference", "ci_low", "ci_high", "mcnemar_p"):
        assert thrice.rows[1][key] == pytest.approx(single.rows[1][key], abs=1e-6)
    assert old.rows[1]["mcnemar_p"] < single.rows[1]["mcnemar_p"] / 10
    assert old.rows[1]["ci_low"] > single.rows[1]["ci_low"]
    assert "on 210 test samples in 70 groups" in verdict(thrice) and "groups" not in verdict(old)
    assert "210 test samples in 70 groups that all runs share" in write_comparison(thrice).read_text()


def test_one_group_leaves_the_difference_without_an_interval(tmp_path):
    for fusion, accuracy in (("concat", 0.9), ("add", 0.5)):
        fake_run(tmp_path, fusion, fusion, 1, accuracy, groups=["one"] * 200)
    found = compare_runs(tmp_path)
    assert found.rows[1]["ci_low"] is None and found.rows[1]["holm_p"] == 1
    assert "not to be told apart from add" in verdict(found) and write_comparison(found).exists()


def test_where_runs_say_several_groups_the_fewest_are_drawn(tmp_path):
    fake_run(tmp_path, "a", "concat", 1, 0.9, groups=np.arange(200) // 2)
    fake_run(tmp_path, "b", "add", 1, 0.8, groups=np.arange(200) // 4)
    fake_run(tmp_path, "c", "max", 1, 0.7)
    assert compare_runs(tmp_path).measured_on == "200 test samples in 50 groups"


def test_a_training_keeps_the_groups_that_its_lot_did_not_divide(tmp_path):
    write_pairs(tmp_path / "pairs", layers=("early", "late"))
    learn = fusion_learner(
        saliency_dls(tmp_path / "pairs", bs=8), "wrn_10_1", fusion="add", cbs=Run(tmp_path, "a"), limit_batches=1
    )
    learn.logger = lambda row: None
    learn.fit(1)
    learn.run_folder.unlock()
    source, split = learn.dls.source, learn.dls.split
    for part in ("train", "valid", "test"):
        ids = [source.ids[row] for row in getattr(split, part)]
        found = groups_of(tmp_path / "a", part, ids)
        assert (found == group_codes(source.groups[getattr(split, part)])).all() and found.max() + 1 < len(ids)
        assert groups_of(tmp_path / "a", part, ["unknown", ids[0], "other"]).tolist() == [0, 1, 2]


# which runs


def test_several_folders_and_single_runs(tmp_path):
    for seed in (1, 2):
        fake_run(tmp_path / "a", f"run{seed}", "concat", seed, 0.9)
        fake_run(tmp_path / "b", f"run{seed}", "add", seed, 0.8)
    found = compare_runs([tmp_path / "a", str(tmp_path / "b" / "run2"), tmp_path / "a" / "run1"])
    assert [run.name for run in found.runs] == ["a/run1", "a/run2", "b/run2"]  # each once
    assert found.root == tmp_path and not found.left_out
    page = write_comparison(found)
    assert page.parent == tmp_path and "b/run2" in page.read_text()
    assert write_comparison(compare_runs(tmp_path / "a")).parent == tmp_path / "a"
    assert write_comparison(compare_runs([tmp_path / "a"])).parent == tmp_path / "a"
    with pytest.raises(RunError, match="which runs"):
        compare_runs([])


def test_several_folders_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fake_run(tmp_path / "runs" / "a", "x", "concat", 1, 0.9)
    fake_run(tmp_path / "runs" / "b", "y", "add", 1, 0.8)
    assert main(["compare", "runs/a", "runs/b/y"]) == 0
    said = capsys.readouterr().out
    assert "Best on valid: concat" in said and said.split()[-1] == "runs/comparison.html"
    assert main(["compare", "runs/a", "runs/b", "--out", "page"]) == 0
    assert (tmp_path / "page" / "comparison_table.csv").exists()
    assert main(["compare", "nothing", "runs/b"]) == 0
    assert "left out: nothing: no such folder" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert main(["compare", "nothing", "empty"]) == 2
    said = capsys.readouterr().err
    assert "holds no finished run" in said and "nothing: no such folder" in said and "empty: holds no run" in said


def test_what_cannot_be_compared_is_left_out_by_name(tmp_path):
    fake_run(tmp_path / "new", "a", "concat", 1, 0.9, test="u")
    for name, fusion in (("a", "concat"), ("b", "add")):
        fake_run(tmp_path / "sweep", name, fusion, 1, 0.8)
    other = fake_run(tmp_path / "sweep", "c", "max", 1, 0.7)
    write_json(other.file("run.json"), {**other.described(), "task": "classify"})
    unknown = fake_run(tmp_path / "sweep", "d", "max", 1, 0.7)
    write_json(unknown.file("run.json"), {**unknown.described(), "task": "cook"})
    fake_run(tmp_path / "sweep", "e", "mean", 1, 0.7).file("predictions.npz").write_bytes(b"no zip")
    fake_run(tmp_path / "sweep", "f", "gated", 1, 0.7, state="running")
    found = compare_runs([tmp_path / "new", tmp_path / "sweep"])
    assert [run.name for run in found.runs] == ["sweep/a", "sweep/b"]
    reasons = dict(line.split(": ", 1) for line in found.left_out)
    assert set(reasons) == {"new/a", *(f"sweep/{name}" for name in "cdef")}
    assert reasons["new/a"] == "was measured on other test samples (200) than the 200 of sweep/a"
    assert reasons["sweep/c"] == "is of the task classify, the others of fuse"
    assert "the task 'cook'" in reasons["sweep/d"] and "predictions.npz" in reasons["sweep/e"]
    assert reasons["sweep/f"] == "was killed" and "sweep/f: was killed" in found.unfinished
    assert "new/a" not in "".join(found.unfinished) and "Of 2 finished of 5 runs: " in verdict(found)
    page = write_comparison(found).read_text()
    assert all(name in page for name in reasons)


def test_of_equally_many_the_first_given_are_compared(tmp_path):
    for test in ("t", "u"):
        for fusion in ("concat", "add"):
            fake_run(tmp_path / test, fusion, fusion, 1, 0.8, test=test)
    for order in (["t", "u"], ["u", "t"]):
        found = compare_runs([tmp_path / name for name in order])
        assert {run.name.split("/")[0] for run in found.runs} == {order[0]} and len(found.left_out) == 2


def test_a_sweep_of_which_trials_have_no_run_announces_no_winner_silently(tmp_path):
    for fusion in ("concat", "add"):
        fake_run(tmp_path, f"fusion-{fusion}", fusion, 1, 0.8)
    trials = [{"trial": f"fusion-{name}", "state": "done", "reason": ""} for name in ("concat", "add")]
    trials += [
        {"trial": "fusion-max", "state": "failed", "reason": "killed by SIGKILL"},
        {"trial": "fusion-mean", "state": "waiting", "reason": ""},
    ]
    write_json(tmp_path / "sweep.json", {"trials": trials})
    found = compare_runs(tmp_path)
    assert found.unfinished == [
        "fusion-max: failed: killed by SIGKILL; it has no run",
        "fusion-mean: is waiting; it has no run",
    ]
    assert verdict(found).startswith("Of 2 finished of 4 runs: ")
    assert verdict(compare_runs([tmp_path / "fusion-add", tmp_path / "fusion-concat"])).startswith("Tied on valid")


def test_why_a_run_is_left_out_says_what_became_of_it(tmp_path):
    fake_run(tmp_path, "a", "add", 1, 0.8)
    fake_run(tmp_path, "stopped", "add", 2, 0.8, state="interrupted")
    fake_run(tmp_path, "held", "add", 3, 0.8, state="running")
    fake_run(tmp_path, "broken", "add", 4, 0.8).set_status("failed", error="out of memory")
    held = RunFolder(tmp_path / "held")
    held.lock()
    try:
        found = compare_runs(tmp_path).unfinished
    finally:
        held.unlock()
    assert found == ["broken: failed: out of memory", "held: is running", "stopped: was interrupted"]


def test_what_is_kept_and_how_it_is_called_makes_no_variant(tmp_path):
    for seed, extra in ((1, {}), (2, {"checkpoint_every": 5, "keep_last": 3, "save_top_k": 2, "keep_every": 1})):
        for fusion in ("add", "max"):
            run = fake_run(tmp_path, f"{fusion}{seed}", fusion, seed, 0.8)
            described = run.described()
            resolved = {**described["resolved"], "title": f"try {seed}", "train": {"lr": 0.1, **extra}}
            write_json(run.file("run.json"), {**described, "resolved": resolved})
    found = compare_runs(tmp_path)
    assert found.varying == ["model.fusion"] and [row["n"] for row in found.rows] == [2, 2]
    settings = found.runs[0].settings
    assert settings["train.lr"] == 0.1 and "title" not in settings


# how it looks


def settings_of_many(tmp_path, n, epochs=2):
    for number in range(n):
        model = {"depth": (0.5, 0.5 + number / 100), "squeeze": number % 2 == 0, "path": "/somewhere/x"}
        for seed in (1, 2):
            fake_run(
                tmp_path, f"{number}-{seed}", "concat", seed, 0.7, valid=0.9 - number / 50, model=model, epochs=epochs
            )
    return compare_runs(tmp_path)


@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_a_variant_is_a_line_in_a_band(tmp_path, n):
    found = settings_of_many(tmp_path, n)
    bars, points, curves = (figure := draw(found)).axes
    for panel in (curves, *(all_four := draw_all_courses(found, ("accuracy", "Accuracy"))).axes):
        assert len(panel.lines) == len(panel.collections) == n
    rows = [[epoch["accuracy"] for epoch in run.history] for run in found.runs if run.label == found.rows[0]["variant"]]
    assert curves.lines[0].get_ydata() == pytest.approx(np.mean(rows, axis=0))
    band = curves.collections[0].get_datalim(curves.transData)
    assert (band.ymin, band.ymax) == pytest.approx((np.min(rows), np.max(rows)))
    assert len({(line.get_color(), line.get_linestyle()) for line in curves.lines}) == n
    for picture, panels in ((figure, (points, curves)), (all_four, all_four.axes)):
        inside = [len(panel.get_legend().get_texts()) for panel in panels if panel.get_legend() is not None]
        assert inside == ([n] * len(panels) if n == 2 else [])
        assert [len(legend.get_texts()) for legend in picture.legends] == ([n] if n > 2 else [])
    assert "whisker: std over seeds" in bars.get_title() and "range over seeds" in curves.get_title()


def test_runs_of_unequal_length_are_averaged_where_all_are(tmp_path):
    fake_run(tmp_path, "a", "add", 1, 0.7, epochs=5)
    fake_run(tmp_path, "b", "add", 2, 0.7, epochs=3)
    (line,) = draw(compare_runs(tmp_path)).axes[2].lines
    assert line.get_xdata().tolist() == [1, 2, 3]


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_fits_the_terminal(tmp_path, width):
    found = settings_of_many(tmp_path, 20, epochs=1)
    console = Console(width=width, soft_wrap=True, markup=False, highlight=False, record=True, file=io.StringIO())
    print_comparison(found, console)
    head, *lines = console.export_text().splitlines()
    table = lines[:20]
    assert head.startswith("variant") and max(map(len, [head, *table])) <= width
    assert all(len(line.split("%")) >= 4 for line in table) and len({line[:20] for line in table}) == 20
    assert not any(word in "".join(table) for word in ("True", "(0", "path", "somewhere", "None"))
    if width == 80:
        assert table[0].startswith(".5,.5 yes ") and lines[20] == "  a variant is called by its depth squeeze"
    else:
        assert table[0].startswith("depth=.5,.5 squeeze=yes ")


def test_a_narrow_terminal_has_whole_columns_and_says_which_it_lacks(tmp_path):
    found = settings_of_many(tmp_path, 6, epochs=1)
    console = Console(width=44, soft_wrap=True, markup=False, highlight=False, record=True, file=io.StringIO())
    print_comparison(found, console)
    head, *lines = console.export_text().splitlines()
    assert head.split()[:4] == ["variant", "runs", "valid", "test"] and "…" not in head
    assert max(map(len, [head, *lines[:6]])) <= 44 and not any("…%" in line for line in lines[:6])
    assert lines[6].startswith("  on the page alone, for want of room: ") and "Holm p" in lines[6]


# what it can show


def test_a_comparison_says_what_it_can_show_and_leaves_a_table_for_a_paper(tmp_path):
    for seed in (1, 2, 3):
        for fusion, accuracy in (("concat", 0.9), ("add", 0.88), ("max", 0.6)):
            fake_run(tmp_path, f"{fusion}-{seed}", fusion, seed, accuracy + 0.005 * seed)
    found = compare_runs(tmp_path)
    facts = found.detectable
    first, second, _ = found.rows
    assert (facts["first"], facts["next"], facts["seeds"], facts["compared"]) == ("concat", "add", (3, 3), 2)
    assert facts["difference"] == pytest.approx(0.02) and facts["std"] == pytest.approx(0.005)
    right = [run.arrays["probabilities"].argmax(axis=1) == run.arrays["targets"] for run in found.runs]
    shares = {
        name: np.mean([r for r, run in zip(right, found.runs, strict=True) if run.label == name], axis=0)
        for name in ("concat", "add")
    }
    error = (shares["concat"] - shares["add"]).std(ddof=1) / 200**0.5
    assert second["difference_se"] == pytest.approx(error) and first["difference_se"] is None
    assert facts["by_samples"] == pytest.approx(error * (stats.norm.ppf(0.9875) + stats.norm.ppf(0.8)))
    needed = int(np.ceil(TTestIndPower().solve_power(4.0, None, 0.025, 0.8)))
    least = 0.005 * TTestIndPower().solve_power(None, 3, 0.025, 0.8, 1)
    assert facts["by_seeds"] == pytest.approx(least, rel=1e-4) and facts["seeds_needed"] is None and needed == 3
    assert any("on other samples: 200 test samples can show" in note for note in found.notes)
    page = write_comparison(found).read_text()
    assert all(note in page for note in found.notes)
    table = (tmp_path / "comparison_table.tex").read_text()
    assert r"{concat} & 91.00\% $\pm$ 0.50\% (3)" in table and "textbf" not in table
    console = Console(width=200, record=True, file=io.StringIO())
    print_comparison(found, console)
    assert "with other seeds: 3 and 3 seeds that spread by 0.50%" in console.export_text().replace("\n", " ")


def test_quick_trials_are_marked_as_such(tmp_path):
    for name, fusion in (("a", "concat"), ("b", "add")):
        run = fake_run(tmp_path, name, fusion, 1, 0.8)
        write_json(run.file("results.json"), {**run.results(), **({"limited_to": 64} if name == "a" else {})})
    (note,) = [note for note in compare_runs(tmp_path).notes if "quick" in note]
    assert note == "a: quick trials, of a few batches, measured on at most 64 samples of a part: no result"
    write_json(run.file("results.json"), {**run.results(), "limited_to": 32})
    assert any(note.startswith("all runs are quick trials") for note in compare_runs(tmp_path).notes)


def test_one_variant_of_one_seed_and_of_several(tmp_path):
    for seed in (1, 2):
        fake_run(tmp_path, f"a{seed}", "concat", seed, 0.8)
        found = compare_runs(tmp_path)
        assert found.detectable == {} and found.notes == []
        assert verdict(found).endswith("there is no other to compare it with.") and write_comparison(found).exists()
        spread = "" if seed == 1 else r" $\pm$ 0.00\%"
        assert rf"{{all}} & 80.00\%{spread} ({seed})" in (tmp_path / "comparison_table.tex").read_text()


def test_equal_figures_are_said_to_be_equal(tmp_path):
    for fusion in ("add", "max"):
        for seed in (1, 2):
            fake_run(tmp_path, f"{fusion}{seed}", fusion, seed, 0.8)
    found = compare_runs(tmp_path)
    assert any("their figures are equal, there is no difference to show" in note for note in found.notes)
    assert any("equal figures, their seeds change nothing" in note for note in found.notes)
    assert "Tied on valid: add and max" in verdict(found) and write_comparison(found).exists()


def test_runs_of_different_tasks_are_named_as_such(tmp_path):
    fake_run(tmp_path, "a", "concat", 1, 0.9)
    other = fake_run(tmp_path, "b", "add", 1, 0.8)
    write_json(other.file("run.json"), {**other.described(), "task": "classify"})
    with pytest.raises(
        RunError, match=r"are of different tasks \(classify, fuse\)(?s:.)*Compare the runs of each task"
    ):
        compare_runs(tmp_path)
    fake_run(tmp_path, "c", "max", 1, 0.8)
    found = compare_runs(tmp_path)
    assert found.left_out == ["b: is of the task classify, the others of fuse"] and found.detectable["next"] == "max"
