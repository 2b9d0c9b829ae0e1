"""What a recipe leaves to the machine: batches that fit, epochs in a time, the device's number format."""

import subprocess
import sys
import time

import pytest
import torch
from fastai.torch_core import default_device

from learnerkit.callbacks.run import RunKeeper
from learnerkit.cli import main
from learnerkit.core.duration import seconds_of, shown_duration
from learnerkit.core.errors import RecipeError, TrainingError
from learnerkit.core.files import read_json, read_ledger
from learnerkit.core.run_folder import RunFolder
from learnerkit.learner import memory
from learnerkit.learner.memory import out_of_memory, saved_bytes
from learnerkit.runs import settle as settling
from learnerkit.runs.recipes import check_recipe, load_recipe, resumed_recipe
from learnerkit.runs.settle import effective_bs, precision_of, refuse_too_large, settle
from learnerkit.runs.train import train
from learnerkit.tasks import get_task
from tests.conftest import toy_learner

QUICK = {"arch": "tiny_cnn", "dropout": "null", "tta": "0", "epochs": "2", "limit": "128"}


def digits(**more):
    return load_recipe("digits", {**QUICK, **more})


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("90s", 90, "2 min"),
        ("30m", 1800, "30 min"),
        ("1h30m", 5400, "1 h 30 min"),
        ("2d", 172_800, "2 d 0 h"),
        ("1.5m", 90, "2 min"),
        ("45 s", 45, "45 s"),
    ],
)
def test_durations(text, seconds, shown):
    assert seconds_of(text) == seconds and shown_duration(seconds) == shown


