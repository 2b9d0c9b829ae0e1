"""The command line: what it does with good input, and one clear error with the right exit code for bad input."""

import csv
import json
import pickle
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import (
    Run,
    image_learner,
    load_model,
    load_run,
)
from learnerkit.core.calibrated import read_calibration
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import read_json, read_ledger
from learnerkit.core.tensors import read_npz
from tests.images import QUICK, good_batch, write_cifar10, write_folder

LAYOUT = set(
    """run.json status.json lock.json training.log history.jsonl metrics.csv batch_metrics.csv history.json results.json
    class_names.json classification_report.txt predictions.npz predictions.csv calibration.json best_model.safetensors
    final_model.safetensors model.json checkpoints figures report.html""".split()
)
FIGURES = set(
    """training_curves loss accuracy validation learning_rate combined confusion_matrix predictions top_losses
    wrong class_accuracy calibration confidence""".split()
)


def test_train_writes_every_file_of_the_design(command, tmp_path):
    code, out, err = command("train", "digits", *QUICK, "--name", "a", "--tta", "3")
    assert (code, err) == (0, "") and "test accuracy" in out
    run = tmp_path / "runs" / "digits" / "a"
    assert {path.name for path in run.iterdir()} >= LAYOUT
    assert {path.name for path in (run / "figures").iterdir()} == {
        f"{f}.{kind}" for f in FIGURES for kind in ("png", "pdf")
    }
    assert read_json(run / "status.json")["state"] == "done"
    results = read_json(run / "results.json")
    wanted = {"valid_accuracy", "test_accuracy", "test_accuracy_tta", "test_macro_f1", "parameters", "seconds"}
    assert wanted <= set(results)
    arrays = read_npz(run / "predictions.npz")
    assert set(arrays) == {"ids", "part", "targets", "probabilities", "probabilities_tta", "twins"}
    assert arrays["probabilities"].shape == (192, 10) and set(arrays["part"]) == {"valid", "test"}
    test = arrays["part"] == "test"
    right = (arrays["probabilities"].argmax(1) == arrays["targets"])[test].mean()
    assert right == pytest.approx(results["test_accuracy"])
    page = (run / "report.html").read_text()
    kept = len(read_npz(run / "samples.npz")["rows"])
    assert page.count("data:image/png;base64,") == kept + 6 and not re.search(r'(src|href)="(?!data:|#)', page)
    for name in LAYOUT:
        if (run / name).is_file():
            assert not (run / name).name.endswith(".tmp")


@pytest.mark.slow
def test_evaluate_report_and_load_run(command, tmp_path):
    whole = [word for word in QUICK if word not in ("--limit-batches", "3")]
    command("train", "digits", *whole, "--tta", "0", "--name", "a")
    run = tmp_path / "runs" / "digits" / "a"
    before = read_json(run / "results.json")
    code, out, _ = command("evaluate", run, "--tta", "9")
    assert code == 0 and "with 9 views" in out
    after = read_json(run / "evaluations" / "own-tta9" / "results.json")
    assert read_json(run / "results.json") == before and "test_accuracy_tta" not in before
    assert read_calibration(run).samples == read_calibration(run, tta=True).samples  # the run has both ways now
    assert after["test_accuracy"] == before["test_accuracy"] and "test_accuracy_tta" in after
    (run / "report.html").unlink()
    assert command("report", run)[0] == 0 and (run / "report.html").exists()
    (run / "report.html").unlink()
    assert command("report", "--all")[0] == 0 and (run / "report.html").exists()
    learn = load_run(run)
    assert learn.validate()[1] == pytest.approx(after["valid_accuracy"])
    model = load_model(run)
    assert model(next(iter(learn.dls.test))[0]).shape[1] == 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*its test part is measured:UserWarning")
