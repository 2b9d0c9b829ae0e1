"""The README, the documentation and llms.txt: their commands and scripts are run, but for fewer epochs and batches."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

import learnerkit.all
from learnerkit import cli
from learnerkit.core.errors import MEANT
from learnerkit.core.files import read_json, read_ledger
from learnerkit.runs.recipe_file import recipe_names
from learnerkit.runs.recipes import load_recipe
from tests.images import write_folder
from tests.pairs import write_pairs
from tests.scenes import write_scenes

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LLMS = (ROOT / "nbs/llms.txt").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "nbs").glob("*.md")), ROOT / "nbs/llms.txt"]
NOTEBOOKS = sorted((ROOT / "nbs").glob("*.ipynb"))
BIN = Path(sys.executable).parent


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)```", text, re.S | re.M)


def commands(text=README):
    return [line for block in blocks("bash", text) for line in block.splitlines() if line.strip()]


def scripts():
    """Each python block of the documentation that stands for itself: its page and source."""
    return [
        (page.name, number, block)
        for page in PAGES[2:]
        for number, block in enumerate(blocks("python", page.read_text()))
    ]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, real_data):
    """A folder where a reader may have come to: data, pictures, and what earlier commands have left."""
    place = tmp_path_factory.mktemp("reader")
    (place / "data").mkdir()
    for entry in real_data.iterdir():
        (place / "data" / entry.name).symlink_to(entry)
    write_pairs(place / "data" / "pairs", n=20)
    write_scenes(place / "data" / "frames")
    write_folder(place / "pictures", size=(40, 30))
    return place


def test_the_recipes_that_are_named_are_there():
    assert all(f"`{name}`" in LLMS for name in recipe_names())
    for name in recipe_names():
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


def told_commands(path):
    """Every command line of ours that a page or notebook tells, in code of any form."""
    text = path.read_text()
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    text = re.sub(r"\\\n\s*", " ", text)  # lines that go on
    for line in re.findall(r"(?:^|[`(!$]\s?| {4}|[=\w] |timeout .*? )learnerkit ([a-z][^`\n]*)", text, re.M):
        if words := re.split(r"\s{2,}|[);,]? #", line)[0].split():
            yield words


def test_every_option_that_is_told_is_one():
    group = typer.main.get_command(cli.make_app())
    told = 0
    for path in (*PAGES, *NOTEBOOKS):
        for name, *words in told_commands(path):
            if name not in group.commands and not any(word.startswith("-") for word in words):
                continue  # of a sentence
            assert name in group.commands, f"{path.name}: learnerkit {name} {' '.join(words)}"
            command = group.commands[name]
            command = getattr(command, "commands", {}).get(next(iter(words), ""), command)  # such as `runs list`
            known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
            flags = [re.match(r"--[\w-]+", word)[0] for word in words if re.match(r"--\w", word)]
            refused = path.stem in ("habits", "10_coming_from")  # where words of other libraries are told
            foreign = {flag for flag in flags if refused and flag[2:].replace("-", "_") in MEANT}
            assert set(flags) - foreign <= known | {"--help"}, f"{path.name}: learnerkit {name} {' '.join(words)}"
            told += 1
    assert told > 60


def test_every_local_link_of_the_pages_leads_somewhere():
    for path in (*PAGES, *NOTEBOOKS):
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if link.startswith(("http", "data:")) or link.endswith(".html"):
                continue
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_no_notebook_shows_a_warning_or_a_place_of_the_machine_that_ran_it():
    assert len(NOTEBOOKS) == 11
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text())["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        shown = "".join(
            "".join(output.get("text", "")) + str(output.get("data", {}).get("text/plain", "")) for output in outputs
        )
        assert not re.search(r"Warning|Traceback|site-packages|/home/|/root/|/tmp/", shown), path.name
        assert any("image/png" in output.get("data", {}) for output in outputs), f"{path.name} shows no picture"


def test_llms_txt_names_every_public_name():
    assert not [name for name in learnerkit.all.__all__ if f"`{name}`" not in LLMS]
    assert len(commands(LLMS)) <= 15


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
    assert (workplace / "runs" / next(iter(os.listdir(workplace / "runs"))) / "report.html").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # a resume of what is done says so, and scripts are those of a reader
def test_the_commands_and_then_the_scripts(workplace, monkeypatch, capsys):
    """The commands as they stand but for size; then every script of the documentation, on what they left."""
    monkeypatch.chdir(workplace)
    lines = [line for line in commands() if line.startswith("learnerkit")]
    assert len(lines) == 17
    for line in lines:
        words = shlex.split(line)[1:]
        if words[0] == "train" and "--resume" not in words:
            words += ["--limit-batches", "2", "--limit", "300"]
            words[words.index("--epochs") + 1] = "1"
        if words[0] == "check":
            words += ["--limit", "300"]
        if words[0] == "sweep":
            words = [{"fusion=all": "fusion=add,max", "seed=1,2,3": "seed=1"}.get(word, word) for word in words]
            small = ["--size", "64"] if "rgbx-mit" in words else ["--arch", "wrn_10_1", "--bs", "8"]
            small = ["--limit", "64", "--bs", "16"] if "resolution-sweep" in words else small
            words += ["--epochs", "1", *small]
        code = cli.main(words)
        assert code == 0, f"{line}\n{capsys.readouterr()}"
    for left in (
        "runs/cifar10-se-resnet/first/report.html",
        "runs/cifar10-se-resnet/first/explanations/explanations.png",
        "runs/cifar10-se-resnet/first/predictions/pictures/submission.csv",
        "model.onnx",
        "runs/saliency-wrn/comparison.html",
        "runs/rgbx-mit/comparison.html",
        "runs/resolution-sweep/summary.html",
        "runs/resolution-sweep/mobilenet/mobilenet_v3_small/96/profile.json",
    ):
        assert (workplace / left).exists(), left
    (workplace / "runs/a").symlink_to("cifar10-se-resnet/first")
    for name, picture in zip(("one.png", "two.png"), sorted(workplace.glob("pictures/*/*")), strict=False):
        shutil.copy(picture, workplace / name)
    monkeypatch.setattr(sys, "argv", ["script.py", "one.png"])
    for page, number, source in scripts():
        scope = {"__name__": "__main__"}
        exec("from learnerkit.all import *", scope)
        source = source.replace("score=0.5", "score=0.1")  # the detector has seen one epoch
        exec(compile(source, f"{page}, python block {number}", "exec"), scope)


@pytest.mark.slow
def test_llms_txt_is_enough(tmp_path):
    """Its commands as they stand: a training that is killed, its resume, another one, the comparison, an export.

    The kill comes with the third epoch instead of after seconds: machines differ.
    """
    killed, *rest = commands(LLMS)
    training = killed.split(maxsplit=4)
    assert training[:3] == ["timeout", "-s", "KILL"]
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    run = tmp_path / "runs/digits/first"
    process = subprocess.Popen(shlex.split(training[4]), cwd=tmp_path, env=env, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(read_ledger(run / "history.jsonl")) < 3:
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -9 and read_json(run / "status.json")["state"] == "running"
    for line in rest:
        done = subprocess.run(shlex.split(line), cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert read_json(run / "status.json")["state"] == "done" and len(read_json(run / "run.json")["resumes"]) == 1
    assert (tmp_path / "runs/digits/comparison.html").exists() and (tmp_path / "model.onnx").exists()


@pytest.mark.slow
def test_make_demo_keeps_its_promise(tmp_path):
    assert "make demo" in commands()
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
