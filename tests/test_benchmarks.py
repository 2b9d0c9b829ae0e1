"""The benchmarks: their page is what the JSON files say, their questions keep the contract, contenders take turns."""

import importlib
import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "benchmarks"
HELPERS = {"bench", "costs", "crowd", "folding", "scale", "gpu", "gpu_rows", "many_runs", "photographs", "table"}
TOY = """
from kit.question import Contender, Table, Target, difference, ratio
def steady(setting):
    values = iter([9.0, 2.0, 3.0, 4.0])
    return lambda: {"figure": next(values), "seen": setting.of(1, 2, 3)}
def double(setting):
    values = iter([9.0, 4.0, 6.0, 8.0])
    return lambda: print("said by a library") or next(values)
def missing(setting):
    raise ModuleNotFoundError(name="nowhere")
def breaks(setting):
    values = iter([1.0, 1.0])
    return lambda: next(values, None)
def dies(setting):
    import os
    os._exit(3)
targets = [
    Target("twice", ratio("double", "steady"), 2.0),
    Target("apart", difference("double", "steady"), 2.5),
    Target("of what is not there", ratio("missing", "steady"), 1.0),
]
contenders = {make.__name__: Contender(make) for make in (steady, double, missing, breaks, dies)}
TABLES = {"toy": Table("Toy", "What?", "s", contenders, "steady", targets=targets, columns={"seen": "seen"})}
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


def questions():
    return importlib.import_module("kit.command").QUESTIONS


def test_the_measured_part_of_the_page_is_what_the_files_give():
    table = importlib.import_module("table")
    page = table.PAGE.read_text()
    measured = table.measured()
    assert table.BEGIN in measured and measured in page


def test_every_file_is_a_question_or_a_helper_and_every_table_keeps_the_contract():
    files = {file.stem for file in HERE.glob("*.py")}
    assert files - HELPERS == set(questions())
    for name in questions():
        tables = importlib.import_module(name).TABLES
        assert any(table.quick for table in tables.values()), name
        for key, table in tables.items():
            assert table.base in table.contenders, (name, key)
            for target in table.targets:  # of rows that nobody could measure
                rows = {each: importlib.import_module("kit.question").Row(each) for each in table.contenders}
                assert target.judged(rows)["met"] is None, (name, key, target.text)
    titles = [table.title for name in questions() for table in importlib.import_module(name).TABLES.values()]
    assert len(set(titles)) == len(titles)


def test_contenders_take_turns_and_one_that_fails_has_a_row_that_says_why(tmp_path, monkeypatch):
    (tmp_path / "toy_question.py").write_text(TOY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    command = importlib.import_module("kit.command")
    command.ask("toy_question", "quick", 3, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "toy_question.json").read_text())
    (table,) = found["tables"]
    rows = {row["name"]: row for row in table["rows"]}
    assert rows["steady"]["values"] == [2.0, 3.0, 4.0] and rows["steady"]["facts"] == {"seen": 2}
    assert rows["double"]["values"] == [4.0, 6.0, 8.0]
    assert rows["missing"]["error"] == "not installed: nowhere"
    assert rows["breaks"]["values"] == [1.0] and rows["breaks"]["error"].startswith("failed: TypeError")
    assert rows["dies"]["error"] == "failed: its process ended"
    assert all(row["peak_mb"] > 1 for row in table["rows"] if row["values"])
    assert [target["met"] for target in table["targets"]] == [True, False, None]
    assert [target["found"] for target in table["targets"]] == [2.0, 3.0, None]
    page = "\n".join(importlib.import_module("kit.page").section(found))
    assert "| steady | 3.00 (2.00-4.00) | 1.00 | 2 |" in page and "| double | 6.00 (4.00-8.00) | 2.00 |  |" in page
    assert "| missing | not installed: nowhere |" in page and "twice, at most 2.00: 2.00, met" in page
    assert "breaks; then failed: TypeError" in page


def test_what_is_newer_than_since_is_passed_over(tmp_path, monkeypatch, capsys):
    command = importlib.import_module("kit.command")
    (tmp_path / "input.json").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["bench.py", "--only", "input", "--since", "1", "--out", str(tmp_path)])
    assert command.main() == 0
    assert "passed over" in capsys.readouterr().out
    assert (tmp_path / "input.json").read_text() == "{}"


def test_numbers_have_three_digits_that_count():
    number = importlib.import_module("kit.page").number
    shown = [number(value) for value in (12345.6, 123.4, 12.34, 1.234, 0.1234, -0.5, 0.00012, 7, "as it is", None)]
    assert shown == ["12,346", "123", "12.3", "1.23", ".123", "-.500", "0.00012", "7", "as it is", ""]


# the others take long even in small: `python benchmarks/bench.py --tiny` runs all
TRIED = {
    "overhead": None,
    "tta": {"learnerkit `TTA(16)`"},
    "interpret": None,
    "input": {"learnerkit", "bare tensors, windows indexed", "kornia on batches"},
    "pairs": None,
    "checkpoint": {"learnerkit", "torch.save, synced and renamed"},
    "detection": {"learnerkit", "pycocotools", "torchmetrics on faster-coco-eval"},
    "growth": {"50,000", "16,800", "10", "100"},
    "epoch": {"learnerkit"},
    "explain": {"learnerkit `gradcam`", "captum LayerGradCam"},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRIED)
def test_contenders_run_in_small(name, tmp_path):
    question = importlib.import_module("kit.question")
    for key, table in importlib.import_module(name).TABLES.items():
        setting = question.Setting("tiny", tmp_path / key)
        setting.folder.mkdir()
        if table.prepare is not None:
            table.prepare(setting)
        for title, contender in table.contenders.items():
            if TRIED[name] is not None and title not in TRIED[name]:
                continue
            try:
                found = contender.make(setting)()
            except ModuleNotFoundError as error:
                assert error.name in ("pytorch_lightning", "kornia"), (name, title)
                continue
            figure = found["figure"] if isinstance(found, dict) else found
            assert figure > 0, (name, key, title)
