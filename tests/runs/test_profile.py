"""The profile of a run: of its own weights, in its own precision and size; what a comparison shows of it."""

import csv
import io
import shutil

import numpy as np
import pytest
import torch
from rich.console import Console

from learnerkit.core.errors import RunError
from learnerkit.core.files import read_json, write_json
from learnerkit.core.profiles import BASIS, read_summary, write_profile
from learnerkit.models.profile import measured
from learnerkit.pages.profile import draw_profile, print_profile
from learnerkit.runs import profile as profiling
from learnerkit.runs.compare import compare_runs, print_comparison, write_comparison
from learnerkit.runs.profile import Wanted, profile_run
from tests.runs.fake import fake_run


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """Passes take 2, 4, ... milliseconds by the clock, and none in truth."""
    monkeypatch.setattr(
        "learnerkit.models.profile.durations", lambda step, repeats, *_: [0.002 * n for n in range(1, repeats + 1)]
    )


def test_a_run_is_profiled_with_its_own_weights_size_and_precision(digits_run, monkeypatch):
    seen = []
    monkeypatch.setattr(profiling, "measured", lambda model, *args: seen.append(model) or measured(model, *args))
    folder, rows = profile_run(digits_run, Wanted(repeats=3))
    assert folder == digits_run / "profile" and len(rows) == 1
    content = read_json(digits_run / "profile.json")
    side = read_json(digits_run / "run.json")["data"]["shape"][1]
    summary = content["summary"]
    assert (summary["profile_size"], summary["profile_bs"], summary["profile_precision"]) == (side, 1, "fp32")
    assert summary["latency_ms"] == 4 and summary["inference_memory_mb"] > 0 and len(summary["profile_device"]) > 2
    assert content["weights"]["file"] == "best_model.safetensors" and len(content["weights"]["sha256"]) == 64
    best = profiling.load_model(digits_run).state_dict()
    assert all(torch.equal(value, best[key]) for key, value in seen[0].state_dict().items())
    assert read_summary(digits_run) == summary
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    place = f"model_summaries/tiny_cnn/{side}"
    assert names == {"profile.csv", "profile.png", "profile.pdf", f"{place}/summary.txt", f"{place}/summary.json"}
    table = read_json(folder / place / "summary.json")
    assert (
        sum(layer["multiply_adds"] for layer in table["layers"]) == table["multiply_adds"] == rows[0]["multiply_adds"]
    )
    assert sum(layer["parameters"] for layer in table["layers"]) == table["parameters"]


def test_its_own_size_and_precision_are_measured_in_any_case(digits_run):
    described = read_json(digits_run / "run.json")
    described["recipe"]["learner"]["args"]["precision"] = "bf16"
    described["data"]["input_shape"] = [1, 20, 24]
    write_json(digits_run / "run.json", described)
    _, rows = profile_run(digits_run, Wanted(size=(32, 64), bs=(2,), precisions=("fp32",), training=True, repeats=2))
    assert [(row["size"], row["bs"], row["mode"], row["precision"]) for row in rows] == [
        ([20, 24], 1, "inference", "bf16"),
        (32, 2, "inference", "fp32"),
        (64, 2, "inference", "fp32"),
        (32, 2, "training", "fp32"),
        (64, 2, "training", "fp32"),
    ]
    assert read_summary(digits_run)["profile_precision"] == "bf16"
    with (digits_run / "profile" / "profile.csv").open() as file:
        assert [row["size"] for row in csv.DictReader(file)] == ["20x24", "32", "64", "32", "64"]


def test_a_profile_of_other_weights_is_not_shown(digits_run, tmp_path):
    profile_run(digits_run, Wanted(repeats=1))
    copy = shutil.copytree(digits_run, tmp_path / "copy", copy_function=shutil.copy)  # other times, equal bytes
    assert read_summary(copy) == read_summary(digits_run) != {}
    best = digits_run / "best_model.safetensors"
    content = best.read_bytes()
    best.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # of equal length
    assert read_summary(digits_run) == {}
    (copy / "profile.json").write_text("{")
    assert read_summary(copy) == {}


def test_a_run_that_is_not_finished_is_refused(digits_run):
    write_json(digits_run / "status.json", {"state": "interrupted"})
    with pytest.raises(RunError, match=r"a: is interrupted; a profile stands beside .* finished training"):
        profile_run(digits_run)
    assert not (digits_run / "profile").exists()


