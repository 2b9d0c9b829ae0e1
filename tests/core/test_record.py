"""The record that a page carries: whole, compact, and refused where it is none."""

import json

import numpy as np
import pytest

from learnerkit.core import record as module
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.record import content_of, read_record, record_of
from learnerkit.core.run_folder import RunFolder
from learnerkit.pages.page import render


def page(tmp_path, content):
    """A page with a record, as the template writes it."""
    file = tmp_path / "page.html"
    text = json.dumps(content).replace("<", "\\u003c")
    file.write_text(f'<p>before</p><script type="application/json" id="learnerkit-record">{text}</script><p>after')
    return file


def test_page_and_folder_have_one_record(digits_run):
    of_page, of_folder = read_record(digits_run / "report.html"), read_record(digits_run)
    assert of_page.run == of_folder.run
    assert of_page.weights == of_folder.weights
    assert of_page.weights.keys() == {"best_model", "final_model"}
    assert np.array_equal(of_page.losses, of_folder.losses)
    assert (of_page.n_steps, of_page.every, of_page.state, of_page.edited) == (6, 1, "done", False)


def test_losses_are_those_of_the_training_bit_for_bit(digits_run):
    losses = (digits_run / "batch_metrics.csv").read_text().splitlines()
    place = losses[0].split(",").index("loss")
    assert read_record(digits_run / "report.html").losses.tolist() == [
        float(np.float32(line.split(",")[place])) for line in losses[1:]
    ]


def test_of_very_many_steps_every_nth_loss_is_kept(digits_run, monkeypatch):
    whole = record_of(RunFolder.open(digits_run)).losses
    monkeypatch.setattr(module, "MOST_STEPS", 4)
    found = record_of(RunFolder.open(digits_run))
    assert (found.every, found.n_steps) == (2, 6)
    assert found.losses.tolist() == whole[[1, 3, 5]].tolist()


def test_a_changed_record_is_seen(digits_run, tmp_path):
    content = content_of(record_of(RunFolder.open(digits_run)))
    assert not read_record(page(tmp_path, content)).edited
    content["run"]["seed"] = 7
    assert read_record(page(tmp_path, content)).edited


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, r"schema 2, and this version of learnerkit reads up to 1; use the version that wrote it"),
        ({"steps": {}}, "its record is damaged"),
        ({"steps": {"n": 1, "every": 1, "losses": "?"}}, "its record is damaged"),
        ({"steps": {"n": 1, "every": 0, "losses": ""}}, "its record is damaged"),
        ({"steps": [1]}, "its record is damaged"),
        ({"run": {"task": "classify"}}, "lacks recipe, classes, device"),
    ],
)
def test_what_is_no_record(digits_run, tmp_path, change, message):
    content = content_of(record_of(RunFolder.open(digits_run)))
    with pytest.raises((RunError, DataError), match=message):
        read_record(page(tmp_path, {**content, **change}))


def test_other_pages_and_files(tmp_path):
    with pytest.raises(DataError, match="its record is damaged"):
        read_record(page(tmp_path, [1]))
    with pytest.raises(RunError, match="no such file"):
        read_record(tmp_path / "nowhere.html")
    file = tmp_path / "other.html"
    file.write_text("<html>")
    with pytest.raises(RunError, match=r"other\.html: carries no record of a run"):
        read_record(file)


def test_a_name_cannot_end_the_element(tmp_path, digits_run):
    described = json.loads((digits_run / "run.json").read_text())
    described["classes"] = ["</script><script>alert(1)</script>"]
    (digits_run / "run.json").write_text(json.dumps(described))
    content = content_of(record_of(RunFolder.open(digits_run)))
    text = render("report.html.j2", record=content, run=described, status={}, warnings=[], headlines=[], tables=[],
                  blocks=[], commands=[], made=[], folded=[], name="a", title="a", state="done", about=[],
                  run_json="", version="1")  # fmt: skip
    file = tmp_path / "page.html"
    file.write_text(text)
    assert read_record(file).run["classes"] == described["classes"]
