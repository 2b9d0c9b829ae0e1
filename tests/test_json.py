"""Every command's JSON document is what nbs/json.md says, and nothing else is on standard output."""

import inspect
import json
import re

import numpy as np
import pytest
from PIL import Image

from learnerkit import cli
from learnerkit.cli import make_app
from tests.images import QUICK
from tests.json_page import PAGE, check_document

TINY = [*QUICK, "--tta", "0", "--out", "runs"]


@pytest.fixture
def document(capsys):
    """A function from words to the document of a command."""

    def run(*words, code=0):
        capsys.readouterr()
        assert cli.main([str(word) for word in (*words, "--json")]) == code
        return json.loads(capsys.readouterr().out)

    return run


def leaves(app, above=()):
    """The commands, those of groups too, with their functions."""
    for command in app.registered_commands:
        yield " ".join([*above, command.name or command.callback.__name__]), command.callback
    for group in app.registered_groups:
        yield from leaves(group.typer_instance, (*above, group.name))


def test_every_command_but_the_server_has_a_document_and_a_section():
    commands = {name: set(inspect.signature(function).parameters) for name, function in leaves(make_app())}
    assert {name for name, parameters in commands.items() if "as_json" not in parameters} <= {"serve"}
    sections = set(re.findall(r"^## `([\w ]+)`$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert sections == {name for name in commands if name != "serve"}


def test_train(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = document("train", "digits", *TINY, "--name", "a")
    check_document(found, "train")
    assert found["run"] == "runs/a"
    assert found["results"] == json.loads((tmp_path / "runs" / "a" / "results.json").read_text())


def test_an_error_leaves_standard_output_empty(capsys):
    assert cli.main(["train", "digitz", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "did you mean digits" in said.err


def test_commands_on_a_run(document, digits_run, tmp_path):
    found = document("evaluate", digits_run)
    check_document(found, "evaluate")
    assert found["results"]["test_accuracy"] == json.loads((digits_run / "results.json").read_text())["test_accuracy"]
    found = document("compare", digits_run.parent)
    check_document(found, "compare")
    assert [run["run"] for run in found["runs"]] == [str(digits_run)]
    found = document("report", digits_run)
    check_document(found, "report")
    assert found["written"] == [str(digits_run / "report.html")]
    found = document("report", "--all", digits_run.parent)
    check_document(found, "report")
    found = document("profile", digits_run, "--repeats", "1")
    check_document(found, "profile")
    assert found["rows"][0]["bs"] == 1
    found = document("export", digits_run, tmp_path / "model")
    check_document(found, "export")
    assert found["onnx"] is None
    picture = tmp_path / "digit.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture)
    found = document("predict", digits_run, picture)
    check_document(found, "predict")
    assert found["facts"]["samples"] == 1


def test_recipe_and_doctor(document, tmp_path):
    found = document("recipe", "digits", "--epochs", "3")
    check_document(found, "recipe")
    assert found["resolved"]["train"]["epochs"] == 3
    assert found["origins"]["train.epochs"] == "--epochs"
    found = document("recipe")
    check_document(found, "recipe")
    assert "digits" in found["titles"]
    check_document(document("doctor"), "doctor")
    (tmp_path / "empty").mkdir()
    found = document("doctor", tmp_path / "empty", code=2)
    assert found["level"] == "fault"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the models agree")  # of two epochs
def test_the_long_ones(document, digits_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_document(document("explain", digits_run, "--images", "2", "--methods", "gradcam", "--no-controls"), "explain")
    check_document(document("suspects", digits_run, "--folds", "2", "--epochs", "1"), "suspects")
    found = document("sweep", "digits", "--grid", "seed=1,2", *TINY)
    check_document(found, "sweep")
    assert [trial["state"] for trial in found["trials"]] == ["done", "done"]