@pytest.mark.parametrize("text", ["", "30", "m", "0s", "1h 30", "-5m", "ten minutes"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="say 90s, 30m, 2h"):
        seconds_of(text)
    with pytest.raises(RecipeError, match=r"train\.budget"):
        digits(budget=text or "''")


def test_what_a_step_saves_is_counted_by_hand():
    """A linear layer keeps its input, a ReLU its output, which the next layer keeps as well and is counted once."""
    model = torch.nn.Sequential(torch.nn.Linear(10, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    assert saved_bytes(model, (torch.zeros(3, 10),)) == 4 * (10 + 5)
    convolution = torch.nn.Conv2d(3, 8, 3, padding=1)
    before = {name: value.clone() for name, value in convolution.state_dict().items()}
    assert saved_bytes(convolution, (torch.zeros(1, 3, 16, 16),)) == 4 * 3 * 16 * 16
    assert all(torch.equal(before[name], value) for name, value in convolution.state_dict().items())


def test_looking_at_what_a_step_saves_changes_nothing():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    assert saved_bytes(model, (torch.ones(2, 3, 8, 8),)) > 0
    assert not model.training and model[1].num_batches_tracked == 0 and not model[1].running_mean.any()

    class Asks(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else x

    assert saved_bytes(Asks(3, 3), (torch.ones(2, 3),)) is None


def free(monkeypatch, count):
    for module in (settling, memory):
        monkeypatch.setattr(module, "free_bytes", lambda device: count)


def test_auto_halves_the_batch_and_keeps_the_step(monkeypatch):
    recipe = digits(bs="auto")
    assert recipe.data.bs == "auto:64" and effective_bs(recipe) == 64
    task = get_task("classify")
    whole = settle(recipe, task)[0]
    assert (whole.data.bs, whole.train.accumulate) == (64, 1)
    learn = task.build_learner(whole, task.open_dls(whole), [])
    inputs = (torch.zeros(1, 1, 32, 32),)
    needed = memory.step_bytes(learn, 20, inputs)
    free(monkeypatch, needed)
    with pytest.warns(UserWarning, match="64 samples do not fit at once; batches of 16, 4 to a step"):
        small, dls = settle(recipe, task)
    assert (small.data.bs, small.train.accumulate, dls.train.bs) == (16, 4, 16)
    with pytest.raises(TrainingError, match=r"bs 64: a training step takes .*bs 16 fits; `--bs auto:64`"):
        refuse_too_large(learn)
    free(monkeypatch, 10)
    with pytest.raises(TrainingError, match="not even a batch of 1 fits"):
        settle(recipe, task)


@pytest.mark.parametrize("bs", ["auto:0", "automatic", "auto:", "many"])
def test_other_words_are_no_batch_size(bs):
    with pytest.raises(RecipeError, match=r"data\.bs"):
        digits(bs=bs)


def test_what_auto_chose_is_recorded_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(settling, "_fits", lambda recipe, task, dls: recipe.data.bs <= 16)
    with pytest.warns(UserWarning, match="batches of 16, 2 to a step"):
        run = train(digits(bs="auto:32"), tmp_path, "a")
    described = read_json(run.file("run.json"))
    assert described["asked"]["data"]["bs"] == "auto:32"
    resolved = described["resolved"]
    assert (resolved["data"]["bs"], resolved["train"]["accumulate"]) == (16, 2)
    assert resumed_recipe(run.path, None, {}).data.bs == 16


def test_a_budget_gives_the_epochs_that_fit_and_a_resume_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setattr(settling, "measure_pace", lambda *_: settling.Pace(train_s=0.5, valid_s=0.25))
    task, recipe = get_task("classify"), digits(budget="10s", epochs="30", bs="32")
    with pytest.warns(UserWarning, match="budget 10s: an epoch takes about 3 s here; 3 of 30 epochs"):
        settled, dls = settle(recipe, task)
    an_epoch = len(dls.train) * 0.5 + len(dls.valid) * 0.25
    assert settled.train.epochs == int(9.5 / an_epoch) == 3
    with pytest.warns(UserWarning, match="2 of 2 epochs"):
        assert settle(digits(budget="10m", bs="32"), task)[0].train.epochs == 2  # no more than the recipe's
    with pytest.raises(TrainingError, match="budget 2s: one epoch takes about 3 s here"):
        settle(digits(budget="2s", bs="32"), task)
    with pytest.warns(UserWarning, match="3 of 30"):
        run = train(recipe, tmp_path, "a")
    assert len(run.history()) == 3 and read_json(run.file("run.json"))["resolved"]["train"]["budget"] == "10s"
    assert resumed_recipe(run.path, None, {}).train.epochs == 3
    rates = [row["lr"] for row in run.history()]
    assert rates[-1] < max(rates) / 10  # the one-cycle schedule came to its end


def test_the_pace_is_that_of_the_loaders(monkeypatch):
    task, waits = get_task("classify"), []
    recipe = digits(bs="32")
    dls = task.open_dls(recipe)
    before = torch.get_rng_state()
    monkeypatch.setattr(settling, "wait_for", lambda device: (waits.append(device), time.sleep(0.05)))
    pace = settling.measure_pace(recipe, task, dls)
    assert len(waits) >= settling.TRIED and pace.train_s >= 0.05  # each step with what the device still had to do
    assert 0 < pace.train_s < 5 and 0 < pace.valid_s < 5 and torch.equal(before, torch.get_rng_state())
    assert pace.epoch_s(dls, 2) == pytest.approx(2 * pace.train_s + 2 * pace.valid_s)


def test_precision_follows_the_device(monkeypatch):
    assert precision_of(torch.device("cpu")) == "fp32"
    settled, _ = settle(digits(precision="auto", bs="32"), get_task("classify"))
    assert settled.train.precision == precision_of(default_device())
    for able, said in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda able=able: able)
        assert precision_of(torch.device("cuda")) == said


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_a_batch_that_does_not_fit_says_the_size_that_does(error, tmp_path, monkeypatch):
    def fail(pred, *targets):
        raise error

    learn = toy_learner([RunKeeper(tmp_path, "a")], loss_func=fail)
    free(monkeypatch, 2**40)
    with pytest.raises(TrainingError, match=r"a batch of 16 does not fit .*Try bs=8 \(--bs 8\); `--bs auto`") as caught:
        learn.fit(1)
    assert caught.value.__cause__ is error
    assert "a batch of 16 does not fit" in RunFolder(tmp_path / "a").status()["error"]
    assert out_of_memory(learn, RuntimeError("shapes differ")) is None


@pytest.mark.slow
def test_a_budget_is_kept_through_a_kill(tmp_path):
    """Killed with -9 and resumed, a run with a budget, early stopping and the best kept is the unbroken one."""
    words = ["train", "digits", "--arch", "tiny_cnn", "--dropout", "null", "--tta", "0", "--limit", "128", "--bs", "32"]
    words += ["--budget", "12s", "--epochs", "300", "--early-stop", "40", "--save-top-k", "2", "--save-top-k-optimizer"]
    words += ["--checkpoint-every", "1", "--keep-last", "2", "--out", str(tmp_path)]
    paced = "import sys; from learnerkit import cli; from learnerkit.runs import settle; "
    paced += "settle.measure_pace = lambda *_: settle.Pace(0.1, 0.05); sys.exit(cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", paced, *words, "--name", "killed"]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    victim, until = tmp_path / "killed", time.monotonic() + 120
    while len(list((victim / "checkpoints").glob("epoch_*"))) < 2:
        assert time.monotonic() < until and killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    resolved = read_json(victim / "run.json")["resolved"]
    assert resolved["train"]["epochs"] == int(12 * 0.95 / (4 * 0.1 + 4 * 0.05)) == 18
    assert main(["train", "--resume", str(victim)]) == 0
    resolved["train"]["budget"] = None
    whole = train(check_recipe(resolved, "whole"), tmp_path, "whole")
    assert len(whole.history()) == len(read_ledger(victim / "history.jsonl"))
    for name in ("final_model.safetensors", "best_model.safetensors"):
        assert (victim / name).read_bytes() == whole.file(name).read_bytes()
    assert (victim / "topk" / "topk.json").read_bytes() == (whole.path / "topk" / "topk.json").read_bytes()
    for file in (whole.path / "topk").glob("*.safetensors"):
        assert (victim / "topk" / file.name).read_bytes() == file.read_bytes()
