"""Runs as rows: what is found, read, asked and shown of many, from their files alone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from learnerkit.core.errors import RecipeError, RunError
from learnerkit.core.files import read_last, write_json
from learnerkit.runs.clean import plan_cleaning
from learnerkit.runs.index import Index, find_runs, read_row
from learnerkit.runs.listing import listed, table_lines
from learnerkit.runs.live_table import LiveTable, Query
from learnerkit.runs.query import Condition, Fields
from learnerkit.runs.shown_run import run_lines, shown_run
from learnerkit.runs.web import run_page
from tests.json_page import check_document
from tests.runs.fake import fake_run

KEPT = Path(__file__).parent / "kept_run"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Twelve runs of three settings at two depths; not to be changed."""
    root = tmp_path_factory.mktemp("many") / "runs"
    for number in range(12):
        mode, place = ("add", "max", "gated")[number % 3], root / ("deep/sweep" if number % 2 else "flat")
        model = {"arch": f"net{number % 2}", **({"depth": number} if number > 5 else {})}
        fake_run(place, f"r{number:02}", mode, number, 0.5 + number / 40, n=40, epochs=3, model=model)
    return root


def names(rows):
    return [row.name.rsplit("/", 1)[-1] for row in rows]


def test_the_kept_run_is_a_row_of_its_files():
    row = read_row(KEPT)
    results, described = (json.loads((KEPT / name).read_text()) for name in ("results.json", "run.json"))
    assert (row.name, row.task, row.title, row.state) == ("kept_run", "classify", "tiny_cnn on digits", "done")
    assert (row.epochs, row.n_epoch, row.seed, row.monitor) == (16, 16, 1, "accuracy")
    assert row.best == results["best_valid_accuracy"] and row.seconds == 29.4 and row.started == described["started"]
    assert row.figures == results and row.settings["fit.lr"] == 0.3 and row.settings["learner.args.opt"] == "sgd"
    assert row.settings["dls.args.num_workers"] == 0 and "dls.args.num_workers" not in row.variants()
    assert row.bytes is None and find_runs(KEPT, sizes=True)[0].bytes == sum(p.stat().st_size for p in KEPT.iterdir())


def test_runs_are_found_at_any_depth_and_not_within_runs(made, tmp_path):
    rows = find_runs(made)
    assert len(rows) == 12 and rows[0].name == "deep/sweep/r01" and rows[-1].name == "flat/r10"
    root = Path(shutil.copytree(made, tmp_path / "runs"))
    shutil.copytree(root / "flat" / "r00", root / "flat" / "r00" / "evaluations" / "nested")
    shutil.copytree(root / "flat" / "r00", root / "flat" / ".r00.1.removed")
    (root / "loop").symlink_to(root)
    assert [row.name for row in find_runs(root)] == [row.name for row in rows]
    assert [row.name for row in find_runs(root / "flat" / "r00")] == ["r00"]


def test_of_the_ledger_the_last_whole_line_counts(tmp_path):
    ledger = tmp_path / "history.jsonl"
    assert read_last(ledger) == []
    ledger.write_text("")
    assert read_last(ledger) == []
    ledger.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    assert read_last(ledger) == [{"epoch": 2}]
    wide = json.dumps({"epoch": 3, **{f"AP_{n}": 0.5 for n in range(9000)}})
    ledger.write_text(f'{{"epoch": 2}}\n{wide}\n')
    assert len(wide) > 2**16 and read_last(ledger)[0]["epoch"] == 3


def test_a_run_without_results_has_its_best_from_the_ledger(tmp_path):
    run = fake_run(tmp_path, "a", "add", 1, 0.9, epochs=5, state="interrupted")
    run.file("results.json").unlink()
    write_json(run.file("run.json"), {**run.described(), "monitor": "accuracy", "mode": "max", "n_epoch": 9})
    row = read_row(run.path)
    assert row.best == max(epoch["accuracy"] for epoch in run.history())
    assert (row.epochs, row.n_epoch, row.seconds, row.state) == (5, 9, 5, "interrupted")


def test_a_killed_run_is_told_from_a_running_one(tmp_path, held_by_another):
    for name in ("a", "b"):
        fake_run(tmp_path, name, "add", 1, 0.9, state="running")
    index = Index(tmp_path)
    assert [row.state for row in index.rows()] == ["killed", "killed"]
    process = held_by_another(tmp_path / "b")
    assert [row.state for row in index.rows()] == ["killed", "running"]
    process.communicate("")
    assert [row.state for row in index.rows()] == ["killed", "killed"]


def test_what_has_not_changed_is_not_read_again(made, tmp_path, monkeypatch):
    root, read = Path(shutil.copytree(made, tmp_path / "runs")), []
    index = Index(root)
    before = index.rows()
    monkeypatch.setattr("learnerkit.runs.index.read_row", lambda *words: read.append(words) or read_row(*words))
    assert all(a is b for a, b in zip(before, index.rows(), strict=True)) and not read
    write_json(root / "flat" / "r00" / "results.json", {"test_accuracy": 0.125})
    assert next(row for row in index.rows() if row.name == "flat/r00").figures == {"test_accuracy": 0.125}
    assert len(read) == 1
    shutil.rmtree(root / "flat" / "r00")
    assert len(index.rows()) == 11


