"""What a sweep shows: rows from the run folders, the front, the pictures, the time left."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from learnerkit.core.files import read_json, write_json
from learnerkit.core.profiles import write_profile
from learnerkit.pages.sweep import front, means, tick_text
from learnerkit.runs.engines import LocalEngine
from learnerkit.runs.eta import TimeLeft
from learnerkit.runs.live import draw
from learnerkit.runs.recipes import load_recipe
from learnerkit.runs.sweep import Sweep
from learnerkit.runs.sweep_page import draw_sweep, numeric_axis, write_summary
from learnerkit.runs.sweep_results import marked, over_seeds, rows_of, said_of
from learnerkit.runs.trials import Trial


def test_the_front_by_hand():
    """(cost, gain): the cheapest, then each that gains more than all cheaper ones; of equal ones the first."""
    assert front([(3, 0.8), (1, 0.5), (2, 0.4), (4, 0.8), (2, 0.7), (5, 0.9)]) == [1, 4, 0, 5]
    assert front([(1, 0.5), (1, 0.6), (1, 0.6)]) == [1] and front([]) == []


def test_means_over_what_is_equal():
    rows = [{"arch": "a", "size": 1, "x": 2.0}, {"arch": "a", "size": 1, "x": 4.0}, {"arch": "b", "size": 1, "x": None}]
    assert means(rows, ("arch", "size"), "x") == {("a", 1): 3.0}


def test_seeds_are_one_row():
    """By hand: means of what is known; a row of one seed keeps its name; the lucky seed beats nobody alone."""
    rows = [
        {"trial": "a_1", "arch": "a", "seed": 1, "x": 0.9, "ms": 2.0, "state": "done"},
        {"trial": "a_2", "arch": "a", "seed": 2, "x": 0.1, "ms": None, "state": "done"},
        {"trial": "b_1", "arch": "b", "seed": 1, "x": 0.6, "ms": 1.0, "state": "done"},
    ]
    found = over_seeds(rows, ["arch", "seed"])
    assert [(row["trial"], row["x"], row["ms"]) for row in found] == [
        ("a (mean of 2 seeds)", 0.5, 2.0),
        ("b_1", 0.6, 1.0),
    ]
    assert over_seeds(rows, ["arch"]) == rows
    assert [row["trial"] for row in over_seeds(rows[:2], ["seed"])] == ["mean of 2 seeds"]


def test_ticks_of_great_numbers():
    assert [tick_text(value) for value in (0.5, 200, 20_000_000, 4e9)] == ["0.5", "200", "20 M", "4 G"]


@pytest.fixture
def trials(tmp_path):
    """Two models at two sizes; one trial has failed."""
    found = []
    for number, (arch, size) in enumerate([("tiny_cnn", 32), ("tiny_cnn", 64), ("resnet18", 32), ("resnet18", 64)]):
        recipe = load_recipe("digits", {"arch": arch, "size": size, "dropout": None})
        path = tmp_path / arch / str(size)
        trial = Trial(f"{arch}/{size}", recipe, path, {"arch": arch, "size": str(size)}, "done")
        path.mkdir(parents=True)
        results = {"valid_accuracy": 0.5 + number / 10, "test_accuracy": 0.4 + number / 10, "test_macro_f1": 0.3}
        write_json(path / "results.json", {**results, "parameters": 10**number, "epochs": 2, "notes": [1]})
        summary = {"latency_ms": 1.0 + number, "multiply_adds": 10.0**number, "inference_memory_mb": 5.0}
        how = {"profile_precision": "fp32", "profile_threads": 2, "profile_device": "cpu", "profile_bs": 1}
        (path / "best_model.safetensors").write_bytes(b"weights")
        write_profile(path, path / "best_model.safetensors", {"summary": {**summary, **how}})
        (path / "history.jsonl").write_text("".join(json.dumps({"epoch": e, "seconds": 3.0}) + "\n" for e in (1, 2)))
        found.append(trial)
    found[3].state, found[3].reason = "failed", "killed by SIGKILL"
    return found


def test_rows_and_what_is_said_of_them(trials, tmp_path):
    rows = rows_of(trials)
    assert rows[0]["size"] == 32 and rows[0]["latency_ms"] == 1.0 and "notes" not in rows[0]
    assert rows[3]["reason"] == "killed by SIGKILL" and "test_accuracy" not in rows[3]
    assert numeric_axis(rows, ["arch", "size"]) == "size" and numeric_axis(rows, ["arch"]) is None
    said = said_of(trials, rows)
    assert said[0] == "3 of 4 trials are done, 1 failed."
    assert said[1] == "Best on valid: resnet18/32 with accuracy 0.7000, 0.6000 on test."
    assert said[2].endswith("tiny_cnn/32 (1.00 ms), tiny_cnn/64 (2.00 ms), resnet18/32 (3.00 ms).")
    assert set(draw_sweep(trials, rows)) == {"against", "front", "heat_map"}
    page = write_summary(trials, tmp_path)
    text = page.read_text()
    assert "resnet18/64: killed by SIGKILL" in text and text.count("data:image/png") == 3
    assert len(read_json(tmp_path / "results.json")["trials"]) == 4
    assert (tmp_path / "results.csv").read_text().splitlines()[0].startswith("trial,arch,size,state")


def test_latencies_of_other_conditions_are_marked_and_not_ranked(trials, tmp_path):
    profile = read_json(trials[1].path / "profile.json")
    profile["summary"]["profile_threads"] = 1
    write_json(trials[1].path / "profile.json", profile)
    rows = rows_of(trials)
    assert marked(rows) == ["tiny_cnn/64: threads 1 and not 2"]
    assert said_of(trials, rows)[2].endswith("tiny_cnn/32 (1.00 ms), resnet18/32 (3.00 ms).")
    assert "tiny_cnn/64: threads 1 and not 2" in write_summary(trials, tmp_path).read_text()
    (trials[0].path / "best_model.safetensors").write_bytes(b"others!")
    assert "latency_ms" not in rows_of(trials)[0]  # a profile counts for the weights that it was measured with


def test_a_latency_that_was_disturbed_is_marked_and_measured_again(trials, tmp_path, monkeypatch):
    summary = {**read_json(trials[2].path / "profile.json")["summary"], "least_ms": 1.4}
    write_profile(trials[2].path, trials[2].path / "best_model.safetensors", {"summary": summary})
    (told,) = marked(rows_of(trials))
    assert told.startswith("resnet18/32: the median of its passes is 3.00 ms and the least 1.40 ms")
    asked = []
    engine = LocalEngine()
    monkeypatch.setattr(engine, "start", lambda works: asked.extend(work.command() for work in works) or [Ended()])
    Sweep(trials, tmp_path, profile=True, engine=engine)._profile_all()
    assert asked == [["profile", str(trials[2].path)]]


class Ended:
    """A process that has come to its end."""

    def wait(self):
        return 0


def test_a_sweep_of_which_nothing_is_done_draws_nothing(trials):
    for trial in trials:
        trial.state = "waiting"
    assert draw_sweep(trials, rows_of(trials)) == {} and said_of(trials, rows_of(trials)) == [
        "0 of 4 trials are done, 4 waiting."
    ]


def test_a_cost_that_could_not_be_measured_is_said(trials):
    trials[0].reason = "its cost could not be measured (exit 2); see a.log"
    said = said_of(trials, rows_of(trials))
    assert said[1] == "tiny_cnn/32: its cost could not be measured (exit 2); see a.log." and "Best" in said[2]


def test_an_axis_of_lists(trials, tmp_path):
    for number, trial in enumerate(trials):
        trial.chosen = {"keeps": [["mirror"], []][number % 2], "size": trial.chosen["size"]}
    assert "[&#39;mirror&#39;]" in write_summary(trials, tmp_path).read_text()


def test_the_time_left_weighs_epochs_by_their_cost(trials, monkeypatch):
    costs = {"tiny_cnn/32": 1, "tiny_cnn/64": 4, "resnet18/32": 10, "resnet18/64": 40}
    monkeypatch.setattr("learnerkit.runs.eta._cost", lambda trial: costs[trial.name])
    for trial, state in zip(trials, ("done", "done", "running", "waiting"), strict=True):
        trial.state, trial.recipe.train.epochs = state, 4
    left = TimeLeft(trials, jobs=2)
    spent, work = 4 * 6.0, 2 * (1 + 4 + 10 + 40)
    assert left.seconds() == pytest.approx(spent / work * (2 * 10 + 2 * 40) / 2)
    assert left.text().startswith("about ")
    for trial in trials:
        (trial.path / "history.jsonl").unlink()
    assert TimeLeft(trials).seconds() is None and TimeLeft(trials).text() == ""


def test_the_time_left_where_a_cost_cannot_be_told(monkeypatch):
    """A model that cannot be will fail at once; where nothing is known of another, the others' mean stands for it."""
    cells = [("tiny_cnn", "32"), ("vgg11", "16"), ("timm:vit_tiny_patch16_224", "32"), ("tiny_cnn", "64")]
    recipes = [load_recipe("digits", {"arch": arch, "size": size, "dropout": None}) for arch, size in cells]
    trials = [Trial(str(n), recipe, Path("none")) for n, recipe in enumerate(recipes)]
    costs = TimeLeft(trials).costs
    assert costs["1"] == costs["2"] == 0 < costs["0"] < costs["3"]

    def needs_data(recipe):
        if recipe.model.arch == "vgg11":
            raise RuntimeError("needs data")
        return 6.0

    monkeypatch.setattr("learnerkit.runs.eta.get_task", lambda name: SimpleNamespace(cost=needs_data))
    assert TimeLeft(trials[:2]).costs == {"0": 6.0, "1": 6.0} and TimeLeft(trials[1:2]).costs == {"1": 1.0}


def test_a_budget_is_the_time_left_of_its_trial(trials, monkeypatch):
    monkeypatch.setattr("learnerkit.runs.eta._cost", lambda trial: 1.0)
    trials[1].state = trials[2].state = "waiting"
    for trial in trials[1:3]:
        trial.recipe.train.budget = "1m"
    (trials[2].path / "history.jsonl").unlink()
    assert TimeLeft(trials).seconds() == pytest.approx((60 - 6) + 60)


def test_what_runs_and_failed_is_shown_before_the_rest(trials):
    trials[0].state, trials[1].state = "waiting", "running"
    shown = draw(trials, most=2)
    assert list(shown.columns[0].cells) == ["tiny_cnn/64", "resnet18/64"]
    assert len(list(draw(trials).columns[0].cells)) == 4
