"""Runs are renamed, cleaned and archived: never a held one, never half, never what a finished one needs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from learnerkit.core import fsops
from learnerkit.core.aside import ASIDE, leftovers, moved_aside, removed
from learnerkit.core.checkpoint import commit
from learnerkit.core.errors import DataError, LearnerkitError, RunError
from learnerkit.core.files import read_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.runs.archive import archive_runs
from learnerkit.runs.clean import free, plan_cleaning
from learnerkit.runs.compare import compare_runs
from learnerkit.runs.load import load_run
from learnerkit.runs.rename import rename_run
from learnerkit.runs.shown_run import run_lines, shown_run
from tests.json_page import check_document
from tests.runs.fake import fake_run

KEPT = Path(__file__).parent / "kept_run"


def finished(root, name, seed=1, accuracy=0.9, **kwargs):
    """A finished run with best weights and a checkpoint."""
    run = fake_run(root, name, "add", seed, accuracy, n=20, **kwargs)
    run.file("best_model.safetensors").write_bytes(b"w" * 500)
    commit(run.checkpoints, 1, 10, {"model.safetensors": b"m" * 1000})
    return run


def old(path):
    """Make a file or folder look as if nothing had touched it for an hour."""
    stamp = path.lstat().st_mtime - 3600
    os.utime(path, (stamp, stamp))
    return path


def tree(root):
    """Content of every file by its place."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def kept(tmp_path):
    """A copy of a real run."""
    return Path(shutil.copytree(KEPT, tmp_path / "runs" / "first" / "kept"))


# show


def test_a_run_on_a_screen(kept, command):
    write_json(kept / "status.json", {"state": "running"})
    found = shown_run(kept)
    assert found["state"] == "killed" and "resume=True" in found["goes_on"] and found["checkpoints"] == []
    assert found["differing"]["learner.args.model_args.width"] == 6 and found["page"] is None
    text = "\n".join(run_lines(found))
    assert "tiny_cnn on digits · classify" in text and "valid_accuracy" in text and "0.8778" in text
    assert "killed, 16/16 epochs" in text and "learnerkit report" in text and "best_model.safetensors" in text
    code, out, _ = command("runs", "show", kept, "--json")
    check_document(json.loads(out), "runs show")
    assert code == 0 and json.loads(out)["files"] == found["files"]
    assert command("runs", "show", kept.parent)[0] == 2


def test_how_a_commands_run_goes_on_and_what_of_it_differs(tmp_path):
    run = finished(tmp_path / "my runs", "a", state="interrupted")
    shown = shown_run(run.path)
    assert shown["goes_on"] == f"learnerkit train --resume '{run.path}'"
    assert shown["checkpoints"] == ["epoch_001_step_000010"] and shown["files"]["checkpoints"] > 1000
    assert shown["differing"] == {"seed": 1, "model.fusion": "add", "data.path": "p"}
    write_json(run.file("run.json"), {**run.described(), "command": "python angle.py train angle --epochs 3"})
    assert shown_run(run.path)["goes_on"].startswith("python angle.py train --resume ")
    run.set_status("done")
    assert shown_run(run.path)["goes_on"] is None
    run.file("run.json").write_text("{")
    assert "is not valid JSON" in "\n".join(run_lines(shown_run(run.path)))


# rename


def test_a_renamed_run_is_the_same_run_and_its_page_says_its_name(kept, command):
    (kept / "report.html").write_text("<h1>first/kept</h1>")
    (kept.parent / "comparison.html").write_text("<td>kept</td>")
    (kept.parent / "summary.html").write_text("<td>another</td>")
    before = tree(kept)
    code, out, err = command("runs", "rename", kept, "other", "--json")
    assert code == 0, err
    check_document(json.loads(out), "runs rename")
    place = kept.parent / "other"
    assert json.loads(out)["stale"] == [str(kept.parent / "comparison.html")]
    assert json.loads(out)["to"] == str(place) and not kept.exists() and json.loads(out)["page"]
    after = tree(place)
    assert {name for name in before if before[name] != after[name]} <= {"lock.json", "report.html"}
    page = after["report.html"].decode()
    assert "first/other" in page and "first/kept" not in page
    load_run(place)


