"""The README's commands and script, run as they stand but for fewer epochs and batches."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from learnerkit.core.files import read_json
from learnerkit.runs.recipe_file import recipe_names
from learnerkit.runs.recipes import load_recipe
from tests.images import write_folder
from tests.pairs import write_pairs
from tests.scenes import write_scenes

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def commands():
    return [line for block in blocks("bash") for line in block.splitlines() if line.strip()]


@pytest.fixture
def workplace(tmp_path, real_data):
    (tmp_path / "data").mkdir()
    for entry in real_data.iterdir():
        (tmp_path / "data" / entry.name).symlink_to(entry)
    write_pairs(tmp_path / "data" / "pairs", n=20)
    write_scenes(tmp_path / "data" / "frames")
    write_folder(tmp_path / "pictures", size=(40, 30))
    return tmp_path


def test_every_recipe_stands_in_the_table_and_loads():
    table = re.findall(r"^\| `([\w-]+)` \|", README, re.M)
    assert sorted(table) == recipe_names()
    for name in table:
        assert load_recipe(name).title


def test_the_recipes_hold_the_published_settings():
    for name, schedule, lr in [
        ("cifar10-se-resnet", "one_cycle", 0.05),
        ("cifar10-randaugment", "one_cycle", 0.1),
        ("cifar10-hybrid", "cosine", 0.05),
    ]:
        recipe = load_recipe(name)
        train = recipe.train
        assert (train.schedule, train.lr, train.epochs, recipe.data.bs) == (schedule, lr, 200, 128)
        settings = (train.opt, train.momentum, train.wd, train.clip, train.label_smoothing, train.checkpoint_every)
        assert settings == ("sgd", 0.9, 1e-4, 1.0, 0.1, 10) and recipe.model.dropout == 0.3
    assert load_recipe("cifar10-randaugment").data.randaugment == (2, 9)
    assert load_recipe("cifar10-randaugment").train.cutmix == load_recipe("cifar10-hybrid").train.cutmix == 0.7
    assert load_recipe("cifar10-hybrid").model.stochastic_depth == 0.2
    cifar100 = load_recipe("cifar100-resnet18").train
    assert (cifar100.epochs, cifar100.lr, cifar100.wd, cifar100.schedule) == (100, 0.1, 5e-4, "step")


@pytest.mark.slow
def test_the_ten_line_script(workplace):
    (script,) = blocks("python")
    assert len([line for line in script.splitlines() if line.strip()]) <= 10
    quick = re.sub(r"(Run\([^)]*\)\])", r"\1, limit_batches=2", script).replace("bs=128", "bs=128, limit=256")
    quick = quick.replace("fit_one_cycle(30", "fit_one_cycle(1")
    assert quick.count("limit") == 2 and "fit_one_cycle(1," in quick
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning:learnerkit", "-c", quick],
        cwd=workplace,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((workplace / "runs").iterdir())) == 1


@pytest.mark.slow
def test_the_commands(workplace):
    lines = [line for line in commands() if line.startswith("learnerkit") and line != "learnerkit demo"]
    assert len(lines) == 21
    for line in lines:
        words = shlex.split(line)
        if words[1] == "train" and "--resume" not in words:
            words += ["--limit-batches", "2", "--epochs", "1", "--limit", "300"]
        if words[1] == "sweep":
            words = [{"fusion=all": "fusion=add,max", "seed=1,2,3": "seed=1"}.get(word, word) for word in words]
            small = ["--size", "64"] if "rgbx-mit" in words else ["--arch", "wrn_10_1", "--bs", "8"]
            small = ["--limit", "64", "--bs", "16"] if "resolution-sweep" in words else small
            words += ["--epochs", "1", *small]
        done = subprocess.run([BIN / words[0], *words[1:]], cwd=workplace, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert (workplace / "runs/cifar10-se-resnet/first/report.html").exists()
    assert (workplace / "runs/cifar10-se-resnet/first/explanations/explanations.png").exists()
    assert (workplace / "runs/cifar10-se-resnet/first/suspects/suspects.csv").exists()
    assert (workplace / "runs/cifar10-se-resnet/first/predictions/pictures/submission.csv").exists()
    assert (workplace / "model.onnx").exists()
    assert (workplace / "runs/saliency-wrn/comparison.html").exists()
    assert (workplace / "runs/rgbx-mit/comparison.html").exists()
    assert (workplace / "runs/resolution-sweep/summary.html").exists()
    assert (workplace / "runs/resolution-sweep/mobilenet/mobilenet_v3_small/96/profile.json").exists()


@pytest.mark.slow
def test_make_demo_keeps_its_promise(tmp_path):
    assert "make demo" in commands() and "make test" in commands()
    run = ["make", "-C", ROOT, "demo", f"VENV={Path(sys.prefix)}"]
    stamp = Path(sys.prefix) / ".learnerkit-installed"
    if not stamp.exists():
        pytest.skip("this environment was not made by make, so make would install into it")
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = ROOT / re.search(r"run\s+(\S+)", done.stdout)[1]
    results = read_json(folder / "results.json")
    assert results["test_accuracy"] >= 0.985 and results["test_accuracy_tta"] >= 0.985
    assert (folder / "report.html").stat().st_size > 100_000
    assert not {"predictions.npz", "samples.npz", "figures"} - {path.name for path in folder.iterdir()}
