"""Run folders, locks, ledgers, and checkpoints that are complete or absent."""

import json
import os
import subprocess
import sys

import pytest

from learnerkit.core import checkpoint
from learnerkit.core.errors import DataError, LearnerkitError, RunError
from learnerkit.core.run_folder import RunFolder, csv_text

FILES = {"model.safetensors": b"m" * 100, "state.pt": b"s" * 50}


def test_names_are_distinct_and_taken_ones_are_refused(tmp_path):
    names = {RunFolder.create(tmp_path).path.name for _ in range(20)}
    assert len(names) == 20
    RunFolder.create(tmp_path, "a")
    with pytest.raises(RunError, match=r"a: a run of this name is there already; nothing was overwritten"):
        RunFolder.create(tmp_path, "a")
    for bad in ("../x", "a/b", "", ".."):
        with pytest.raises(RunError, match="one folder name"):
            RunFolder.create(tmp_path, bad)
    with pytest.raises(RunError, match="is not a run folder"):
        RunFolder.open(tmp_path)


def test_a_second_owner_is_refused_and_told_who_has_it(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    code = (
        "import sys; from learnerkit.core.run_folder import RunFolder; from learnerkit.core.errors import RunError\n"
        f"try: RunFolder({str(run.path)!r}).lock()\nexcept RunError as e: print(e)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "is in use by" in said and str(os.getpid()) in said
    run.unlock()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == ""


def test_ledger_feeds_csv_and_json_and_is_cut(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    for epoch in range(1, 4):
        run.append_epoch({"epoch": epoch, "loss": 1 / epoch})
    assert run.file("metrics.csv").read_text().splitlines()[0] == "epoch,loss"
    assert len(run.file("metrics.csv").read_text().splitlines()) == 4
    assert not run.file("history.json").exists()  # not made anew with every epoch
    run.set_status("done")
    assert json.loads(run.file("history.json").read_text())["epoch"] == [1, 2, 3]
    run.cut_history(1)
    assert [row["epoch"] for row in run.history()] == [1]
    assert len(run.file("metrics.csv").read_text().splitlines()) == 2
    with pytest.raises(ValueError, match="not one of"):
        run.set_status("finished")


def test_a_table_that_grows_line_by_line_is_that_of_the_whole_ledger(tmp_path):
    rows = [{"epoch": 1, "a": 0.5}, {"epoch": 2, "a": None}, {"epoch": 3, "b": 'x,"y"'}, {"a": 2, "epoch": 4}]
    run = RunFolder.create(tmp_path, "a")
    for number, row in enumerate(rows, 1):
        run.append_epoch(row)
        assert run.file("metrics.csv").read_text() == csv_text(rows[:number])
    run.file("metrics.csv").write_text("epoch,a,b\n1,")  # as a kill leaves it
    run.set_status("interrupted")
    assert run.file("metrics.csv").read_text() == csv_text(rows)


def test_commit_check_and_prune(tmp_path):
    for epoch in range(1, 6):
        made = checkpoint.commit(tmp_path, epoch, epoch * 10, FILES, keep_last=2)
        if epoch == 1:
            checkpoint.point(tmp_path, "best", made.path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "best.json",
        "epoch_001_step_000010",
        "epoch_004_step_000040",
        "epoch_005_step_000050",
        "last.json",
    ]
    assert checkpoint.newest(tmp_path)[0].step == 50


@pytest.mark.parametrize("damage", ["flip", "truncate", "missing", "manifest"])
def test_damage_is_found_named_and_the_previous_one_used(tmp_path, damage):
    checkpoint.commit(tmp_path, 1, 10, FILES)
    last = checkpoint.commit(tmp_path, 2, 20, FILES).path
    victim = last / "model.safetensors"
    if damage == "flip":
        data = bytearray(victim.read_bytes())
        data[3] ^= 1
        victim.write_bytes(bytes(data))
    elif damage == "truncate":
        victim.write_bytes(victim.read_bytes()[:-1])
    elif damage == "missing":
        victim.unlink()
    else:
        (last / "MANIFEST.json").write_text("{}")
    with pytest.raises(DataError, match=r"MANIFEST|model\.safetensors"):
        checkpoint.check(last)
    found, faults = checkpoint.newest(tmp_path)
    assert found.step == 10 and len(faults) == 1 and last.name in faults[0]


def test_a_checkpoint_without_manifest_does_not_exist_and_leftovers_go(tmp_path):
    (tmp_path / "epoch_001_step_000001").mkdir()
    (tmp_path / ".tmp-epoch_002_step_000002-1").mkdir()
    with pytest.raises(RunError, match="no usable checkpoint"):
        checkpoint.newest(tmp_path)
    checkpoint.commit(tmp_path, 3, 30, FILES)
    assert not list(tmp_path.glob(".tmp-*"))


def test_a_crash_before_the_rename_leaves_the_old_one(tmp_path, monkeypatch):
    checkpoint.commit(tmp_path, 1, 10, FILES)

    def crash(*_):
        raise OSError("gone")

    monkeypatch.setattr(checkpoint.os, "replace", crash)
    with pytest.raises(LearnerkitError, match=r"could not be written \(gone"):
        checkpoint.commit(tmp_path, 2, 20, FILES)
    monkeypatch.undo()
    assert checkpoint.newest(tmp_path)[0].step == 10 and not list(tmp_path.glob(".tmp-*"))
