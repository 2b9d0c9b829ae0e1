"""Reports from the files alone: of runs that are damaged, empty or not at their end, of odd names, and of many runs."""

import html
import json
import re
import shutil

import numpy as np
import pytest

from learnerkit.all import Run, array_dls, image_learner, write_report
from learnerkit.classify.evaluate import evaluate
from learnerkit.core.described import title_of
from learnerkit.core.errors import RunError
from learnerkit.core.files import write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.stamp import stamp
from learnerkit.pages.blocks import Card, Gallery
from learnerkit.runs.report_all import write_reports
from learnerkit.runs.report_parts import about, commands, recipe_tables, state_text
from learnerkit.tasks import get_task
from tests.conftest import toy_arrays, toy_learner
from tests.images import QUICK
from tests.pages.contents import blocks_of, with_blocks
from tests.runs.fake import fake_run

NASTY = "</script><script>alert(1)</script>"


@pytest.fixture
def run(tmp_path):
    """A finished run of 3 epochs, made without a training; its data are nowhere."""
    found = fake_run(tmp_path / "runs", "a", "add", 1, 0.8, epochs=3)
    write_json(found.file("class_names.json"), ["a", "b"])
    return found


def described(run, **facts):
    write_json(run.file("run.json"), {**run.described(), **facts})


def text_of(page):
    """What a reader sees of a page: no scripts, no styles, no tags."""
    return html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style)\b.*?</\1>", "", page.read_text())))


def damage(run, kind):
    if kind == "npz":
        path = run / "predictions.npz"
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == "csv":
        with (run / "batch_metrics.csv").open("a") as file:
            file.write("99,1")
    else:
        (run / f"{kind}.json").write_text("{}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npz", "csv", "run", "class_names"])
def test_damaged_runs_cost_at_most_their_own_page(command, digits_run, kind):
    run = digits_run.parent
    shutil.copytree(digits_run, run / "b")
    damage(run / "a", kind)
    for name in ("a", "b"):
        (run / name / "report.html").unlink()
    code, out, err = command("report", "--all", run)
    assert (run / "b" / "report.html").exists() and "Traceback" not in err
    assert (code, (run / "a" / "report.html").exists()) == ((1, False) if kind == "run" else (0, True))
    if kind == "run":
        assert "failed" in out and "run.json: is damaged" in out and "1 written, 1 failed" in out
    else:
        told = "Not everything could be read" in text_of(run / "a" / "report.html")
        assert told == (kind != "csv") and not (told and "predictions" not in text_of(run / "a" / "report.html"))


def test_a_page_is_whole_where_its_files_are(run):
    page = write_report(run)
    text = text_of(page)
    assert "Not everything" not in text and "of 3 epochs" not in text and "Confusion (" in text
    names = {path.name for path in run.file("figures").iterdir()}
    assert {
        f"{name}.{kind}" for name in ("loss", "accuracy", "validation", "combined") for kind in ("png", "pdf")
    } <= names
    assert not re.search(r'(src|href)="(?!data:|#)', page.read_text())


@pytest.mark.parametrize(
    "name", ["predictions.npz", "results.json", "status.json", "batch_metrics.csv", "history.jsonl"]
)
def test_a_file_that_is_damaged_is_named_and_the_rest_is_shown(run, name):
    broken = {
        "predictions.npz": b"PK\x03\x04",
        "history.jsonl": b"{\n[1]\n",
        "batch_metrics.csv": b"a,b,c,d\n1,2,3,x\n",
    }
    run.file(name).write_bytes(broken.get(name, b"{"))
    text = text_of(write_report(run))
    assert "Not everything could be read" in text and "How it was made" in text
    assert name in text or name == "batch_metrics.csv"
    if name != "predictions.npz":
        assert "Confusion (" in text