def test_a_run_that_says_no_size_needs_one(digits_run):
    described = read_json(digits_run / "run.json")
    write_json(digits_run / "run.json", {**described, "data": None})
    with pytest.raises(RunError, match="does not say how large its images are; give --sizes"):
        profile_run(digits_run)
    profile_run(digits_run, Wanted(size=(24,), repeats=1))
    assert read_summary(digits_run)["profile_size"] == 24


def test_the_command_measures_runs_and_names(command, digits_run, tmp_path):
    code, out, err = command("profile", digits_run, "--bs", "1,4", "--repeats", "3", "--training")
    assert code == 0, err
    assert "training fp32" in out and "tiny_cnn, 24,058 parameters" in out and "written to" in out
    assert max(map(len, out.splitlines())) <= 100 + len(str(digits_run))
    words = ["profile", "fuse:tiny_cnn", "--sizes", "32,48", "--precision", "fp32,bf16", "--repeats", "2"]
    code, out, err = command(*words)
    assert code == 0, err
    rows = read_json(tmp_path / "profiles" / "fuse_tiny_cnn" / "profile.json")["rows"]
    assert [(row["precision"], row["size"]) for row in rows] == [
        ("fp32", 32),
        ("fp32", 48),
        ("bf16", 32),
        ("bf16", 48),
    ]
    summary = tmp_path / "profiles" / "fuse_tiny_cnn" / "model_summaries" / "fuse_tiny_cnn" / "48" / "summary.txt"
    assert "fuse:tiny_cnn, one image of 48 pixels" in summary.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resnet19"], "unknown model 'resnet19'; did you mean resnet18"),
        (["runs/nothing"], "runs/nothing: no such folder; give a finished run's"),
        (["vgg11", "--sizes", "16"], "vgg11: images of 16x16 pixels are too small; the least size is 32"),
        (["tiny_cnn", "--sizes", "32,big"], "--sizes 32,big: 'big' is no whole number above 0"),
        (["tiny_cnn", "--bs", "0"], "--bs 0: '0' is no whole number above 0"),
        (["tiny_cnn", "--precision", "bf15"], "--precision bf15: did you mean bf16"),
        (["detect:mit_b0", "--sizes", "64", "--training"], "profile its inference alone"),
        (["detect:mit_b9"], "did you mean mit_b"),
    ],
)
def test_what_cannot_be_profiled_is_one_message(command, monkeypatch, words, said):
    monkeypatch.undo()  # the passes are made
    monkeypatch.setattr("learnerkit.models.profile.Conditions.warmup", 0)
    code, _, err = command("profile", *words, "--repeats", "1")
    assert code == 2 and said in err and err.count("\n") == 1