def test_evaluate_other_data_labelled_and_not(command, tmp_path):
    data = write_cifar10(tmp_path / "cifar-10-batches-py", rows=40)
    flags = "--epochs 1 --bs 32 --arch tiny_cnn --name a --dropout null --tta 0".split()
    code, _, err = command("train", "cifar10-se-resnet", "--data", data, *flags)
    assert code == 0, err
    run = tmp_path / "runs" / "cifar10-se-resnet" / "a"
    code, out, err = command("evaluate", run, "--data", data, "--tta", "4")
    assert code == 0 and "all accuracy" in out, err
    flat = tmp_path / "unlabelled"
    flat.mkdir()
    for n in range(5):
        Image.fromarray(np.full((20, 20, 3), 40 * n, np.uint8)).save(flat / f"img{n}.png")
    assert command("evaluate", run, "--data", flat)[0] == 0
    with (run / "evaluations" / "unlabelled" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["ID"] for row in rows] == [f"img{n}" for n in range(5)] and set(rows[0]) == {"ID", "Labels"}
    vocab = read_json(run / "class_names.json")
    assert all(row["Labels"] in vocab for row in rows)
    hidden = tmp_path / "hidden.pkl"
    hidden.write_bytes(pickle.dumps({b"data": np.zeros((3, 3072), np.uint8), b"ids": [7, 8, 9]}, protocol=2))
    assert command("evaluate", run, "--data", hidden, "--codes")[0] == 0
    lines = (run / "evaluations" / "hidden.pkl-codes" / "predictions.csv").read_text().split()
    assert lines[0] == "ID,Labels" and [line.split(",")[0] for line in lines[1:]] == ["7", "8", "9"]
    assert all(line.split(",")[1].isdigit() for line in lines[1:])
    code, _, err = command("evaluate", run, "--data", write_folder(tmp_path / "others", ("cat", "zebra")))
    assert code == 2 and "zebra" in err


def set_state(run, state):
    (run / "status.json").write_text(json.dumps({"state": state}))


@pytest.mark.filterwarnings("default:.*is trained and measured already:UserWarning")
def test_resume_goes_on_and_takes_everything_from_the_run(command, digits_run):
    run = digits_run
    rows = read_ledger(run / "history.jsonl")
    code, _, err = command("train", "--resume", run)
    assert code == 0 and "is trained and measured already (2 epochs)" in err and "--epochs MORE" in err
    assert read_ledger(run / "history.jsonl") == rows
    set_state(run, "interrupted")
    code, _, err = command("train", "--resume", run)
    assert code == 0, err
    assert read_ledger(run / "history.jsonl") == rows  # it was complete: nothing more to do
    assert "resumed from epoch_002" in (run / "training.log").read_text()
    code, _, err = command("train", "--resume", run, "--bs", "9")
    assert code == 2 and "takes everything from the run but --epochs" in err


BAD = [
    (["train"], "which recipe?"),
    (["train", "digitz"], "recipe 'digitz': no recipe, task or .yaml file of this name; did you mean digits"),
    (["train", "digits", "--lr", "fast", "--bs", "0"], "2 fault(s)"),
    (["train", "--resume", "nowhere"], "is not a run folder"),
    (["train", "digits", "--flip"], "does not keep its classes under a mirror"),
    (["train", "digits", "--arch", "resnet19"], "did you mean resnet18"),
    (["train", "digits", "--monitor", "acuracy", "--limit-batches", "1", "--epochs", "1"], "did you mean accuracy"),
    (["train", "cifar10-hybrid", "--data", "missing"], "no such file or folder"),
    (["evaluate", "nowhere"], "is not a run folder"),
    (["report"], "which runs?"),
    (["report", "nowhere"], "is not a run folder"),
]


@pytest.mark.parametrize(
    ("words", "message"), BAD, ids=lambda item: " ".join(item)[:40] if isinstance(item, list) else ""
)
def test_bad_input_is_one_error_and_exit_code_2(command, words, message, tmp_path):
    code, _, err = command(*words)
    assert code == 2 and message in err and "Traceback" not in err and err.startswith("error: ")


def test_a_taken_name_is_refused_and_nothing_overwritten(command, digits_run):
    run = digits_run
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, _, err = command("train", "digits", *QUICK, "--name", "a")
    assert code == 2 and "there already; nothing was overwritten" in err
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_two_wrong_keys_come_in_one_error(command, tmp_path):
    (tmp_path / "r.yaml").write_text("data: {pth: x}\ntrain: {epocs: 3, lr: -1}\n")
    code, _, err = command("train", tmp_path / "r.yaml")
    assert code == 2
    assert "data.pth: unknown key; did you mean path" in err
    assert "train.epocs: unknown key; did you mean epochs" in err and "train.lr: -1" in err
    assert not (tmp_path / "runs").exists()


def test_damaged_data_is_one_error_and_makes_no_run(command, tmp_path):
    data = write_cifar10(tmp_path / "c", data_batch_1=good_batch(columns=3071))
    code, _, err = command("train", "cifar10-hybrid", "--data", data)
    assert code == 2 and "(20, 3071)" in err and not (tmp_path / "runs").exists()


def test_a_nan_loss_exits_with_1_and_marks_the_run(command, tmp_path):
    code, _, err = command("train", "digits", *QUICK, "--lr", "1e30", "--name", "a", "--epochs", "9")
    assert code == 1 and "the loss is not finite in training batch" in err and "Traceback" not in err
    assert read_json(tmp_path / "runs" / "digits" / "a" / "status.json")["state"] == "failed"


