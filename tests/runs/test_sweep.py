"""Sweeps that survive their trials, and comparisons that refuse what cannot be compared."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from learnerkit.core.errors import RecipeError, RunError
from learnerkit.core.files import read_json, read_ledger, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import size_of
from learnerkit.fuse.modes import EVERY_MODE, MODES
from learnerkit.runs.compare import compare_runs
from learnerkit.runs.grid import parse_grid
from learnerkit.runs.live import draw
from learnerkit.runs.sweep import check_disk, run_sweep
from learnerkit.runs.trials import forecast, open_data, plan_trials
from learnerkit.tasks import get_task
from tests.pairs import write_pairs


def plan(*args):
    return plan_trials(*args)[0]


SETTINGS = {"arch": "wrn_10_1", "epochs": "2", "bs": "8", "lr": ".05", "dropout": "0"}


def test_grids(tmp_path):
    assert parse_grid(["fusion=all", "seed=1,2"]) == {"fusion": list(MODES), "seed": ["1", "2"]}
    for text, said in (("fusion", "say key=value"), ("fusoin=add", "did you mean fusion"), ("seed=", "say key=value")):
        with pytest.raises(RecipeError, match=said):
            parse_grid([text])
    with pytest.raises(RecipeError, match="needs --grid"):
        plan("saliency-wrn", [], {}, tmp_path)
    assert parse_grid(["fusion=all,gated"])["fusion"] == list(EVERY_MODE)
    assert parse_grid(["fusion_weights=[.6,.4],[.5,.5]"])["fusion_weights"] == ["[.6,.4]", "[.5,.5]"]
    with pytest.raises(RecipeError, match="are the same trial"):
        plan("saliency-wrn", ["lr=0.1,1e-1"], {}, tmp_path)
    assert [t.recipe.data.stats for t in plan("saliency-wrn", ["stats=data,none"], {}, tmp_path)] == ["data", "none"]
    with pytest.raises(RecipeError, match="given twice"):
        parse_grid(["seed=1", "seed=2"])
    with pytest.raises(RecipeError, match=r"model\.fusion: 'addd'"):
        plan("saliency-wrn", ["fusion=add,addd"], {}, tmp_path)
    with pytest.raises(RecipeError, match="the one or the other"):
        plan("saliency-wrn", ["seed=1,2"], {"seed": "3"}, tmp_path)


def test_what_a_sweep_finds_before_it_begins(tmp_path):
    """A batch that is left open opens the data all the same; a dropout that a model has not is refused."""
    small = {"limit": "100", "epochs": "1"}
    open_data(plan("digits", ["bs=auto,auto:16,32"], small, tmp_path))
    trials = plan("digits", ["arch=simple_cnn,resnet18_imagenet"], {**small, "dropout": ".2"}, tmp_path)
    with pytest.raises(RecipeError, match=r"model.dropout: resnet18_imagenet has none, and the recipe says 0\.2"):
        check_disk(trials, tmp_path)


def test_a_sweep_that_was_sent_nowhere_may_be_sent_somewhere_later(tmp_path):
    """Another store than the one that a run is in is refused; its first one changes nothing of it."""
    before = plan("digits", ["seed=1"], {}, tmp_path)[0].recipe
    (tmp_path / "seed-1").mkdir()
    facts = {"task": "classify", "recipe": {}, "classes": [], "device": {}}
    write_json(tmp_path / "seed-1" / "run.json", {**facts, "resolved": before.model_dump(mode="json")})
    after = plan("digits", ["seed=1"], {"mlflow": "a.db"}, tmp_path)[0].recipe
    write_json(tmp_path / "seed-1" / "run.json", {**facts, "resolved": after.model_dump(mode="json")})
    for other in ({"mlflow": "b.db"}, {}):
        with pytest.raises(RunError, match=r"other settings \(train: mlflow: 'a.db'"):
            plan("digits", ["seed=1"], other, tmp_path)


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    write_pairs(tmp_path / "pairs", n=20)
    return {**SETTINGS, "data": str(tmp_path / "pairs")}


def quiet():
    return Console(file=io.StringIO())


@pytest.mark.slow
def test_a_sweep_survives_a_failing_trial_and_does_what_is_missing(tmp_path, pairs):
    out = tmp_path / "out"
    settings = {key: value for key, value in pairs.items() if key not in ("arch", "lr")}
    with pytest.raises(RunError, match=r"1 of 2 trials failed(?s:.)*lr-1e30: the loss is not finite") as caught:
        run_sweep("saliency-wrn", ["lr=.05,1e30"], {**settings, "arch": "tiny_cnn"}, out, 2, 1, quiet())
    assert caught.value.exit_code == 1
    trials = {row["trial"]: row for row in read_json(out / "sweep.json")["trials"]}
    assert trials["lr-.05"]["state"] == "done" and "not finite" in trials["lr-1e30"]["reason"]
    events = read_ledger(out / "sweep.jsonl")
    assert {row["trial"]: row["event"] for row in events} == {"lr-.05": "done", "lr-1e30": "failed"}


@pytest.mark.slow
def test_a_killed_trial_is_recorded_and_the_sweep_resumes_to_the_same_weights(tmp_path, pairs):
    """A trial killed with -9, the sweep run again: the weights are those of a trial that was left alone."""
    pairs = {**pairs, "epochs": "60", "checkpoint_every": "1"}
    command = [
        sys.executable,
        "-m",
        "learnerkit.cli",
        "sweep",
        "saliency-wrn",
        "--grid",
        "fusion=add,max",
        "--threads",
        "1",
    ]
    command += [part for key, value in pairs.items() for part in (f"--{key.replace('_', '-')}", value)]
    sweep = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    victim = tmp_path / "out" / "fusion-add"
    until = time.monotonic() + 90
    while len(list((victim / "checkpoints").glob("epoch_*"))) < 2:
        assert time.monotonic() < until and sweep.poll() is None
        time.sleep(0.05)
    os.kill(json.loads((victim / "lock.json").read_text())["pid"], signal.SIGKILL)
    _, text = sweep.communicate(timeout=120)
    assert sweep.returncode == 1 and b"fusion-add: killed by SIGKILL" in text
    assert RunFolder(victim).status()["state"] == "failed"
    done = read_ledger(tmp_path / "out" / "sweep.jsonl")
    assert subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True).returncode == 0
    again = read_ledger(tmp_path / "out" / "sweep.jsonl")[len(done) :]
    assert [(row["trial"], row["event"]) for row in again] == [("fusion-add", "resumed"), ("fusion-add", "done")]
    left_alone = [*command, "--out", str(tmp_path / "whole")]
    assert subprocess.run(left_alone, capture_output=True).returncode == 0
    for fusion in ("add", "max"):
        first, second = (tmp_path / name / f"fusion-{fusion}" for name in ("out", "whole"))
        for name in ("final_model", "best_model"):
            assert (first / f"{name}.safetensors").read_bytes() == (second / f"{name}.safetensors").read_bytes()
    comparison = compare_runs(tmp_path / "out")
    assert len(comparison.rows) == 2
    with pytest.raises(RunError, match=r"other settings \(train: epochs: 60, now 3"):
        plan("saliency-wrn", ["fusion=add,max"], {**pairs, "epochs": "3"}, tmp_path / "out")


@pytest.mark.slow
def test_a_stopped_sweep_leaves_checkpoints_and_goes_on(tmp_path, pairs):
    """Ctrl-C in a terminal reaches the whole group; the trial is asked once, and commits."""
    pairs = {**pairs, "epochs": "40", "checkpoint_every": "0"}
    command = [sys.executable, "-m", "learnerkit.cli", "sweep", "saliency-wrn", "--grid", "seed=1"]
    command += [part for key, value in pairs.items() for part in (f"--{key.replace('_', '-')}", value)]
    command += ["--out", str(tmp_path / "out")]
    sweep = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells let background jobs ignore it
    )
    history, until = tmp_path / "out" / "seed-1" / "history.jsonl", time.monotonic() + 90
    while not history.exists():
        assert time.monotonic() < until and sweep.poll() is None
        time.sleep(0.05)
    os.killpg(sweep.pid, signal.SIGINT)
    _, text = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and b"the same command goes on" in text
    assert RunFolder(tmp_path / "out" / "seed-1").status()["state"] == "interrupted"
    assert len(list((tmp_path / "out" / "seed-1" / "checkpoints").glob("epoch_*"))) == 1
    assert subprocess.run(command, capture_output=True).returncode == 0
    events = [row["event"] for row in read_ledger(tmp_path / "out" / "sweep.jsonl")]
    assert events == ["started", "resumed", "done"]


@pytest.mark.parametrize(
    ("settings", "per_state", "checkpoints"),
    [({}, 2, 1), ({"opt": "rmsprop"}, 3, 1), ({"opt": "adamw", "checkpoint_every": "1", "ema": ".9"}, 4, 3)],
)
def test_a_sweep_forecasts_what_its_runs_do(tmp_path, settings, per_state, checkpoints):
    (trial,) = plan(
        "digits",
        ["seed=1"],
        {"arch": "tiny_cnn", "epochs": "4", "checkpoint_every": "0", "ema": "0", "dropout": "null", **settings},
        tmp_path,
    )
    weights = size_of(get_task("classify").blank_model(trial.recipe).state_dict())
    assert forecast([trial]) == (checkpoints + 1) * per_state * weights + 2 * weights
    assert forecast([trial] * 3) == (3 * checkpoints + 1) * per_state * weights + 6 * weights
    assert forecast([trial] * 3, jobs=2) == (3 * checkpoints + 2) * per_state * weights + 6 * weights
    trial.recipe.train.keep_checkpoints, trial.recipe.train.save_top_k = False, 2
    trial.recipe.train.save_top_k_optimizer = True
    with_opt = per_state - (1 if trial.recipe.train.ema else 0)
    assert forecast([trial] * 3) == (checkpoints + 1) * per_state * weights + 3 * (2 + 2 * with_opt) * weights


def test_the_plan_sees_what_is_there(tmp_path, pairs, monkeypatch):
    trials = plan("saliency-wrn", ["fusion=add,max"], pairs, tmp_path / "out")
    assert [trial.name for trial in trials] == ["fusion-add", "fusion-max"] and trials[0].state == "waiting"
    (tmp_path / "out" / "fusion-add").mkdir(parents=True)  # as a kill before the first file leaves it
    plan("saliency-wrn", ["fusion=add,max"], pairs, tmp_path / "out")
    assert not (tmp_path / "out" / "fusion-add").exists()
    (tmp_path / "out" / "fusion-add").mkdir(parents=True)
    (tmp_path / "out" / "fusion-add" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"is not a run, and holds notes\.txt"):
        plan("saliency-wrn", ["fusion=add,max"], pairs, tmp_path / "out")
    assert "0 of 2" in draw(trials).title
    assert check_disk(trials, tmp_path).endswith("MB of disk")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1000))
    with pytest.raises(RunError, match="this sweep of 2 trials will take"):
        check_disk(trials, tmp_path)