def test_a_folder_that_is_no_run_and_a_place_for_one(command, digits_run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = command("profile", "empty")
    assert code == 2 and "empty: is not a run folder" in err
    code, _, err = command("profile", digits_run, "--out", "x")
    assert code == 2 and "a run's profile is written into the run" in err


def profiled(root, name, fusion, latency, accuracy=0.8, seed=1, **basis):
    """A finished run with a profile, by hand."""
    run = fake_run(root, name, fusion, seed, accuracy)
    weights = run.file("best_model.safetensors")
    weights.write_bytes(f"{name}{seed}".encode())
    usual = {"precision": "fp32", "threads": 2, "device": "cpu A", "bs": 1, "torch": "2"}
    said = {f"profile_{key}": value for key, value in {**usual, **basis}.items()}
    write_profile(run.path, weights, {"summary": {"latency_ms": latency, "multiply_adds": 4.09e9, **said}})
    return run


def test_a_comparison_shows_what_its_variants_cost(tmp_path):
    profiled(tmp_path, "a1", "add", 10.0, 0.9, seed=1)
    profiled(tmp_path, "a2", "add", 20.0, 0.9, seed=2)
    profiled(tmp_path, "b1", "max", 5.0)
    fake_run(tmp_path, "c1", "concat", 1, 0.7)
    comparison = compare_runs(tmp_path)
    costs = {row["variant"]: (row["latency_ms"], row["multiply_adds"]) for row in comparison.rows}
    assert costs == {"add": (15, 4.09e9), "max": (5, 4.09e9), "concat": (None, None)}
    assert not [note for note in comparison.notes if "latency" in note]
    page = write_comparison(comparison).read_text()
    assert '<th scope="col">ms an image</th>' in page and "<td>15.00</td>" in page and "<td>4.09 G</td>" in page
    assert (tmp_path / "cost.png").exists()
    console = Console(file=io.StringIO(), width=100, soft_wrap=True)
    print_comparison(comparison, console)
    assert "MACs" in console.file.getvalue()


@pytest.mark.parametrize(
    ("basis", "said"),
    [
        ({"precision": "bf16"}, "precision bf16 and not fp32"),
        ({"threads": 1}, "threads 1 and not 2"),
        ({"device": "gpu B"}, "device gpu B and not cpu A"),
        ({"torch": "3", "bs": 2}, "batch size 2 and not 1, version of torch 3 and not 2"),
    ],
)
def test_a_latency_measured_otherwise_is_marked_and_not_ranked(tmp_path, monkeypatch, basis, said):
    profiled(tmp_path, "a1", "add", 10.0, 0.9)
    profiled(tmp_path, "b1", "max", 5.0)
    profiled(tmp_path, "c1", "concat", 1.0, 0.95, **basis)
    comparison = compare_runs(tmp_path)
    marks = {row["variant"]: row["latency_mark"] for row in comparison.rows}
    assert marks == {"add": "", "max": "", "concat": "*"}
    marks = [note for note in comparison.notes if "latency" in note]
    assert marks == [f"* concat: latency not to be ranked with the others: {said}"]
    drawn = []
    monkeypatch.setattr("learnerkit.pages.costs.draw_front", lambda rows, *_: drawn.extend(rows))
    page = write_comparison(comparison).read_text()
    assert "<td>1.00*</td>" in page and said in page
    assert {row["variant"]: row["latency_ms"] for row in drawn} == {"add": 10, "max": 5, "concat": None}


def test_the_seeds_of_a_variant_that_were_measured_alike_count(tmp_path):
    profiled(tmp_path, "a1", "add", 10.0, seed=1)
    profiled(tmp_path, "a2", "add", 99.0, seed=2, precision="bf16")
    profiled(tmp_path, "b1", "max", 5.0)
    rows = {row["variant"]: row for row in compare_runs(tmp_path).rows}
    assert (rows["add"]["latency_ms"], rows["add"]["latency_mark"]) == (10, "")


def test_a_profile_of_other_weights_does_not_stand_beside_an_accuracy(tmp_path):
    profiled(tmp_path, "a1", "add", 10.0)
    run = profiled(tmp_path, "b1", "max", 5.0)
    run.file("best_model.safetensors").write_bytes(b"other")
    rows = {row["variant"]: row for row in compare_runs(tmp_path).rows}
    assert rows["add"]["latency_ms"] == 10 and rows["max"]["latency_ms"] is None


def test_without_profiles_a_comparison_is_as_it_was(tmp_path):
    fake_run(tmp_path, "a", "add", 1, 0.9)
    fake_run(tmp_path, "b", "max", 1, 0.8)
    comparison = compare_runs(tmp_path)
    assert "latency_ms" not in comparison.rows[0] and "ms an image" not in write_comparison(comparison).read_text()


def rows_of(**more):
    base = {"mode": "inference", "precision": "fp32", "compiled": False, "name": "a" * 30, "parameters": 123_456_789}
    base |= {"device": "cpu", "threads": 2, "torch": "2", "repeats": 30, "warmup": 5, "multiply_adds": 4.09e12}
    base |= {"p95_ms": 123_456.78, "least_ms": 1.0, "images_per_s": 123_456.7, "peak_memory_mb": None}
    return [
        {**base, "size": size, "bs": bs, "latency_ms": 2.0 * bs, **more} for size in (32, [48, 512]) for bs in (1, 256)
    ]


def test_the_table_is_narrow_and_says_when_something_disturbs():
    console = Console(file=io.StringIO(), width=100, soft_wrap=True)
    print_profile(rows_of(mode="inference", precision="bf16", compiled=True), console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines()[:5])) <= 100 and "48x512" in text and "n/a" in text
    assert "warning: in 2 of 4 rows the median is over 2 times the least" in text


def test_the_picture_has_a_line_a_batch_size():
    figure = draw_profile(rows_of())
    wide = [{**row, "latency_ms": 10.0**number} for number, row in enumerate(rows_of())]
    assert draw_profile(wide).axes[0].get_yscale() == "log"  # costs that span more than a power of ten
    lines = figure.axes[0].get_lines()
    assert [line.get_xdata().tolist() for line in map(_arrays, lines)] == [[32, 512], [32, 512]]
    one = draw_profile([row for row in rows_of() if row["size"] == 32])
    assert _arrays(one.axes[0].get_lines()[0]).get_xdata().tolist() == [1, 256]
    assert len(BASIS) == 5


def _arrays(line):
    line.set_xdata(np.asarray(line.get_xdata()))
    return line