def test_doctor(command, tmp_path):
    code, out, _ = command("doctor", write_cifar10(tmp_path / "c"))
    assert code == 0 and "120 images of 32x32, 10 classes" in out and "FAULT" not in out
    lost = [f"data_batch_{number}" for number in range(1, 5)]
    broken = write_cifar10(tmp_path / "e", **{name: good_batch(columns=3) for name in lost})
    for bad in ("refuse", "skip"):  # more than half of it may not be set aside either
        code, out, _ = command("doctor", broken, "--bad", bad)
        assert code == 2 and "data_batch_1" in out and "120 images, 4 fault(s)" in " ".join(out.split())
    assert "more than half of the samples (80 of 120) are bad" in " ".join(out.split())
    code, out, _ = command("doctor", write_cifar10(tmp_path / "d", test_batch=good_batch(columns=3)))
    assert code == 2 and "FAULT" in out and "(20, 3)" in out


def test_help_version_and_every_field_is_a_flag():
    done = subprocess.run([sys.executable, "-m", "learnerkit.cli", "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == "0.1.0"
    from learnerkit.runs.recipes import flags

    text = subprocess.run(
        [sys.executable, "-m", "learnerkit.cli", "train", "--help"],
        capture_output=True,
        text=True,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
    ).stdout
    assert not [flag for flag in flags() if f"--{flag.replace('_', '-')}" not in text]


@pytest.mark.slow
def test_runs_of_scripts_are_loaded_and_foreign_data_refused(tmp_path):
    from learnerkit.all import digits_dls
    from tests.conftest import make_toy_dls, toy_learner

    learn = image_learner(digits_dls(bs=32, size=16), "tiny_cnn", cbs=Run(tmp_path, "a"), limit_batches=3)
    learn.logger = lambda row: None
    learn.fit_one_cycle(1, 0.1)
    loaded = load_run(tmp_path / "a")
    assert loaded.validate()[0] == pytest.approx(learn.validate()[0], abs=1e-6)
    with pytest.raises(DataError, match="the run had"):
        load_run(tmp_path / "a", data=make_toy_dls())
    toy = toy_learner([Run(tmp_path, "b")])
    toy.fit(1)
    with pytest.raises(RunError, match="pass data="):
        load_run(tmp_path / "b")
    assert load_run(tmp_path / "b", data=make_toy_dls()).validate()[0] == pytest.approx(toy.validate()[0], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_marks_the_run_and_it_goes_on(tmp_path, number):
    words = [
        "train",
        "digits",
        "--arch",
        "tiny_cnn",
        "--dropout",
        "null",
        "--epochs",
        "40",
        "--name",
        "a",
        "--tta",
        "0",
    ]
    process = subprocess.Popen([sys.executable, "-m", "learnerkit.cli", *words], cwd=tmp_path, stderr=subprocess.PIPE)
    run = tmp_path / "runs" / "digits" / "a"
    for _ in range(600):
        if (run / "history.jsonl").exists():
            break
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and b"Traceback" not in err
    assert read_json(run / "status.json")["state"] == "interrupted"
    done = subprocess.run(
        [sys.executable, "-m", "learnerkit.cli", "train", "--resume", run], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [row["epoch"] for row in read_ledger(run / "history.jsonl")] == list(range(1, 41))


def test_a_refused_resume_touches_nothing(command, digits_run):
    run = digits_run
    set_state(run, "interrupted")
    (run / "run.json").write_text((run / "run.json").read_text().replace('"0.1.0"', '"0.0.9"'))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock.json"}
    code, _, err = command("train", "--resume", run)
    assert code == 2 and "versions was learnerkit: '0.0.9', now '0.1.0'" in err and "--allow versions" in err
    assert before == {path: path.read_bytes() for path in before}
    code, _, err = command("train", "--resume", run, "--allow", "versions")
    assert code == 0, err
    assert read_json(run / "run.json")["allowed"] == ["versions"]


WRONG = [
    ["--randaugment", "2,31"],
    ["--schedule-args", "{foo: 1}"],
    ["--schedule", "step", "--schedule-args", "{foo: 1}"],
    ["--arch", "timm:nope"],
    ["--out", "taken"],
    ["--name", "x" * 300],
    ["--seed", "99999999999999999999"],
    ["--tta", "20"],
    ["--split", "0.5"],
    ["--split", "half"],
    ["--data", ""],
]


@pytest.mark.parametrize("flags", WRONG, ids=[" ".join(words)[:30] for words in WRONG])
def test_wrong_flags_are_refused_before_the_training(command, tmp_path, flags):
    (tmp_path / "taken").write_text("a file")
    code, out, err = command("train", "digits", *QUICK, *flags)
    assert code == 2 and err.startswith("error: ") and "epoch" not in out
