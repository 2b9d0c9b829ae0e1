"""`diff`: hand-worked flips and intervals, the screenful, the JSON document, and one message for each bad input."""

import json
import os
import shutil

import numpy as np
import pytest

from learnerkit.core.errors import RunError
from learnerkit.core.files import read_json, write_json
from learnerkit.core.members import FILE
from learnerkit.core.tensors import read_npz, write_npz
from learnerkit.runs.diff import diff_runs
from learnerkit.runs.diff_page import diff_folder
from learnerkit.runs.diff_told import told
from learnerkit.task import Task
from learnerkit.tasks import get_task
from tests.json_page import check_document
from tests.runs.differing import changed_json, classifier, kept
from tests.runs.fake import fake_run

CAT, DOG = "cat", "dog"
A = {
    "s1": (CAT, [0.9, 0.1]),
    "s2": (CAT, [0.8, 0.2]),
    "s3": (CAT, [0.7, 0.3]),
    "s4": (CAT, [0.6, 0.4]),
    "s5": (DOG, [0.1, 0.9]),
    "s6": (DOG, [0.55, 0.45]),
}
B = {**A, "s2": (CAT, [0.4, 0.6]), "s3": (CAT, [0.05, 0.95]), "s6": (DOG, [0.3, 0.7])}


@pytest.fixture
def pair(tmp_path):
    """Two classifiers that differ in the rate: of four cats B loses s2 and s3, of two dogs it gains s6."""
    first = classifier(tmp_path, "a", A, losses=[2.0, 1.5, 1.0])
    second = classifier(tmp_path, "b", B, losses=[2.0, 1.50002, 1.2])
    resolved = read_json(second.file("run.json"))["resolved"]
    return first.path, changed_json(second, resolved={**resolved, "train": {"lr": 0.2, "epochs": 1}}).path


def test_hand_worked_flips_the_surest_first(pair):
    found = diff_runs(*pair).changes
    assert found.part == "test" and found.shared == {"test": (6, 6, 6)}
    assert [(row["id"], row["right"], row["truth"], row["A"], row["B"]) for row in found.flips] == [
        ("s3", "A", CAT, CAT, DOG),  # the less sure says .7
        ("s2", "A", CAT, CAT, DOG),  # .6
        ("s6", "B", DOG, CAT, DOG),  # .55
    ]
    assert (found.flips[0]["A_confidence"], found.flips[0]["B_confidence"]) == (0.7, 0.95)
    assert found.counts == {
        "A right, B wrong": 2,
        "B right, A wrong": 1,
        "both right": 3,
        "both wrong, of one class": 0,
        "both wrong, of other classes": 0,
    }


def test_hand_worked_figures_and_intervals_of_the_classes(pair):
    found = diff_runs(*pair).changes
    accuracy = found.figures[0]
    assert (accuracy.part, accuracy.name, accuracy.n) == ("test", "accuracy", 6)
    assert (accuracy.first, accuracy.second) == (pytest.approx(5 / 6), pytest.approx(4 / 6))
    assert accuracy.p == 1.0 and not accuracy.told  # of 3 discordant samples 2 and 1: (1 + 3 + 3 + 1) / 8
    cat, dog = found.classes
    assert (cat.name, cat.n, cat.first, cat.second, cat.difference) == ("cat", 4, 1.0, 0.5, -0.5)
    # of four cats drawn the number of lost ones is binomial (4, .5): none and all are drawn 1 time in 16, above 2.5 %
    assert (cat.low, cat.high) == (-1.0, 0.0)
    assert cat.p == pytest.approx(0.5)  # two discordant samples, both one way: 2 / 4
    assert (dog.name, dog.difference, dog.low, dog.high, dog.p) == ("dog", 0.5, 0.0, 1.0, 1.0)
    assert (cat.holm, dog.holm) == (1.0, 1.0)  # twice .5; the greatest before it
    losses = [-np.log([0.9, 0.8, 0.7, 0.6, 0.9, 0.45]), -np.log([0.9, 0.4, 0.05, 0.6, 0.9, 0.7])]
    loss = found.figures[2]
    assert (loss.name, loss.lower) == ("log_loss", True)
    assert loss.difference == pytest.approx(losses[1].mean() - losses[0].mean(), abs=1e-6)


