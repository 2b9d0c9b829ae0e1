"""Every example as a user runs it without data: in a folder of its own, from the first line to the file it promises."""

import re
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from learnerkit.core.files import read_json

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = """cifar100_analysis compare_fusions evaluate_tta explain export_onnx fuse_saliency own_task resolution_sweep
resume train_cifar train_detector""".split()


def test_each_has_its_picture_in_the_gallery():
    pictures = (EXAMPLES.parent / "nbs" / "images" / "examples").glob("*")
    assert sorted(file.name for file in pictures) == [f"{name}.png" for name in NAMES]


def test_these_are_the_examples():
    assert sorted(file.stem for file in EXAMPLES.glob("*")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short_and_says_how_it_is_run(name):
    text = (EXAMPLES / f"{name}.py").read_text()
    assert 10 <= len(text.splitlines()) <= (107 if name == "own_task" else 40)
    assert re.match(rf'"""[^\n]+[.?]\n\n    python examples/{name}\.py \[(DATA|FOLDER)\]\n', text)
    assert "argparse" not in text and '"runs/' in text


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """A function that runs an example in a folder of its own; returns what it printed."""

    def run_example(name):
        monkeypatch.chdir(tmp_path)
        file = str(EXAMPLES / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [file])
        runpy.run_path(file, run_name="__main__")
        return capsys.readouterr().out

    return run_example


def figure(text, before):
    """The number behind some words."""
    return float(re.search(rf"{before} *([+-]?[\d.e-]+)", text)[1].rstrip("."))


def last_file(text, what):
    """The file that the last line names, which is there."""
    last = text.splitlines()[-1]
    assert last.startswith(f"{what}: runs/"), last
    file = Path(last.partition(": ")[2])
    assert file.stat().st_size > 100
    return file


def size_of(file):
    with Image.open(file) as picture:
        return picture.size


@pytest.mark.slow
def test_train_cifar(run):
    said = run("train_cifar")
    assert 0.9 < figure(said, "accuracy") <= 1 and " taken for " in said
    assert last_file(said, "report").name == "report.html"


@pytest.mark.slow
def test_evaluate_tta(run):
    said = run("evaluate_tta")
    assert figure(said, "plain +accuracy") > 0.9 and figure(said, "mean of 16 views accuracy") > 0.9
    assert said.count(" alone ") == 16 and figure(said, "test: plain") > 0.9
    assert "tta" in str(read_json(last_file(said, "report").parent / "results.json"))


@pytest.mark.slow
def test_explain(run):
    said = run("explain")
    assert figure(said, "gradcam and layercam +rank correlation") > 0.5 and said.count("of other images") == 3
    assert size_of(last_file(said, "overlays, a row a method")) == (8 * 24, 3 * 24)


@pytest.mark.slow
def test_cifar100_analysis_twice(run):
    for _ in range(2):
        said = run("cifar100_analysis")
        assert figure(said, "with temperature [0-9.]+") < figure(said, "calibration error")
    assert len(list(Path("runs/cifar100_analysis").glob("*/report.html"))) == 2
    folder = last_file(said, "report").parent
    assert all(size_of(folder / name)[0] > 300 for name in ("mistakes.png", "calibration.png"))


@pytest.mark.slow
def test_resume(run):
    said = run("resume")
    assert "stopped after epoch 1\n" in said and "bit-identical weights: True" in said
    log = (last_file(said, "report").parent / "training.log").read_text()
    assert "resumed from epoch_001" in log


@pytest.mark.slow
def test_export_onnx(run):
    if find_spec("onnxruntime") is None:
        with pytest.raises(SystemExit, match=r"skipped: .*pip install 'learnerkit\[onnx\]'"):
            run("export_onnx")
        return
    said = run("export_onnx")
    assert figure(said, "logits to torch:") < 1e-4 and figure(said, "file on a batch:") > 0.9
    assert last_file(said, "file").suffix == ".onnx"


@pytest.mark.slow
def test_fuse_saliency(run):
    said = run("fuse_saliency")
    assert figure(said, "accuracy") > 0.6 and "'attention': [" in said
    assert last_file(said, "report").name == "report.html"


@pytest.mark.slow
def test_compare_fusions(run):
    said = run("compare_fusions")
    assert figure(said, r"concat +valid [\d.]+, test") > 0.6
    assert len(re.findall(r"behind the first \+0\.\d+ \[[+-]\d\.\d+, \+\d\.\d+\]", said)) == 2
    assert (last_file(said, "comparison").parent / "comparison_table.csv").exists()


@pytest.mark.slow
def test_resolution_sweep(run):
    said = run("resolution_sweep")
    rows = [line.split(",") for line in last_file(said, "table").read_text().splitlines()]
    assert rows[0][:5] == ["model", "size", "accuracy", "latency_ms", "multiply_adds"] and len(rows) == 5
    assert float(rows[-1][2]) > 0.9 and float(rows[2][4]) > 3 * float(rows[1][4])


@pytest.mark.slow
def test_train_detector(run):
    said = run("train_detector")
    assert 0.03 < figure(said, "mAP50") <= 1 and "without thermal" in said and said.count("of AP50") == 6
    assert last_file(said, "report").name == "report.html"
