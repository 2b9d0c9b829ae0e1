"""Settings as people write them: obeyed as they stand, or refused with what was found and what to do."""

import errno
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from fastai.callback.core import Callback

from learnerkit.all import EarlyStop, Schedule
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core import files
from learnerkit.core.disk import check_place
from learnerkit.core.errors import DataError, LearnerkitError, RecipeError, RunError, TrainingError
from learnerkit.core.files import read_json, read_yaml
from learnerkit.core.schedules import SCHEDULES
from learnerkit.core.tensors import load_weights
from learnerkit.core.yaml import parse_yaml, to_yaml
from learnerkit.runs.grid import parse_grid
from learnerkit.runs.recipes import load_recipe
from learnerkit.runs.sweep import run_sweep
from learnerkit.runs.train import train
from learnerkit.runs.trials import plan_trials
from tests.conftest import assert_same_weights, state_of, toy_learner

# words and numbers

MEANT = {
    "1e-6": 1e-6, "1E6": 1e6, "5e-4": 5e-4, ".5": 0.5, "5.": 5.0, "-0.25": -0.25, "10": 10, "0": 0, "+3": 3,
    "true": True, "False": False, "~": None, "null": None,
    "010": "010", "007.5": "007.5", "1_000": "1_000", "0x1F": "0x1F", "0o17": "0o17", "12:30": "12:30",
    "2024-01-01": "2024-01-01", "yes": "yes", "no": "no", "on": "on", "off": "off", "y": "y", ".inf": ".inf",
    ".nan": ".nan", "=": "=", "<<": "<<",
}  # fmt: skip


@pytest.mark.parametrize("text", MEANT)
def test_a_scalar_is_what_was_written(text):
    read = parse_yaml(f"key: {text}")["key"]
    assert read == MEANT[text] and type(read) is type(MEANT[text])
    assert parse_yaml(to_yaml({"key": text})) == {"key": text}  # a text stays one, here and in other tools
    assert yaml.safe_load(to_yaml({"key": text})) == {"key": text}


def test_names_keep_their_text(tmp_path):
    path = tmp_path / "data.yaml"
    path.write_text("nc: 8\nnames: [no, yes, 1, 2e3, null, ~, 010, true]\n")
    assert read_yaml(path, words=("names",)) == {"nc": 8, "names": "no yes 1 2e3 null ~ 010 true".split()}
    path.write_text("names:\n  0: no\n  1: 1.0\n  2: 2024-01-01\n")
    assert read_yaml(path, words=("names",))["names"] == {0: "no", 1: "1.0", 2: "2024-01-01"}


TWICE = {
    "a section": (
        "train: {lr: 1}\ndata: {bs: 3}\ntrain: {wd: 3}\n",
        "'train' stands twice, in line 1 and in line 3",
    ),
    "a key": ("train:\n  lr: 1\n  bs: 2\n  lr: 2\n", "'lr' stands twice, in line 2 and in line 4"),
    "a number": ("names:\n  0: a\n  0: b\n", "'0' stands twice, in line 2 and in line 3"),
    "an alias": ("a: &x {b: 1}\nc: *x\n", r"line 2: the alias \*x"),
    "a tag": ("a: !!python/name:os.system x\n", "line 1: the tag !!python"),
    "no end": ("a: [1, 2\n", "is not valid YAML"),
    "a list": ("- a\n", "holds a list"),
}


@pytest.mark.parametrize("kind", TWICE)
def test_what_says_two_things_is_refused_with_its_lines(tmp_path, kind):
    text, said = TWICE[kind]
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError, match=rf"r\.yaml: .*{said}"):
        load_recipe(tmp_path / "r.yaml")