DAMAGES = {
    "no JSON": ("run.json", b"{", "run.json: is not valid JSON"),
    "a list": ("run.json", b"[]", "is damaged, it lacks task"),
    "another schema": ("run.json", None, "schema 99, this version of learnerkit reads up to 1"),
    "odd recipe": ("run.json", b'{"task": 1, "recipe": 3, "classes": [], "device": 0}', "recipe is no mapping"),
    "status": ("status.json", b"\xff", "status.json: is not valid JSON"),
    "results": ("results.json", b"[1", "results.json: is not valid JSON"),
    "ledger": ("history.jsonl", b"x\n{}\n", "history.jsonl: line 1 is not valid JSON"),
    "deep": ("results.json", b"[" * 100_000, "results.json"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_run_is_a_row_that_says_so(tmp_path, kind):
    name, content, said = DAMAGES[kind]
    for run, accuracy in (("a", 0.9), ("b", 0.95)):
        fake_run(tmp_path, run, "add", 1, accuracy)
    file = tmp_path / "a" / name
    file.write_bytes(content or json.dumps({**json.loads(file.read_text()), "schema": 99}).encode())
    broken, good = find_runs(tmp_path)
    assert (broken.state, good.state) == ("damaged", "done") and (said in broken.wrong or kind == "deep"), broken.wrong
    lines = "\n".join(table_lines(listed([broken, good], sort="-test_accuracy")))
    assert "1 with a fault: a: " in lines and "damaged" in lines and lines.index("\nb") < lines.index("\na")


@pytest.mark.parametrize("odd", [[1], {"a": 1}, "text", float("nan"), True, None], ids=str)
def test_odd_values_in_a_run_cost_no_table(tmp_path, odd):
    """Whatever stands in the place of a number or text: the others are listed, and it is shown."""
    for name in ("a", "b"):
        run = fake_run(tmp_path, name, "add", 1, 0.9, epochs=2)
    keys = ("task", "seed", "n_epoch", "monitor", "mode", "started", "command", "resumes", "title", "versions", "data")
    write_json(run.file("run.json"), {**run.described(), **dict.fromkeys(keys, odd)})
    write_json(run.file("results.json"), {**run.results(), "seconds": odd, "best_valid_loss": odd, "epochs": odd})
    rows = find_runs(tmp_path, sizes=True)
    assert len(table_lines(listed(rows, ["test_accuracy>0"], "-best", "started,seed,seconds,n_epoch"))) >= 4
    listed(rows), run_lines(shown_run(run.path)), plan_cleaning(tmp_path, ["checkpoints", "failed"], keep_best=1)
    live = LiveTable(tmp_path)
    json.dumps(live.answer(Query())), json.dumps(live.curves(["a", "b"]))
    assert run_page(run.path, "b", "runs")


def test_a_run_that_never_began_is_a_row(tmp_path):
    (run := fake_run(tmp_path, "a", "add", 1, 0.9)).file("run.json").unlink()
    run.set_status("created")
    row = read_row(run.path)
    assert row.state == "killed" and row.wrong == "has no run.json: its training never began"


def test_a_run_that_is_removed_meanwhile_is_passed_over(made, tmp_path, monkeypatch):
    root = Path(shutil.copytree(made, tmp_path / "runs"))

    def removing(folder, name):
        shutil.rmtree(folder) if name == "flat/r02" else None
        return read_row(folder, name)

    monkeypatch.setattr("learnerkit.runs.index.read_row", removing)
    assert len(Index(root).rows()) == 11


def test_a_thousand_folders_without_a_run_are_one_clear_message(tmp_path, command):
    for number in range(1000):
        (tmp_path / "photos" / f"class{number}").mkdir(parents=True)
    code, out, err = command("runs", "list", "photos")
    assert (code, out) == (2, "")
    assert "photos: holds no run (1,001 folders were looked through; a run is a folder with run.json)" in err
    with pytest.raises(RunError, match="nowhere: no such folder"):
        find_runs(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file: is a file"):
        find_runs(tmp_path / "file")


# questions


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (["test_accuracy >= .75"], ["r11", "r10"]),
        (["fusion=gated", "arch=net1"], ["r05", "r11"]),
        (["model.fusion != add", "seed < 5"], ["r01", "r02", "r04"]),
        (["seed > 8", "seed<=10"], ["r09", "r10"]),
        (["name ~ SWEEP/r1"], ["r11"]),
        (["depth = 10"], ["r10"]),
        (["depth=10.0"], ["r10"]),
        (["state=done", "depth>9.5"], ["r11", "r10"]),
    ],
)
def test_conditions_choose_runs(made, where, wanted):
    assert sorted(names(listed(find_runs(made), where).rows)) == sorted(wanted)


def test_sorting_is_by_numbers_and_the_unknown_stand_last_and_are_counted(made):
    rows = find_runs(made)
    assert names(listed(rows, sort="-test_accuracy").rows)[:2] == ["r11", "r10"]
    found = listed(rows, sort="depth")
    assert names(found.rows)[:6] == ["r06", "r07", "r08", "r09", "r10", "r11"]  # 9 before 10
    assert found.without == {"depth": 6} and "6 without depth" in table_lines(found)
    assert names(listed(rows, sort="-depth").rows)[:2] == ["r11", "r10"]
    found = listed(rows, ["depth > 8"])
    assert len(found.rows) == 3 and found.without == {"depth": 6} and "3 of 12 runs" in table_lines(found)


def test_a_short_name_is_taken_where_it_is_clear(made):
    rows = find_runs(made)
    with pytest.raises(RecipeError, match="--sort: 'accuracy' may be test_accuracy and valid_accuracy; say which"):
        listed(rows, sort="accuracy")
    with pytest.raises(RecipeError, match=r"no run has a figure or setting 'archh'; did you mean arch"):
        listed(rows, ["archh=net1"])
    with pytest.raises(RecipeError, match="seed is a number, and 'one' is none"):
        listed(rows, ["seed<one"])
    with pytest.raises(RecipeError, match="say FIELD OP VALUE"):
        listed(rows, ["seed"])
    assert names(listed(rows, ["model_name=net1"], sort="seed").rows)[0] == "r01"  # timm's word for arch
    script = read_row(KEPT)
    found = listed([*rows, script], ["arch ~ n"])  # learner.args.arch of one run, model.arch of the others
    assert len(found.rows) == 13


def test_what_differs_becomes_columns(made):
    found = listed(find_runs(made))
    heads = [column.head for column in found.columns]
    assert heads[:2] == ["state", "epochs"] and {"fusion", "arch", "depth", "seed", "test_accuracy"} <= set(heads)
    assert "split_seed" not in heads
    assert [one.head for one in listed(find_runs(made), columns="arch").columns] == ["arch"]


def test_the_table_is_as_wide_as_the_terminal(made):
    found = listed(find_runs(made))
    for width in (40, 60, 80, 200):
        lines = table_lines(found, width)
        assert all(len(line) <= width for line in lines[:13]) and lines[0].startswith("run")
        assert len({line.split()[0] for line in lines[1:13]}) == 12  # no two names are shortened to one
    assert any("for want of room without" in line for line in table_lines(found, 40))
    assert not any("for want of room" in line for line in table_lines(found))


def test_the_document_of_list(made, command):
    code, out, err = command("runs", "list", made, "--where", "depth>8", "--sort", "-seed", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "") and names_of(document) == [
        "deep/sweep/r11",
        "flat/r10",
        "deep/sweep/r09",
    ]
    check_document(document, "runs list")
    assert document["of"] == 12 and document["without"] == {"depth": 6} and document["runs"][0]["bytes"] > 1000
    assert command("runs", "list", made, "--sort", "-nothing", "--json")[:2] == (2, "")


def names_of(document):
    return [row["name"] for row in document["runs"]]


def test_reading_runs_imports_no_torch():
    code = "import sys, learnerkit.runs.index, learnerkit.runs.listing; print({'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_one_word_means_a_setting_of_commands_and_of_scripts(tmp_path):
    fake_run(tmp_path, "command", "add", 1, 0.9, model={"arch": "tiny_cnn"})
    script = fake_run(tmp_path, "script", "add", 1, 0.8)
    described = {key: value for key, value in script.described().items() if key != "resolved"}
    calls = {"learner": {"call": "image_learner", "args": {"arch": "resnet18", "lr": 0.1}, "lost": []}}
    write_json(script.file("run.json"), {**described, "recipe": calls, "fit": {"call": "fit", "lr": 0.01}})
    rows = Index(tmp_path).rows()
    lr, arch = (Fields(rows).meant(word, "--where") for word in ("lr", "arch"))
    of_script = next(row for row in rows if row.name == "script")
    assert lr.of(of_script) == 0.01  # the fit has the last word over the learner's own
    assert {row.name: arch.of(row) for row in rows} == {"command": "tiny_cnn", "script": "resnet18"}


def test_signs_that_have_not_passed_are_a_fact(tmp_path):
    run = fake_run(tmp_path, "a", "add", 1, 0.9)
    told = [{"sign": "rate_too_high", "passed": None}, {"sign": "dead_units", "passed": 3}]
    write_json(run.file("run.json"), {**run.described(), "diagnosis": told})
    (row,) = Index(tmp_path).rows()
    assert row.signs == "rate_too_high"
    assert "  signs                rate_too_high" in run_lines(shown_run(run.path))
    assert "rate_too_high" in run_page(run.path, "a", "runs")
    assert Condition.read("signs ~ rate", Fields([row])).fits(row)