def test_what_is_not_renamed(kept, held_by_another):
    finished(kept.parent, "b")
    for name, said in (("b", "of this name is there already"), ("a/b", "one folder name"), ("..", "one folder name")):
        with pytest.raises(RunError, match=said):
            rename_run(kept, name)
    with pytest.raises(RunError, match="begins with '\\.'"):
        rename_run(kept, ".hidden")
    with pytest.raises(RunError, match="is not a run folder"):
        rename_run(kept.parent, "c")
    write_json(kept.parent.parent / "sweep.json", {"trials": [{"trial": "first/kept", "state": "done"}]})
    with pytest.raises(RunError, match=r"is a trial of the sweep in .*runs, whose sweep\.json knows it"):
        rename_run(kept, "c")
    assert rename_run(kept.parent / "b", "d").after.name == "d"  # beside it, and no trial
    (kept.parent.parent / "sweep.json").write_text("{}")
    with pytest.raises(DataError, match=r"sweep\.json: is damaged"):
        rename_run(kept, "c")
    (kept.parent.parent / "sweep.json").unlink()
    held_by_another(kept)
    with pytest.raises(RunError, match="is in use by"):
        rename_run(kept, "c")
    assert kept.is_dir() and not (kept.parent / "c").exists()


# clean


def test_nothing_is_freed_before_it_is_asked_for(tmp_path):
    finished(tmp_path, "a")
    fake_run(tmp_path, "b", "add", 2, 0.5, state="failed")
    before = tree(tmp_path)
    plan = plan_cleaning(tmp_path)
    assert plan.items == [] and plan.further["checkpoints"] > 1000 and plan.further["failed"] > 100
    assert free(plan) == [] and tree(tmp_path) == before


def test_checkpoints_of_finished_runs_go_and_weights_results_and_pages_stay(tmp_path):
    for name, state in (("a", "done"), ("b", "interrupted"), ("c", "running"), ("d", "failed")):
        finished(tmp_path, name, state=state)
    finished(tmp_path, "no weights").file("best_model.safetensors").unlink()
    before = tree(tmp_path)
    plan = plan_cleaning(tmp_path, ["checkpoints"])
    assert [item.run for item in free(plan)] == ["a"] and not plan.left
    after = tree(tmp_path)
    assert {name for name in before.keys() - after.keys()} == {n for n in before if n.startswith("a/checkpoints/")}
    assert {name for name in after if after[name] != before[name]} <= {"a/lock.json"}


def test_the_best_runs_keep_their_checkpoints_and_so_do_the_young(tmp_path):
    for number in range(4):
        run = finished(tmp_path, f"r{number}", number, 0.5 + number / 10)
        write_json(run.file("run.json"), {**run.described(), "monitor": "accuracy", "mode": "max"})
    write_json(tmp_path / "r0" / "status.json", {"state": "done", "updated": "2020-01-01 00:00:00"})
    chosen = plan_cleaning(tmp_path, ["checkpoints"], keep_best=3)
    assert [item.run for item in chosen.items] == ["r0"]
    assert [item.run for item in plan_cleaning(tmp_path, ["checkpoints"], older_than=86400).items] == ["r0"]


def test_failed_and_never_begun_runs_go_whole_when_asked_for(tmp_path):
    fake_run(tmp_path, "done", "add", 1, 0.9)
    fake_run(tmp_path, "broken", "add", 1, 0.9).set_status("failed", error="out of memory")
    fake_run(tmp_path, "unbegun", "add", 1, 0.9, state="created").file("run.json").unlink()
    fake_run(tmp_path, "empty", "add", 1, 0.9, state="running").file("history.jsonl").unlink()
    fake_run(tmp_path, "trained", "add", 1, 0.9, state="running")
    damaged = fake_run(tmp_path, "damaged", "add", 1, 0.9)
    damaged.file("run.json").write_text("{")
    plan = plan_cleaning(tmp_path, ["failed"])
    assert [item.run for item in plan.items] == ["broken", "empty", "unbegun"]
    assert "out of memory" in plan.items[0].why and plan.left[0].startswith("damaged: is damaged, and stays")
    free(plan)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged", "done", "trained"]