NO_NUMBERS = [
    ("epochs", "010", "say 10"), ("epochs", "1_000", "say 1000"), ("epochs", "true", "no numbers"),
    ("epochs", "3.0", "valid integer"), ("epochs", "0x10", "decimal"), ("bs", "1,2", "valid integer"),
    ("seed", "01", "say 1"), ("lr", "inf", "finite"), ("lr", "1e999", "finite"), ("wd", ".nan", "finite"),
    ("lr", "on", "valid number"), ("lr", "12:30", "valid number"), ("rotate", "-inf", "finite"),
    ("split", "true,.5,.5", "no numbers"), ("jitter", "yes", "valid boolean"),
]  # fmt: skip


@pytest.mark.parametrize(("flag", "text", "said"), NO_NUMBERS)
def test_what_is_no_number_is_never_taken_for_one(tmp_path, flag, text, said):
    with pytest.raises(RecipeError, match=rf"(?s)\.?{flag}: .*{said}"):
        load_recipe("digits", {flag: text})
    recipe = load_recipe("digits")
    section = next((name for name in ("data", "train") if hasattr(getattr(recipe, name), flag)), None)
    value = f"[{text}]" if "," in text else text
    (tmp_path / "r.yaml").write_text(f"{section}: {{{flag}: {value}}}\n" if section else f"{flag}: {value}\n")
    with pytest.raises(RecipeError, match=rf"(?s)\.?{flag}: .*{said}"):  # in a file as on the command line
        load_recipe(tmp_path / "r.yaml")


def test_grids_train_the_seeds_that_they_name(tmp_path):
    with pytest.raises(RecipeError, match=r"seed: '01' .*say 1"):
        plan_trials("digits", ["seed=01,010"], {}, tmp_path)
    for same in ("lr=1,1.0", "lr=.1,1e-1", "wd=0,-0"):
        with pytest.raises(RecipeError, match="are the same trial"):
            plan_trials("digits", [same], {}, tmp_path)
    for twice, kept in (("seed=1,1,2", ["1", "2"]), ("opt=adam,sgd,adam", ["adam", "sgd"]), ("lr=.1,.1", [".1"])):
        with pytest.warns(UserWarning, match="more than once, and is trained once"):
            assert list(parse_grid([twice]).values()) == [kept]
    with pytest.raises(RecipeError, match=r"two trials would be called data-a~b"):
        plan_trials("digits", ["data=a/b,a:b"], {"size": "null"}, tmp_path)


# schedules

WRONG_ARGUMENTS = [
    ("cosine", {"eta_min": "1e-6"}, "eta_min: '1e-6' - .*valid number"),
    ("cosine", {"etamin": 0.1}, "did you mean eta_min"),
    ("cosine", {"T_max": 2.5}, "T_max: 2.5 - .*valid integer"),
    ("step", {"step_size": 0}, "step_size: 0 - .*greater than or equal to 1"),
    ("step", {"gamma": True}, "true and false are no numbers"),
    ("multistep", {"milestones": 3}, "milestones: 3"),
    ("multistep", {"milestones": [3, "6"]}, "valid integer"),
    ("exponential", {"gamma": float("inf")}, "finite"),
    ("plateau", {"patience": "010"}, "say 10"),
    ("plateau", {"factor": 1.5}, "less than 1"),
    ("plateau", {"threshold_mode": "relative"}, "'rel' or 'abs'"),
    ("constant", {"gamma": 0.1}, "takes no arguments"),
]


@pytest.mark.parametrize(("kind", "options", "said"), WRONG_ARGUMENTS)
def test_arguments_of_schedules_are_checked_before_anything(tmp_path, kind, options, said):
    with pytest.raises(RecipeError, match=said):
        Schedule(kind, **options)
    (tmp_path / "r.yaml").write_text(to_yaml({"train": {"schedule": kind, "schedule_args": options}}))
    at = "" if options == {"gamma": float("inf")} else r"train\.schedule_args: .*"  # the reader keeps .inf a word
    with pytest.raises(RecipeError, match=at + said):
        load_recipe(tmp_path / "r.yaml")


