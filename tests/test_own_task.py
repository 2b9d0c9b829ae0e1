"""A task of somebody else's: the example from end to end, and the plain command with an entry point."""

import importlib.util
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from learnerkit import tasks
from learnerkit.all import Callback, Task, register_task
from learnerkit.classify.recipe import ClassifyRecipe
from learnerkit.cli import main
from learnerkit.core.errors import LearnerkitError, RecipeError, RunError
from learnerkit.core.files import read_json, read_ledger, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.recipe import Recipe, Views
from learnerkit.runs.recipes import load_recipe

EXAMPLE = Path(__file__).parents[1] / "examples" / "own_task.py"
QUICK = ["--epochs", "1", "--limit-batches", "2", "--most", "30"]
NONE = ["--dropout", "null"]


def test_the_example_is_one_file_of_at_most_107_lines():
    assert len(EXAMPLE.read_text().splitlines()) <= 107


@pytest.mark.slow
def test_the_example_trains_twice_and_compares(tmp_path):
    done = subprocess.run([sys.executable, EXAMPLE, tmp_path / "runs"], capture_output=True, text=True)
    assert done.returncode == 0 and "Warning" not in done.stderr, done.stdout + done.stderr
    runs = sorted((tmp_path / "runs").glob("*/run.json"))
    assert len(runs) == 2
    for run in (file.parent for file in runs):
        assert read_json(run / "status.json")["state"] == "done" and read_json(run / "run.json")["task"] == "angle"
        assert [row["epoch"] for row in read_ledger(run / "history.jsonl")] == list(range(1, 9))
        page = (run / "report.html").read_text()
        assert "mean error on test" in page and "Worst angles" in page and page.count("data:image/png") == 3
        assert read_json(run / "results.json")["test_degrees"] < 10  # chance is 30
    assert "test_degrees" in (tmp_path / "runs" / "comparison.html").read_text()


class CtrlC(Callback):
    """Presses Ctrl-C once, in the second epoch that this process trains."""

    order, pressed = 90, False

    def after_batch(self):
        if self.training and self.epoch == 1 and not CtrlC.pressed:
            CtrlC.pressed = True
            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_the_commands_stop_resume_evaluate_and_report_it(example, command, tmp_path):
    register_task(replace(example.TASK, build_learner=lambda r, d, c: example.build_learner(r, d, [CtrlC(), *c])))
    assert command("train", "angle", "--epochs", "3", "--name", "a")[0] == 130
    run = tmp_path / "runs" / "angle" / "a"
    assert CtrlC.pressed and read_json(run / "status.json")["state"] == "interrupted"
    code, out, err = command("train", "--resume", run)
    assert code == 0 and "mean error on test" in out, err
    assert "resumed from epoch_001" in (run / "training.log").read_text()
    assert [row["epoch"] for row in read_ledger(run / "history.jsonl")] == [1, 2, 3]
    for words in (("evaluate", run), ("report", run)):
        assert command(*words)[0] == 0


@pytest.fixture
def installed(tmp_path):
    """A folder for PYTHONPATH that holds the example as an installed package with an entry point."""
    (tmp_path / "own_task.py").write_text(EXAMPLE.read_text())
    about = tmp_path / "own_task-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-task\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[learnerkit.tasks]\nangle = own_task:TASK\n")
    return tmp_path


def plain(installed, *words):
    """The plain command in a folder with an installed task."""
    env = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"}
    words = [Path(sys.executable).parent / "learnerkit", *words]
    return subprocess.run(words, cwd=installed, env=env, capture_output=True, text=True)


@pytest.mark.slow
def test_an_entry_point_makes_a_task_known_to_the_plain_command(installed):
    assert "--most" in plain(installed, "train", "--help").stdout
    done = plain(installed, "train", "angle", *QUICK, "--name", "a")
    assert done.returncode == 0, done.stderr
    assert "mean error on test" in done.stdout and (installed / "runs" / "angle" / "a" / "report.html").exists()
    assert read_json(installed / "runs" / "angle" / "a" / "run.json")["data"]["most"] == 30
    done = plain(installed, "evaluate", "runs/angle/a", "--data", ".")
    assert done.returncode == 2 and "task 'angle' has no evaluate other" in done.stderr
    assert main(["report", str(installed / "runs" / "angle" / "a")]) == 2  # here the task is not known


@pytest.mark.slow
def test_a_sweep_trains_a_task_with_an_entry_point(installed):
    done = plain(installed, "sweep", "angle", *QUICK, "--grid", "seed=1,2")
    assert done.returncode == 0, done.stderr
    assert "2 trials, 0 done already; 2 to train" in done.stdout
    done = plain(installed, "compare", "runs/angle")
    assert done.returncode == 0 and "degrees, less is better" in done.stdout and "270 test samples" in done.stdout


def test_a_sweep_of_a_task_that_no_other_process_knows_is_refused(example, command, tmp_path):
    code, _, err = command("sweep", "angle", "--grid", "seed=1,2")
    assert code == 2 and "task 'angle' is registered in this process alone" in err
    assert not (tmp_path / "runs").exists()