def test_leftovers_of_killed_writers_go(tmp_path):
    run, held = finished(tmp_path, "a"), finished(tmp_path, "b")
    left = [run.file(".results.json.12.tmp"), run.checkpoints / ".tmp-epoch_002_step_000020-12"]
    left += [tmp_path / ".c.12.removed", run.path / "figures" / ".loss.png.12.tmp"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        if path.name.endswith(("20-12", "removed")):
            path.mkdir()
            (path / "file").write_bytes(b"12345")
        else:
            path.write_bytes(b"123")
        old(path)
    run.file(".young.12.tmp").write_bytes(b"being written")
    displaced = run.checkpoints / ".del-epoch_003_step_000030"
    shutil.copytree(run.checkpoints / "epoch_001_step_000010", displaced)
    old(displaced)
    held.lock()
    old(Path(shutil.copy(run.file(".young.12.tmp"), held.file(".x.12.tmp"))))
    plan = plan_cleaning(tmp_path)
    assert {item.path for item in plan.items} == set(left) and plan.bytes_of("leftovers") == 16
    free(plan)
    assert not any(path.exists() for path in left) and displaced.exists() and held.file(".x.12.tmp").exists()
    held.unlock()


def test_a_held_run_is_never_cleaned(tmp_path, held_by_another):
    for name in ("a", "b"):
        finished(tmp_path, name)
    plan = plan_cleaning(tmp_path, ["checkpoints"])
    held_by_another(tmp_path / "a")  # since it was looked at
    before = tree(tmp_path / "a")
    assert [item.run for item in free(plan)] == ["b"] and "is in use by" in plan.left[0]
    assert tree(tmp_path / "a") == before
    plan = plan_cleaning(tmp_path, ["checkpoints"])
    assert plan.items == [] and plan.left == ["a: a process holds it"]


def test_the_trials_of_a_sweep_that_goes_on_are_held(tmp_path, held_by_another):
    finished(tmp_path / "sweep", "a")
    finished(tmp_path / "other", "b")
    held_by_another(tmp_path / "sweep")  # as a sweep holds its folder
    plan = plan_cleaning(tmp_path, ["checkpoints"])
    assert [item.run for item in plan.items] == ["other/b"] and plan.left == ["sweep/a: a process holds it"]


def test_a_trial_looked_at_by_itself_is_held_with_its_sweep(tmp_path, held_by_another):
    run = finished(tmp_path / "sweep" / "trials", "t", state="failed")
    held_by_another(tmp_path / "sweep")
    for root in (run.path, run.path.parent):
        assert plan_cleaning(root, ["failed"]).items == []


def test_a_failed_run_that_has_runs_below_it_stays(tmp_path):
    outer = finished(tmp_path, "outer", state="failed")
    inner = finished(outer.path, "inner")
    plan = plan_cleaning(tmp_path, ["failed"])
    assert plan.items == [] and "has other runs below it" in plan.left[0]
    assert free(plan) == [] and inner.path.is_dir()


def test_weights_without_a_run_json_stay(tmp_path):
    run = finished(tmp_path, "a")
    shutil.rmtree(run.checkpoints)
    run.file("run.json").unlink()
    run.lock()
    run.unlock()
    finished(tmp_path, "b")
    assert plan_cleaning(tmp_path, ["failed"]).items == []


def test_a_run_that_is_gone_meanwhile_ends_no_cleaning(tmp_path):
    gone, there = finished(tmp_path, "a", state="failed"), finished(tmp_path, "b", state="failed")
    plan = plan_cleaning(tmp_path, ["failed"])
    shutil.rmtree(gone.path)
    assert [item.path for item in free(plan)] == [there.path] and str(gone.path) in plan.left[0]


def test_a_run_that_went_on_since_it_was_looked_at_is_left(tmp_path):
    run = finished(tmp_path, "a")
    plan = plan_cleaning(tmp_path, ["checkpoints"])
    run.set_status("interrupted")
    assert free(plan) == [] and plan.left == ["a: has changed since it was looked at"] and run.checkpoints.is_dir()


KILLED = """
import os, signal, sys
from learnerkit.core import fsops
from learnerkit.core.aside import removed
def killed(path):
    next(path.rglob("*.json")).unlink()
    os.kill(os.getpid(), signal.SIGKILL)
fsops.remove_tree = killed
from pathlib import Path
removed(Path(sys.argv[1]))
"""


def test_a_kill_while_a_run_is_removed_leaves_no_half_of_a_run(tmp_path):
    finished(tmp_path, "a")
    finished(tmp_path, "b")
    code = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")]).returncode
    assert code == -signal.SIGKILL
    left = [path for path in tmp_path.iterdir() if path.name != "b"]
    assert len(left) == 1 and left[0].name.endswith(ASIDE) and list(leftovers(tmp_path, now=1e12)) == left
    assert len(compare_runs(tmp_path / "b").runs) == 1
    old(left[0])
    free(plan_cleaning(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_removing_what_another_removes_meanwhile_is_no_fault(tmp_path, monkeypatch):
    finished(tmp_path, "a")
    aside = moved_aside(tmp_path / "a")
    remove = fsops.remove_tree
    monkeypatch.setattr(fsops, "remove_tree", lambda path: (remove(path), remove(path)))
    removed(aside)
    assert not list(tmp_path.iterdir())


def test_clean_asks_or_needs_yes(tmp_path, command):
    finished(tmp_path / "runs", "a")
    before = tree(tmp_path)
    code, out, err = command("runs", "clean", "--checkpoints")
    assert code == 2 and "runs/a/checkpoints" in out and "say --yes" in err and tree(tmp_path) == before
    code, out, err = command("runs", "clean", "--checkpoints", "--json")
    assert (code, out) == (2, "") and "--json does not ask" in err and tree(tmp_path) == before
    code, out, _ = command("runs", "clean", "--checkpoints", "--dry-run", "--json")
    document = json.loads(out)
    check_document(document, "runs clean")
    assert code == 0 and document["removed"] == [] and document["bytes"] > 1000 and tree(tmp_path) == before
    code, out, _ = command("runs", "clean", "--checkpoints", "--yes", "--json")
    assert json.loads(out)["freed"] == document["bytes"] and not (tmp_path / "runs/a/checkpoints").exists()
    assert "nothing to free" in command("runs", "clean", "--checkpoints")[1]
    for words, said in (
        (["--older-than", "30d"], "of what"),
        (["--failed", "--keep-best", "2"], "add --checkpoints"),
        (["--failed", "--older-than", "soon"], "is no duration"),
    ):
        code, _, err = command("runs", "clean", *words)
        assert code == 2 and said in err


# archive


def test_an_unpacked_archive_is_the_run_again(kept, tmp_path, command):
    before = tree(kept)
    code, out, err = command("runs", "archive", kept, "--out", "kept.tgz", "--json")
    assert code == 0, err
    document = json.loads(out)
    check_document(document, "runs archive")
    assert document["removed"] == [] and document["archives"][0]["files"] == len(before)
    assert {**tree(kept), "lock.json": b""} == {**before, "lock.json": b""}
    with tarfile.open(tmp_path / "kept.tgz") as tar:
        tar.extractall(tmp_path / "elsewhere", filter="data")
        assert {(one.uid, one.uname, one.mode) for one in tar} == {(0, "", 0o644)}
    there = tmp_path / "elsewhere" / "kept"
    assert tree(there) == before  # byte for byte: whatever reads the one reads the other
    load_run(there)


def test_runs_of_two_experiments_go_into_one_file_and_are_removed_once_verified(tmp_path):
    for name, fusion in (("x", "add"), ("y", "max")):
        fake_run(tmp_path / "runs" / name, "a", fusion, 1, 0.8)
    wanted = tree(tmp_path / "runs")
    both = [tmp_path / "runs" / "x" / "a", tmp_path / "runs" / "y" / "a"]
    with pytest.raises(RunError, match=r"several runs are called a; give one FILE\.tar\.gz"):
        archive_runs(both, tmp_path / "out")
    done = archive_runs(both, tmp_path / "out" / "both.tar.gz", remove=True)
    assert list(done.archives[0].runs) == ["x/a", "y/a"] and done.removed == both
    assert not any(path.exists() for path in both) and not list((tmp_path / "runs").rglob(".*"))
    with tarfile.open(tmp_path / "out" / "both.tar.gz") as tar:
        tar.extractall(tmp_path / "back", filter="data")
    assert tree(tmp_path / "back") == wanted
    assert len(compare_runs(tmp_path / "back").rows) == 2


def test_what_is_not_archived(kept, tmp_path, held_by_another):
    (tmp_path / "taken.tar.gz").write_bytes(b"mine")
    for out, said in (("taken.tar.gz", "is there already"), ("runs/first/kept/in.tar.gz", "lies within a run")):
        with pytest.raises(RunError, match=said):
            archive_runs([kept], tmp_path / out)
    with pytest.raises(RunError, match="is given twice"):
        archive_runs([kept, kept], tmp_path / "a.tar.gz")
    (kept / "link").symlink_to("/etc/hostname")
    with pytest.raises(RunError, match="link: is a link"):
        archive_runs([kept], tmp_path / "a.tar.gz")
    (kept / "link").unlink()
    held_by_another(kept)
    with pytest.raises(RunError, match="is in use by"):
        archive_runs([kept], tmp_path / "a.tar.gz", remove=True)
    assert kept.is_dir() and (tmp_path / "taken.tar.gz").read_bytes() == b"mine"
    assert not (tmp_path / "a.tar.gz").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("fault", ["changed", "disk", "sync"])
def test_nothing_is_removed_where_an_archive_is_not_verified(kept, tmp_path, monkeypatch, fault):
    before = tree(kept)
    if fault == "changed":
        sync = fsops.sync

        def changing(path):
            (kept / "results.json").write_text("{}")
            sync(path)

        monkeypatch.setattr(fsops, "sync", changing)
    else:

        def full(*words):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(fsops, "sync" if fault == "sync" else "replace", full)
    with pytest.raises(LearnerkitError, match="was not written" if fault == "changed" else "could not be written"):
        archive_runs([kept], tmp_path / "a.tar.gz", remove=True)
    assert kept.is_dir() and tree(kept).keys() == before.keys() and not list(tmp_path.glob("*.tar.gz"))
    assert not list(tmp_path.glob(".*"))


def test_the_lock_is_kept_while_a_run_is_packed(kept, tmp_path, monkeypatch):
    """Opening and closing lock.json would let go of it: another process asks in between."""
    ask = "import sys, pathlib, learnerkit.core.run_lock as lock; print(lock.is_held(pathlib.Path(sys.argv[1])))"
    sync, said = fsops.sync, []

    def asking(path):
        said.append(subprocess.check_output([sys.executable, "-c", ask, str(kept)], text=True))
        sync(path)

    monkeypatch.setattr(fsops, "sync", asking)
    archive_runs([kept], tmp_path / "a.tar.gz")
    assert said == ["True\n"] * len(said) and len(said) >= 2
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert json.load(tar.extractfile("kept/lock.json")) == read_json(KEPT / "lock.json")
    monkeypatch.undo()
    lockless = fake_run(tmp_path, "b", "add", 1, 0.9)
    lockless.file("lock.json").unlink()
    archive_runs([lockless.path], tmp_path / "b.tar.gz")
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        assert "b/lock.json" not in tar.getnames()


def test_a_checkpoint_that_a_killed_writer_moved_away_is_packed(tmp_path):
    run = finished(tmp_path, "a")
    (path,) = run.checkpoints.glob("epoch_*")
    path.rename(path.with_name(f".del-{path.name}"))
    archive_runs([run.path], tmp_path / "a.tar.gz", remove=True)
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert f"a/checkpoints/{path.name}/model.safetensors" in tar.getnames()


def test_archive_with_remove_needs_yes(kept, command, tmp_path):
    code, _, err = command("runs", "archive", kept, "--out", "out", "--remove")
    assert code == 2 and "say --yes" in err and kept.is_dir() and not (tmp_path / "out").exists()
    code, out, err = command("runs", "archive", kept, "--out", "out", "--remove", "--yes")
    assert code == 0 and f"removed {kept}" in out and "verified" in out and (tmp_path / "out" / "kept.tar.gz").exists()


def test_what_others_hold_is_not_archived_away(tmp_path):
    outer = fake_run(tmp_path, "outer", "add", 1, 0.9)
    fake_run(outer.path, "inner", "add", 2, 0.9)
    with pytest.raises(RunError, match=r"has other runs below it, such as .*inner"):
        archive_runs([outer.path], tmp_path / "a.tar.gz", remove=True)
    sweep = RunFolder(tmp_path / "sweep")
    trial = fake_run(sweep.path, "seed-1", "add", 1, 0.9)
    sweep.lock()
    with pytest.raises(RunError, match="a process holds the sweep"):
        archive_runs([trial.path], tmp_path / "b.tar.gz", remove=True)
    sweep.unlock()
    write_json(sweep.file("sweep.json"), {"trials": [{"trial": "seed-1", "state": "done"}]})
    with pytest.raises(RunError, match="sweep"):
        archive_runs([trial.path], tmp_path / "c.tar.gz", remove=True)
    assert trial.path.exists() and outer.path.exists() and not list(tmp_path.glob("*.tar.gz"))
    archive_runs([trial.path], tmp_path / "d.tar.gz")  # a copy takes nothing away