def test_one_cycle_says_whose_arguments_it_takes():
    with pytest.raises(RecipeError, match=r"'div_factor'; did you mean div\?"):
        load_recipe("digits", {"schedule_args": "{div_factor: 10}"})
    with pytest.raises(RecipeError, match="'div_final'; did you mean final_div_factor"):
        Schedule("torch_one_cycle", div_final=1e4)
    args = load_recipe("digits", {"schedule_args": "{pct_start: .3, div: 1e1, moms: [.9, .8, .9]}"}).train.schedule_args
    assert args == {"pct_start": 0.3, "div": 10.0, "moms": [0.9, 0.8, 0.9]}
    for wrong in ("{pct_start: 1}", "{moms: [.9, .8]}", "{div: 0}"):
        with pytest.raises(RecipeError, match="schedule_args"):
            load_recipe("digits", {"schedule_args": wrong})


def test_rates_and_epochs_of_a_schedule_are_those_that_were_said():
    """eta_min and min_lr are rates, T_max and milestones epochs, as people copy them from torch's pages."""
    learn = toy_learner()
    learn.fit(4, 0.2, cbs=Schedule("cosine", T_max=2, eta_min=1e-3))
    steps = len(learn.dls.train)
    assert learn.recorder.lrs[2 * steps] == pytest.approx(1e-3) and learn.recorder.lrs[0] == pytest.approx(0.2)
    learn.fit(4, 0.2, cbs=Schedule("plateau", patience=0, threshold=1e9, factor=0.01, min_lr=0.05))
    assert learn.recorder.lrs[-1] == pytest.approx(0.05)
    learn.fit(4, 0.2, cbs=Schedule("multistep", milestones=[1, 3], gamma=0.5))
    assert learn.recorder.lrs[::steps] == pytest.approx([0.2, 0.1, 0.1, 0.05])
    torchs = {"cosine", "step", "multistep", "exponential", "plateau", "constant", "torch_one_cycle"}
    assert set(SCHEDULES) == {"one_cycle", *torchs}


def test_steps_are_said_once_and_of_the_steps(tmp_path):
    small = {"epochs": "1", "limit": "300", "bs": "32", "tta": "0", "limit_batches": "1"}
    both = load_recipe("digits", {**small, "schedule": "step", "lr_gamma": ".5", "schedule_args": "{gamma: .1}"})
    with pytest.raises(RecipeError, match=r"train\.lr_gamma and schedule_args\.gamma say the same"):
        train(both, tmp_path, "a")
    with pytest.warns(UserWarning, match=r"train\.lr_step_size: of the schedule 'step'; 'one_cycle' makes no use"):
        train(load_recipe("digits", {**small, "lr_step_size": "3"}), tmp_path, "a")


# places


def test_a_folder_in_the_place_of_a_file_is_called_one(tmp_path):
    (tmp_path / "r.yaml").mkdir()
    for read in (load_recipe, read_yaml, read_json, load_weights):
        with pytest.raises((RecipeError, DataError), match=r"r\.yaml: is a folder"):
            read(tmp_path / "r.yaml")
    with pytest.raises(
        LearnerkitError, match=r"r\.yaml: could not be written \(a folder stands in its place\)"
    ) as caught:
        files.atomic_write(tmp_path / "r.yaml", "x")
    assert "space" not in str(caught.value) and not list((tmp_path / "r.yaml").iterdir())
    for name, what in ((tmp_path, "is a folder"), (tmp_path / "r.txt", "is no .yaml file")):
        (tmp_path / "r.txt").write_text("task: classify")
        with pytest.raises(RecipeError, match=what):
            load_recipe(name)