def test_many_classes_are_guarded_against_chance(tmp_path):
    vocab = [f"c{number:03d}" for number in range(40)]
    rng = np.random.default_rng(0)
    rows = []
    for run in range(2):
        right = rng.random(40 * 12) < 0.7
        right[:12] = run == 0  # of the first class A has all, B none
        said = [number // 12 if good else (number // 12 + 1) % 40 for number, good in enumerate(right)]
        rows.append({f"s{number}": (vocab[number // 12], np.eye(40)[code]) for number, code in enumerate(said)})
    runs = [classifier(tmp_path, name, each, vocab).path for name, each in zip("ab", rows, strict=True)]
    found = diff_runs(*runs)
    kept_ones = [one.name for one in found.changes.classes if one.holm < 0.05]
    assert kept_ones == ["c000"] and found.changes.classes[0].name == "c000"
    (line,) = [line for line in told(found) if line.startswith("the recall of")]
    assert "of 40 classes differs at p < .05 (2 of 40 would by chance alone)" in line and line.endswith("c000 -1.000")


def test_a_screenful_with_the_setting_first(pair):
    lines = told(diff_runs(*pair))
    assert lines[0] == "One setting differs, A -> B: lr .1 -> .2." and len(lines) < 20
    text = "\n".join(lines)
    assert "losses part at step 2 of epoch 1 (1.5 and 1.50002, +2e-05 or 0.00%)" in text
    assert "by more than rounding (0.01%) at step 3 of epoch 1 (1 and 1.2, +0.2 or 16.67%)" in text
    assert "environment: the same" in text and "data: the same samples in the same parts" in text
    assert "A right, B wrong 2; B right, A wrong 1" in text
    assert lines[-1].startswith("note: 3 of 3 flipped samples have no picture kept in either run")


def test_the_command_writes_beside_the_runs_and_into_none(pair, command, tmp_path):
    before = {path: path.stat().st_mtime_ns for run in pair for path in run.iterdir()}
    code, out, err = command("diff", "runs/a", "runs/b")
    assert (code, err) == (0, "") and out.splitlines()[0].strip().startswith("One setting differs")
    folder = tmp_path / "runs" / "diff-a-b"
    assert {path.name for path in folder.iterdir()} == {"diff.html", "flips.csv", "courses.png", "courses.pdf"}
    assert (folder / "flips.csv").read_text().splitlines()[1] == "s3,test,A,cat,cat,0.7,dog,0.95"
    assert {path: path.stat().st_mtime_ns for run in pair for path in run.iterdir()} == before
    code, _, err = command("diff", "runs/a", "runs/b", "--out", "runs/a/diff")
    assert code == 2 and "no run is written into" in err and not (pair[0] / "diff").exists()


def test_where_the_page_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(diff_folder("runs/x/a", "runs/x/b")) == "runs/x/diff-a-b"
    assert str(diff_folder("runs/x/a", "runs/y/a")) == "runs/diff-x-a-y-a"
    assert diff_folder(tmp_path / "a", tmp_path / "b") == tmp_path / "diff-a-b"
    nested = classifier(tmp_path, "outer", A).path
    assert diff_folder(nested / "in" / "a", nested / "in" / "b") == tmp_path / "runs" / "diff-outer-in-a-outer-in-b"


def test_the_json_document(pair, command, tmp_path):
    code, out, err = command("diff", "runs/a", "runs/b", "--json", "--samples", "1", "--out", "told")
    document = json.loads(out)
    check_document(document, "diff")
    assert (code, err) == (0, "") and document["settings"] == [
        {"key": "train.lr", "first": 0.1, "second": 0.2, "kind": "setting"}
    ]
    assert document["course"]["parted"]["step"] == 2 and document["course"]["beyond_rounding"]["step"] == 3
    assert [row["id"] for row in document["flips"]] == ["s3", "s6"]
    assert document["classes"][0]["low"] == -1 and (tmp_path / document["page"]).exists()


def test_runs_of_different_tasks_are_refused_with_their_environments(tmp_path):
    first = classifier(tmp_path, "a", A, versions={"torch": "1"}).path
    second = fake_run(tmp_path / "runs", "b", "add", 1, 0.9).path
    with pytest.raises(
        RunError, match=r"is of the task classify, .* of fuse: .* differ in torch\. Give two runs of one"
    ):
        diff_runs(first, second)


def test_one_run_twice_a_page_and_no_folder_are_refused(pair, tmp_path):
    first, _ = pair
    with pytest.raises(RunError, match="are one run; give two"):
        diff_runs(first, os.path.relpath(first))
    (tmp_path / "again").symlink_to(first)
    with pytest.raises(RunError, match="are one run"):
        diff_runs(first, tmp_path / "again")
    (first / "report.html").write_text("<html>")
    with pytest.raises(RunError, match=rf"report.html: is a file, .* give the run's folder, {first}$"):
        diff_runs(first / "report.html", pair[1])
    with pytest.raises(RunError, match="nowhere: no such folder"):
        diff_runs(first, tmp_path / "nowhere")
    with pytest.raises(RunError, match="is not a run folder"):
        diff_runs(first, tmp_path)


def test_a_copy_of_a_run_differs_in_nothing(pair, tmp_path):
    found = diff_runs(pair[0], shutil.copytree(pair[0], tmp_path / "runs" / "copy"))
    assert found.headline == "No setting differs, and neither do environment and data."
    assert found.course.parted is None and not found.changes.flips and not found.notes
    assert "course: the losses are equal in all 3 shared steps" in told(found)


@pytest.mark.parametrize("state", ["running", "failed", "interrupted"])
def test_a_run_that_is_not_finished_is_compared_in_what_it_has(tmp_path, state):
    first, second = kept(tmp_path, "a"), kept(tmp_path, "b")
    write_json(second.file("status.json"), {"state": state})
    second.cut_history(4)
    second.file("predictions.npz").unlink()
    lines = second.file("batch_metrics.csv").read_text().splitlines(keepends=True)
    second.file("batch_metrics.csv").write_text("".join(lines[:28]))
    found = diff_runs(first.path, second.path)
    said = "killed" if state == "running" else state
    assert found.notes[0] == f"B: is {said} after 4 of 16 epochs; compared in what it has"
    assert "B: has no predictions.npz" in found.notes[1] and "learnerkit evaluate" in found.notes[1]
    assert (found.course.steps, found.course.shared, found.course.parted) == ((96, 27), 27, None)
    assert {one.name for one in found.changes.figures} == {"accuracy", "macro_f1", "log_loss"}  # of results.json


def test_runs_measured_on_different_samples_are_compared_on_those_they_share(tmp_path):
    fewer = {name: row for name, row in B.items() if name != "s1"} | {"s9": (CAT, [0.5, 0.5]), "s5": (CAT, [0.1, 0.9])}
    first, second = classifier(tmp_path, "a", A), classifier(tmp_path, "b", fewer)
    found = diff_runs(first.path, second.path)
    assert found.changes.shared == {"test": (6, 6, 4)} and found.changes.figures[0].first == pytest.approx(3 / 4)
    assert "test: 1 samples have another class in B and are left out" in found.notes
    assert [ids for _, ids in found.members.lines()] == [["s1"], ["s9"]]
    assert any(
        "4 samples are compared, those that both runs were measured on (6 of A, 6 of B)" in x for x in told(found)
    )


def test_no_shared_sample_leaves_figures_of_their_own(tmp_path):
    other = classifier(tmp_path, "b", {f"t{name}": row for name, row in B.items()})
    write_json(other.file("results.json"), {"test_accuracy": 0.5})
    found = diff_runs(classifier(tmp_path, "a", A).path, other.path)
    assert any("no sample was measured in both runs" in note for note in found.notes)
    assert [(one.name, one.first, one.second) for one in found.changes.figures] == [("accuracy", None, 0.5)]


@pytest.mark.parametrize("damage", ["missing", "cut", "short"])
def test_predictions_that_are_missing_or_damaged_are_said(pair, damage):
    file = pair[1] / "predictions.npz"
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:200])
    else:
        write_npz(file, **{**read_npz(file), "targets": np.zeros(3, np.int64)})
    found = diff_runs(*pair)
    (note,) = found.notes
    assert str(file) in note if damage != "missing" else "B: has no predictions.npz" in note
    assert found.settings[0].key == "train.lr" and found.course.parted.step == 2 and not found.changes.flips


def test_other_classes_are_compared_by_their_names(tmp_path):
    rows = {name: (true, [0.0, *reversed(chances)]) for name, (true, chances) in B.items()}
    rows["s1"] = (CAT, [0.9, 0.0, 0.1])  # found as the class that A has not
    second = classifier(tmp_path, "b", rows, vocab=("bird", DOG, CAT))
    found = diff_runs(classifier(tmp_path, "a", A).path, second.path)
    assert {(row["id"], row["B"]) for row in found.changes.flips} == {
        ("s1", "bird"),
        ("s2", DOG),
        ("s3", DOG),
        ("s6", DOG),
    }
    assert [change.key for change in found.data] == ["classes"]
    assert [one.name for one in found.changes.classes] == [CAT, DOG]


def test_an_edited_history_is_said(tmp_path):
    first, second = kept(tmp_path, "a"), kept(tmp_path, "b")
    assert diff_runs(first.path, second.path).notes == []
    ledger = [json.loads(line) for line in second.file("history.jsonl").read_text().splitlines()]
    ledger[2]["train_loss"] = 0.01
    second.file("history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ledger))
    (note,) = diff_runs(first.path, second.path).notes
    assert note.startswith("B: its history contradicts itself: epoch 3 has train_loss 0.01 in history.jsonl, 2.177")


def test_a_later_schema_is_refused(tmp_path):
    first, second = kept(tmp_path, "a"), changed_json(kept(tmp_path, "b"), schema=2)
    with pytest.raises(RunError, match=r"b/run\.json: schema 2, this version of learnerkit reads up to 1"):
        diff_runs(first.path, second.path)


def test_damaged_members_and_results_are_said(tmp_path):
    first, second = kept(tmp_path, "a"), kept(tmp_path, "b")
    second.file(FILE).write_bytes(b"none")
    second.file("results.json").write_text("{")
    found = diff_runs(first.path, second.path)
    assert found.members is None
    assert any(FILE in note for note in found.notes) and any("results.json" in note for note in found.notes)


def test_what_no_file_records_is_said(tmp_path):
    first, second = kept(tmp_path, "a"), kept(tmp_path, "b")
    calls = read_json(second.file("run.json"))["recipe"]
    changed_json(second, recipe={**calls, "learner": {**calls["learner"], "lost": ["loss_func"]}})
    (note,) = diff_runs(first.path, second.path).notes
    assert note == "B: was built with loss_func, which no file records; it is not compared"


def test_a_run_of_the_command_beside_one_of_a_script(tmp_path, digits_run):
    found = diff_runs(kept(tmp_path, "script").path, digits_run)
    keys = [change.key for change in found.telling]
    assert keys[0] == "learner.args.model_args.width" or keys[0].startswith("dls.args")
    assert "epochs" in keys and "seed" in keys and found.changes.part == "valid"


def test_a_task_of_ones_own_has_all_but_its_samples(pair, monkeypatch):
    task = get_task("classify")
    own = Task(
        name="classify",
        recipe=task.recipe,
        open_dls=task.open_dls,
        build_learner=task.build_learner,
        measures=("loss",),
    )
    monkeypatch.setattr("learnerkit.runs.diff.task_of", lambda *_: own)
    for run, loss in zip(pair, (0.5, 0.4), strict=True):
        write_json(run / "results.json", {"valid_loss": loss})
    found = diff_runs(*pair)
    (figure,) = found.changes.figures
    assert (figure.part, figure.name, figure.first, figure.second) == ("valid", "loss", 0.5, 0.4)
    assert found.settings[0].key == "train.lr" and found.course.parted.step == 2 and found.notes == []


def test_pictures_come_from_the_runs_or_the_data_or_are_said_to_be_away(tmp_path):
    first, second = kept(tmp_path, "a"), kept(tmp_path, "b")
    arrays = read_npz(second.file("predictions.npz"))
    arrays["probabilities"] = np.roll(arrays["probabilities"], 1, axis=1)
    write_npz(second.file("predictions.npz"), **arrays)
    for run in (first, second):
        run.file("samples.npz").unlink()
    found = diff_runs(first.path, second.path, samples=5)
    assert len(found.changes.galleries[0].cards) == 5 and found.notes == []  # the digits are at hand anywhere
    assert found.changes.galleries[0].cards[0].picture.shape == (32, 32, 3)
    for run in (first, second):
        changed_json(run, recipe={**read_json(run.file("run.json"))["recipe"], "dls": None})
    found = diff_runs(first.path, second.path, samples=5)
    assert not found.changes.galleries and len(found.changes.flips) > 5
    assert any("flipped samples have no picture kept in either run" in note for note in found.notes)
