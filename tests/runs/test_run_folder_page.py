"""The run folder's contract, `nbs/run_folder.md`, against runs of three tasks and one that is kept."""

import json
import re
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest

from learnerkit.core.errors import RunError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.run_schema import RUN_SCHEMA
from learnerkit.runs.compare import compare_runs
from learnerkit.runs.evaluate import evaluate_run
from learnerkit.runs.load import load_run
from learnerkit.runs.report import write_report
from tests.pairs import write_pairs
from tests.scenes import write_scenes

PAGE = (Path(__file__).parents[2] / "nbs" / "run_folder.md").read_text()
KEPT = Path(__file__).parent / "kept_run"
TASKS = {"classify", "fuse", "detect"}


def table(title):
    """The rows of a section's table: name to what it is of."""
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, re.M))


def holds(of, task):
    """Whether each run of a task that `learnerkit train` brought to its end has it."""
    return of in ("always", "learnerkit train") or task in of.split(", ")


def check_files(run, task):
    rows = table("Files")
    found = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    unknown = {name for name in found if not any(fnmatchcase(name, row) for row in rows)}
    assert not unknown
    for row, of in rows.items():
        there = [name for name in found if fnmatchcase(name, row)]
        if holds(of, task):
            assert there, f"{row} is missing"
        elif set(of.split(", ")) <= TASKS:
            assert not there, f"{row} is not of {task}"


def check_keys(run, task):
    rows, described = table("run.json"), json.loads((run / "run.json").read_text())
    assert described.keys() <= rows.keys()
    assert {key for key, of in rows.items() if holds(of, task)} <= described.keys()
    assert described["schema"] == RUN_SCHEMA
    arrays, rows = np.load(run / "predictions.npz", allow_pickle=False), table("predictions.npz")
    assert set(arrays.files) <= rows.keys()
    assert {name for name, of in rows.items() if holds(of, task)} <= set(arrays.files)
    assert not [name for name in arrays.files if set(rows[name].split(", ")) <= TASKS and not holds(rows[name], task)]


def test_a_run_of_a_classifier(digits_run):
    check_files(digits_run, "classify")
    check_keys(digits_run, "classify")


@pytest.mark.slow
def test_runs_of_the_other_tasks(command, tmp_path):
    write_pairs(tmp_path / "pairs", n=20)
    write_scenes(tmp_path / "frames")
    quick = ["--epochs", "1", "--name", "a"]
    for task, words in {
        "fuse": ["saliency-wrn", "--data", "pairs", "--arch", "wrn_10_1", "--bs", "8"],
        "detect": ["rgbx-mit", "--data", "frames", "--arch", "mit_b0", "--size", "64"],
    }.items():
        assert command("train", *words, *quick, "--out", task)[0] == 0
        check_files(tmp_path / task / "a", task)
        check_keys(tmp_path / task / "a", task)


def test_the_folders_of_further_commands(digits_run, command, tmp_path):
    for words in (["evaluate", digits_run, "--tta", "2"], ["profile", digits_run, "--bs", "1", "--repeats", "2"]):
        assert command(*words)[0] == 0
    check_files(digits_run, "classify")


def test_the_page_says_the_schema_of_today():
    assert f"this page is schema {RUN_SCHEMA}," in " ".join(PAGE.split())
    assert f"| `schema` | always | {RUN_SCHEMA} |" in PAGE


@pytest.mark.parametrize("schema", [RUN_SCHEMA + 1, 0, "1", None, True])
def test_another_schema_is_refused(digits_run, schema):
    content = json.loads((digits_run / "run.json").read_text())
    (digits_run / "run.json").write_text(json.dumps({**content, "schema": schema}))
    with pytest.raises(RunError, match=rf"run\.json: schema {schema!r}, this version of learnerkit reads up to 1"):
        RunFolder(digits_run).described()
    with pytest.raises(RunError, match=r"run\.json: schema"):
        load_run(digits_run)


def test_a_kept_run_is_read_by_the_code_of_today(tmp_path):
    """Written by the first code of schema 1, not made anew when the code changes: that is what a contract is for."""
    run = Path(shutil.copytree(KEPT, tmp_path / "runs" / "kept"))
    assert json.loads((run / "run.json").read_text())["schema"] == 1
    recorded = json.loads((run / "results.json").read_text())
    learn = load_run(run)
    with learn.no_bar():
        loss, accuracy, *_ = learn.validate()
    assert accuracy == pytest.approx(recorded["valid_accuracy"], abs=1e-6)
    assert loss == pytest.approx(recorded["valid_log_loss"], abs=1e-4)
    with np.load(run / "predictions.npz", allow_pickle=False) as arrays:
        valid = arrays["part"] == "valid"
        assert (arrays["probabilities"][valid].argmax(1) == arrays["targets"][valid]).mean() == pytest.approx(accuracy)
    assert write_report(run).stat().st_size > 50_000
    assert evaluate_run(run)[1]["test_accuracy"] > 0.5
    assert compare_runs(run.parent)