def test_a_place_that_cannot_be_written_is_told_before_the_data_are_read(tmp_path):
    (tmp_path / "file").write_text("mine")
    absent = load_recipe("digits", {"data": str(tmp_path / "absent"), "size": "32"})
    for place in (tmp_path / "file", tmp_path / "file" / "deeper", "/proc", "/proc/deeper"):
        with pytest.raises(RunError, match=r"is a file, and a folder is needed|cannot be written to") as caught:
            train(absent, place, "a")
        with pytest.raises(RunError, match="choose another --out"):
            run_sweep("digits", ["seed=1"], {}, place)
        assert "space" not in str(caught.value) and "absent" not in str(caught.value)
        with pytest.raises(RunError):
            toy_learner([Run(place, "a")]).fit(1)
    assert (tmp_path / "file").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
    assert check_place(tmp_path / "not" / "there") == tmp_path and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENOTDIR])
def test_free_space_is_spoken_of_where_it_is_the_reason(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "so it is")

    full = number in (errno.ENOSPC, errno.EDQUOT)
    for name in ("write", "append"):
        monkeypatch.setattr(files.fsops, name, refuse)
    for write in (files.atomic_write, files.append_line):
        with pytest.raises(LearnerkitError, match=re.escape(f"{tmp_path / 'a.txt'}: could not be written")) as caught:
            write(tmp_path / "a.txt", "x")
        assert ("Free some space" in str(caught.value)) is full and "--out" in str(caught.value)


# finished runs, and monitors that are no numbers

GOING_ON = {
    "constant": lambda: Schedule("constant"),
    "step": lambda: Schedule("step", step_size=2),
    "plateau": lambda: Schedule("plateau", patience=0),
    "exponential": lambda: Schedule("exponential"),
    "cosine with a stated length": lambda: Schedule("cosine", T_max=4),
}


@pytest.mark.parametrize("kind", GOING_ON)
def test_a_finished_run_goes_on_as_if_it_had_never_ended(tmp_path, kind):
    whole = toy_learner([Run(tmp_path, "whole")])
    whole.fit(4, 0.1, cbs=GOING_ON[kind]())
    first = toy_learner([Run(tmp_path, "a")])
    first.fit(2, 0.1, cbs=GOING_ON[kind]())
    first.run_folder.unlock()
    again = toy_learner([Run(tmp_path, "a", resume=True, allow=("epochs",))])
    again.fit(4, 0.1, cbs=GOING_ON[kind]())
    assert_same_weights(state_of(whole), state_of(again))
    rows, expected = again.run_folder.history(), whole.run_folder.history()
    assert [row["valid_loss"] for row in rows] == [row["valid_loss"] for row in expected]
    described = read_json(tmp_path / "a" / "run.json")
    assert described["n_epoch"] == 4 and [(c["from"], c["to"]) for c in described["continued"]] == [(2, 4)]


@pytest.mark.parametrize("kind", ["one_cycle", "cosine", "torch's one_cycle"])
def test_a_curve_that_has_ended_is_not_stretched(tmp_path, kind):
    def fit(learn, epochs):
        if kind == "one_cycle":
            learn.fit_one_cycle(epochs, 0.1)
        else:
            learn.fit(epochs, 0.1, cbs=Schedule(kind.split()[-1]))

    first = toy_learner([Run(tmp_path, "a")])
    fit(first, 2)
    first.run_folder.unlock()
    before = {
        path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file() and path.name != "lock.json"
    }
    with pytest.raises(RunError, match=r"laid out over 2 and end there.*load_run"):
        fit(toy_learner([Run(tmp_path, "a", resume=True, allow=("epochs",))]), 4)
    with pytest.raises(RunError, match=r"n_epoch was 2, now 4.*allow=\('epochs',\)"):
        fit(toy_learner([Run(tmp_path, "a", resume=True)]), 4)
    assert before == {path: path.read_bytes() for path in before}