def test_an_entry_point_that_cannot_be_imported_is_said_and_stops_nothing_else(installed):
    (installed / "own_task.py").write_text("import nothing_like_it\n")
    done = plain(installed, "train", "angle", *QUICK)
    assert done.returncode == 2 and "own_task:TASK cannot be imported" in done.stderr
    done = plain(installed, "train", "digits", "--limit-batches", "1", "--epochs", "1", "--arch", "tiny_cnn", *NONE)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def example(monkeypatch):
    """The example as a module, its task registered for the length of a test."""
    spec = importlib.util.spec_from_file_location("own_task", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(tasks, "registered", {})
    register_task(module.TASK)
    return module


def test_a_name_is_registered_once(example):
    assert register_task(example.TASK) is example.TASK  # the same again does no harm
    again = replace(example.TASK, measures=("loss",))  # as a notebook's cell does that is run again
    assert register_task(again) is again and tasks.get_task("angle") is again

    class Other(example.AngleRecipe):
        pass

    for task in (
        replace(again, recipe=Other),
        Task(name="classify", recipe=ClassifyRecipe, open_dls=len, build_learner=len),
    ):
        with pytest.raises(RecipeError, match=f"task '{task.name}' is registered twice"):
            register_task(task)


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (None, "None is not a Task"),
        (Task, "is not a Task"),
        (Task(name="a", recipe=None, open_dls=len, build_learner=len), "None is not a class of recipes"),
        (Task(name="a", recipe=ClassifyRecipe, open_dls=len, build_learner=len), "field task is 'classify'"),
        (Task(name="", recipe=Recipe, open_dls=len, build_learner=len), "field task is ''"),
    ],
)
def test_what_is_no_task_is_refused(thing, said):
    with pytest.raises(RecipeError, match=said):
        register_task(thing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "text", "said"),
    [
        ("angle = own_task:AngleRecipe", "", "is not a Task"),
        ("turned = own_task:TASK", "", "is called 'turned' and its task 'angle'"),
        ("angle = own_task:TASK", "raise SystemExit(3)", "cannot be imported"),
        ("angle = own_task:TASK", "AngleRecipe.model_fields['task'].default = 'other'", "field task is 'other'"),
    ],
)
def test_a_wrong_package_of_somebody_is_said_and_stops_nothing_else(installed, entry, text, said):
    (installed / "own_task-1.0.dist-info" / "entry_points.txt").write_text(f"[learnerkit.tasks]\n{entry}\n")
    (installed / "own_task.py").write_text(EXAMPLE.read_text().replace("TASK = Task(", f"{text}\nTASK = Task("))
    done = plain(installed, "report", "nowhere")
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert "nowhere: is not a run folder" in done.stderr


@pytest.mark.slow
def test_a_field_that_is_an_option_of_the_commands_is_refused(installed):
    text = EXAMPLE.read_text().replace("    most: float = Field(60,", "    jobs: float = Field(60,")
    (installed / "own_task.py").write_text(text)
    done = plain(installed, "train", "angle")
    assert done.returncode == 2 and "its recipe's field 'jobs' is an option of the commands; rename it" in done.stderr
    assert plain(installed, "train", "--help").returncode == 0


def test_the_task_that_trains_owns_the_run(example, command, tmp_path):
    """Its loaders and its learner may be those of another task."""

    class Ordinal(ClassifyRecipe):
        task: Literal["ordinal"] = "ordinal"

    own = replace(tasks.get_task("classify"), name="ordinal", recipe=Ordinal)
    register_task(own)
    code, _, err = command("train", "ordinal", "--data", "digits", *QUICK[:4], "--arch", "tiny_cnn", "--name", "a")
    assert code == 0, err
    assert read_json(tmp_path / "runs" / "ordinal" / "a" / "run.json")["task"] == "ordinal"


def test_what_an_evaluation_does_not_take_is_said_before_the_training(example, command, tmp_path):
    class WithViews(example.AngleRecipe):
        task: Literal["views"] = "views"
        evaluate: Views = Views()

    register_task(replace(example.TASK, name="views", recipe=WithViews))
    code, _, err = command("train", "views", *QUICK)
    assert code == 2 and "task 'views': evaluate: has no tta" in err and not (tmp_path / "runs").exists()


def test_four_facts_make_a_task_and_a_missing_verb_is_said():
    own = Task(name="bare", recipe=object, open_dls=len, build_learner=len)
    for verb in ("ensemble", "verify", "scores", "evaluate_other"):
        with pytest.raises(RecipeError, match=f"task 'bare' has no {verb.replace('_', ' ')}"):
            own.verb(verb)
    with pytest.raises(TypeError, match="build_learner"):
        Task(name="less", recipe=object, open_dls=len)


def test_a_default_section_of_a_recipe_is_laid_under_what_is_said(example):
    assert tasks.recipe_of("angle") is example.AngleRecipe
    train = load_recipe("angle", {"opt": "adamw"}).train
    assert (train.opt, train.epochs, train.lr, train.monitor) == ("adamw", 8, 0.05, "degrees")
    assert load_recipe("angle", {"most": "20"}).data.most == 20


def test_a_run_of_an_unknown_task_or_of_none_is_refused_by_name(tmp_path):
    for name, task, words in (("a", "cook", "register_task"), ("b", None, "learner of no task")):
        run = RunFolder.create(tmp_path, name)
        write_json(run.file("run.json"), {"task": task, "recipe": {}, "classes": [], "device": {}})
        with pytest.raises(RunError, match=words):
            tasks.task_of(run.described(), run.path)
        run.unlock()
    with pytest.raises(LearnerkitError, match="did you mean classify"):
        tasks.get_task("clasify")