def test_a_damaged_picture_and_broken_contents_of_a_task_are_said(run, monkeypatch):
    run.file("explanations").mkdir()
    run.file("explanations").joinpath("maps.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    run.file("best_model.safetensors").write_bytes(b"weights")
    said = {"weights": stamp(run.file("best_model.safetensors")), "pictures": [["maps.png", "Maps"]]}
    write_json(run.file("explanations") / "explanations.json", said)
    with_blocks(monkeypatch, [Gallery("Broken", [Card(np.zeros(3), "x")])])
    text = text_of(write_report(run))
    assert "the picture maps.png" in text and "galleries and matrices: " in text and "Curves" in text


def test_an_empty_run_and_one_in_progress_have_a_page(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    facts = {"task": "classify", "recipe": {}, "classes": [], "device": {}, "n_epoch": 5}
    write_json(run.file("run.json"), facts)
    text = text_of(write_report(run))
    assert "begun, no epoch yet" in text and "This run is not finished" in text and "Not everything" not in text
    run.set_status("running")
    run.append_epoch({"epoch": 1, "train_loss": 2.0, "valid_loss": None, "accuracy": 0.5, "lr": 0.1, "seconds": 1.0})
    text = text_of(write_report(run))
    assert "in progress: 1 of 5 epochs" in text and "Curves" in text and "Not everything" not in text
    run.unlock()
    text = text_of(write_report(run))
    assert "killed after 1 of 5 epochs" in text and f"Run({str(tmp_path)!r}, 'a', resume=True)" in text
    write_json(run.file("run.json"), {**facts, "resolved": {}, "recipe": {"dls": None, "learner": None}})
    assert "This run was killed" in text_of(write_report(run))
    write_json(run.file("run.json"), facts)
    run.set_status("failed", error="the disk is full")
    assert "failed: the disk is full" in text_of(write_report(run))
    write_json(run.file("status.json"), {"state": "melted"})
    assert "unknown state melted: 1 of 5 epochs" in text_of(write_report(run))
    run.file("status.json").unlink()
    assert "unknown state: 1 of 5 epochs" in text_of(write_report(run))


def test_names_can_close_no_script(run, monkeypatch):
    with_blocks(monkeypatch, blocks_of([NASTY, "<!--"], 4))
    described(run, classes=[NASTY, "b"], command=NASTY, title=NASTY)
    run.append_epoch({**run.history()[-1], "epoch": 4, NASTY: 0.5})
    page = write_report(run).read_text()
    assert NASTY not in page and "<script>alert" not in page and "<!--" not in page.replace("<!-- uPlot", "")
    data = re.findall(r'(?s)<script type="application/json">(.*?)</script>', page)
    labels = [line["label"] for one in map(json.loads, data) for line in one.get("lines", [])]
    assert any(NASTY.partition("_")[0] in label for label in labels) and json.loads(data[-1])["rows"][0] == NASTY


def test_many_runs_go_on_past_a_damaged_one(run, tmp_path):
    root = run.path.parent
    write_json(fake_run(root, "b", "add", 2, 0.8).file("run.json"), {"task": "fuse"})
    RunFolder.create(root / "deeper", "c").unlock()
    said = []
    found = write_reports([root], said.append)
    assert [path.parent.name for path in found.written] == ["a"]
    assert len(found.failed) == 1 and "lacks recipe" in found.failed[0] and said[-1] == "1 written, 1 skipped, 1 failed"
    assert found.skipped == [f"{root / 'deeper' / 'c'}: has no run.json yet; its training has not begun"]
    with pytest.raises(RunError, match="is damaged"):
        write_report(root / "b")


def test_all_runs_of_the_command_line(command, run, tmp_path):
    code, out, _ = command("report", "--all", run.path.parent)
    assert code == 0 and out.splitlines() == [str(run.file("report.html")), "1 written"]
    assert command("report", "--all")[0] == 0  # runs/
    run.file("run.json").write_text("{")
    code, out, err = command("report", "--all", run.path.parent)
    assert code == 1 and "failed" in out and not err
    code, _, err = command("report", "--all", tmp_path / "none")
    assert code == 2 and "no run below" in err


def test_the_title_is_what_was_used():
    assert title_of({"resolved": {"model": {"arch": "resnet18"}, "data": {"path": "/x/pets"}}, "title": "CIFAR"}) == (
        "resnet18 on pets"
    )
    calls = {"learner": {"args": {"arch": "tiny_cnn"}}, "dls": {"call": "array_dls", "args": {}}}
    assert title_of({"recipe": calls, "data": {"name": "arrays"}}) == "tiny_cnn on arrays"
    assert title_of({"recipe": {"learner": None, "dls": None}}) == ""


def test_the_state_of_a_run_in_words():
    rows = [{}] * 2
    assert state_text({"state": "interrupted"}, rows, {"n_epoch": 9}) == "interrupted after 2 of 9 epochs"
    assert state_text({"state": "done"}, rows, {}) == "done" and state_text({}, rows, {}) == "unknown state: 2 epochs"


def test_what_of_a_recipe_is_not_its_default():
    task = get_task("classify")
    resolved = task.recipe().model_dump(mode="json")
    resolved["train"]["lr"], resolved["model"]["arch"], resolved["train"]["clip"] = 0.3, "tiny_cnn", 0
    shown, (whole,) = recipe_tables({"resolved": resolved}, task)
    default = task.recipe().model.arch
    assert shown[0].rows == [("model.arch", "tiny_cnn", default), ("train.lr", "0.3", "0.1")]
    assert len(whole.rows) > 50 and shown[0].note == f"{len(whole.rows) - 2} further settings have their defaults."


def test_a_scripts_calls_are_its_recipe(tmp_path):
    learn = toy_learner(Run(tmp_path, "a"), lr=0.07)
    learn.fit_one_cycle(1, 0.07)
    run = learn.run_folder
    shown, _ = recipe_tables(run.described(), get_task("classify"))
    rows = {setting: (value, default) for setting, value, default in shown[0].rows}
    assert rows["array_dls(bs)"][0] == "16" and rows["image_learner(lr)"][0] == "0.07"
    assert rows["image_learner(arch)"] == ("tiny_cnn", "resnet18") and rows["fit_one_cycle(lr)"][0] == "0.07"
    assert "array_dls(flip)" not in rows and "image_learner(arch)" in text_of(run.file("report.html"))


def test_each_command_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/learnerkit", "train", "a b"])
    learn = toy_learner(Run(tmp_path, "a", checkpoint_every=1))
    learn.fit(1)
    monkeypatch.setattr("sys.argv", ["/x/__main__.py", "train", "--resume"])
    learn = toy_learner(Run(tmp_path, "a", checkpoint_every=1, resume=True, allow=("epochs",)))
    learn.fit(2)
    facts = learn.run_folder.described()
    assert [command for _, command in commands(facts)] == ["learnerkit train 'a b'", "learnerkit train --resume"]
    assert facts["resumes"][0]["from"].startswith("epoch_001") and facts["resumes"][0]["time"]
    assert "learnerkit train --resume" in text_of(learn.run_folder.file("report.html"))


def test_a_measured_cost_is_on_the_page(command, digits_run):
    assert "What it costs" not in text_of(digits_run / "report.html")
    assert command("profile", digits_run, "--repeats", "2")[0] == 0
    text = text_of(write_report(digits_run))
    assert "What it costs" in text and "Median of 2 passes" in text and "Cost against size" in text


def test_what_stands_below_the_title(tmp_path):
    facts = {"task": "classify", "started": "2026-01-01", "device": {"name": "cpu", "threads": 1}}
    assert about(facts, tmp_path / "x" / "y") == ["x/y", "classify", "2026-01-01", "cpu (1 thread)"]


@pytest.mark.slow
def test_names_with_brackets_and_formulas(command, tmp_path):
    code, out, err = command("train", "digits", *QUICK, "--tta", "0", "--out", tmp_path / "o[/x]", "--name", "[bold]x")
    assert code == 0 and "o[/x]/[bold]x" in out, err
    images, labels = toy_arrays()
    dls = array_dls(images, labels, bs=16, vocab=["$\\foo$", "<script>", "_"])
    learn = image_learner(dls, "tiny_cnn", cbs=Run(tmp_path, "odd"), seed=1)
    learn.logger = lambda row: None
    learn.fit(1)
    evaluate(learn, learn.run_folder, ["valid", "test"])
    page = write_report(tmp_path / "odd").read_text()
    assert "&lt;script&gt;" in page and page.count("<script>") == page.count("</script>") - page.count("<script type")