def test_a_finished_run_says_so(tmp_path, caplog):
    first = toy_learner([Run(tmp_path, "a", keep_checkpoints=False)])
    first.fit(2, 0.1)
    first.run_folder.unlock()
    with pytest.raises(RunError, match="keep_checkpoints=False"):
        toy_learner([Run(tmp_path, "a", resume=True, keep_checkpoints=False, allow=("epochs",))]).fit(3, 0.1)
    first = toy_learner([Run(tmp_path, "b")])
    first.fit(2, 0.1)
    first.run_folder.unlock()
    toy_learner([Run(tmp_path, "b", resume=True)]).fit(2, 0.1)
    assert "is trained already (2 epochs)" in caplog.text and "allow=('epochs',)" in caplog.text
    with pytest.raises(RunError, match="cannot go on to 1 epochs: 2 are trained already"):
        toy_learner([Run(tmp_path, "b", resume=True, allow=("epochs",))]).fit(1, 0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("default::UserWarning")
def test_a_recipes_run_goes_on_from_the_command_line(command, tmp_path):
    small = ["--limit", "300", "--bs", "32", "--tta", "0", "--out", tmp_path, "--epochs", "1"]
    code, _, err = command("train", "digits", *small, "--schedule", "constant", "--name", "a")
    assert code == 0, err
    code, _, err = command("train", "--resume", tmp_path / "a")
    assert code == 0 and "is trained and measured already (1 epochs)" in err
    code, _, err = command("train", "--resume", tmp_path / "a", "--epochs", "2")
    assert code == 0 and "measured on its test part once, and is again" in err
    run = read_json(tmp_path / "a" / "run.json")
    assert run["resolved"]["train"]["epochs"] == run["n_epoch"] == 2
    assert read_json(tmp_path / "a" / "results.json")["epochs"] == 2 and (tmp_path / "a" / "predictions.npz").exists()
    shutil.rmtree(tmp_path / "a")
    assert command("train", "digits", *small, "--name", "a")[0] == 0
    code, _, err = command("train", "--resume", tmp_path / "a", "--epochs", "2")
    assert code == 2 and "laid out over 1 and end there" in err


NO_NUMBER = {"nan": float("nan"), "nothing": None, "without end": float("inf")}


@pytest.mark.parametrize("kind", NO_NUMBER)
def test_a_monitor_that_is_never_a_number_ends_the_run_with_a_word(tmp_path, kind):
    spoil = Callback(after_epoch=lambda self: self.recorder.values[-1].__setitem__(2, NO_NUMBER[kind]))
    spoil.order = 51  # after the recorder, before what decides
    learn = toy_learner([Run(tmp_path, "a", monitor="accuracy", mode="max"), spoil])
    with pytest.raises(TrainingError, match=r"monitor 'accuracy' was no number in any of the 2 epochs.*valid_loss"):
        learn.fit(2, 0.01)
    status = read_json(tmp_path / "a" / "status.json")
    assert status["state"] == "failed" and "no number" in status["error"]
    assert (
        not (tmp_path / "a" / "best_model.safetensors").exists()
        and (tmp_path / "a" / "final_model.safetensors").exists()
    )
    learn = toy_learner([EarlyStop("accuracy", "max", 5), spoil])
    learn.fit(2, 0.01, cbs=Schedule("plateau", monitor="accuracy", mode="max"))  # waits for one
    assert all(torch.isfinite(weight).all() for weight in learn.model.parameters())


@pytest.mark.slow
def test_a_place_that_no_other_words_were_found_for_is_named(command, digits_run):
    """Three kinds of what can stand where a command writes: one message each, no traceback."""
    picture, page, folder = (digits_run / name for name in ("figures/confusion_matrix.png", "report.html", "figures"))
    for place, make in ((picture, Path.mkdir), (page, Path.mkdir), (folder, Path.touch)):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        make(place)
        code, _, err = command("report", digits_run)
        assert code == 2 and err.startswith("error:") and str(place) in err and "Traceback" not in err
        place.rmdir() if place.is_dir() else place.unlink()
        folder.mkdir(exist_ok=True)
        assert command("report", digits_run)[0] == 0
