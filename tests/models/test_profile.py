"""Costs of a model: a clock of our own, memory counted by hand, and what cannot be measured."""

import numpy as np
import pytest
import torch
from torch import nn

from learnerkit.all import ModelError, create_model, profile_model
from learnerkit.core.live import LiveTensors
from learnerkit.models.profile import durations
from learnerkit.models.summary import layers_of, table_text


class Clock:
    """Moves on by the next of some seconds at each call of `work`, and by nothing else."""

    def __init__(self, seconds):
        self.now, self.seconds, self.done, self.waits = 0.0, iter(seconds), 0, []

    def __call__(self):
        return self.now

    def work(self):
        self.now += next(self.seconds)
        self.done += 1

    def wait(self):
        self.waits.append(self.done)
        self.now += 0.5


def test_each_pass_is_timed_by_itself_until_the_device_has_done_it():
    clock = Clock([100, 200, 1, 2, 3])
    found = durations(clock.work, 3, 2, clock.wait, clock)
    assert found == [1.5, 2.5, 3.5]  # the two first are not timed; waiting for the device is
    assert clock.waits == [2, 3, 4, 5]  # once before the first that is timed, then after each


def test_no_warm_up_and_one_pass():
    clock = Clock([7])
    assert durations(clock.work, 1, 0, clock.wait, clock) == [7.5]


def timed(monkeypatch, seconds):
    monkeypatch.setattr("learnerkit.models.profile.durations", lambda *args: seconds)


def test_median_percentile_and_throughput(monkeypatch):
    seconds = [0.010, 0.040, 0.020, 0.030, 0.100]
    timed(monkeypatch, seconds)
    (row,) = profile_model("tiny_cnn", 32, 4)
    assert (row["latency_ms"], row["least_ms"]) == (30, 10) and row["images_per_s"] == round(4 / 0.030, 2)
    assert row["p95_ms"] == round(1000 * float(np.percentile(seconds, 95)), 4) == 88


def test_a_row_for_each_size_and_batch_says_what_it_was_measured_on(monkeypatch):
    timed(monkeypatch, [0.5])
    rows = profile_model("tiny_cnn", (32, 64), [1, 8], mode="training", precision="bf16", threads=1, n_in=1, n_out=7)
    assert [(row["size"], row["bs"]) for row in rows] == [(32, 1), (32, 8), (64, 1), (64, 8)]
    first = rows[0]
    assert first["multiply_adds"] * 4 == pytest.approx(rows[2]["multiply_adds"], rel=0.01)
    known = {"mode": "training", "precision": "bf16", "compiled": False, "threads": 1, "repeats": 30, "warmup": 5}
    assert {key: first[key] for key in known} == known and first["torch"] == torch.__version__
    assert first["parameters"] == sum(p.numel() for p in create_model("tiny_cnn", 1, 7).parameters())
    assert first["peak_memory_mb"] < rows[1]["peak_memory_mb"] < rows[3]["peak_memory_mb"]


def test_a_module_and_the_number_of_threads_are_left_as_they_were():
    model = create_model("tiny_cnn").train()
    before, threads = {key: value.clone() for key, value in model.state_dict().items()}, torch.get_num_threads()
    state = torch.get_rng_state()
    profile_model(model, mode="training", repeats=2, warmup=1, threads=1)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.training and all(p.grad is None for p in model.parameters())
    assert next(model.parameters()).is_contiguous() and torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_memory_of_tensors_by_hand():
    x = torch.zeros(1000)
    with LiveTensors() as live:
        first = x + 1
        second = first + 1  # 2 x 4,000 bytes
        del first
        third = second + 1  # again 2
        view = third.view(10, 100)  # a look at it
        view.add_(1)  # nothing new
        del third, view
        assert live.now == 4000
    assert live.peak == 8000


@pytest.mark.parametrize(("mode", "copies"), [("inference", 1), ("training", 2)])
def test_peak_memory_of_a_network_by_hand(monkeypatch, mode, copies):
    """Weights of 1,000,000 numbers: their gradients double them; images, activations and the loss are small beside."""
    timed(monkeypatch, [0.5])
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Flatten(), nn.Linear(16, 62_500, bias=False))
    (row,) = profile_model(model, 4, 1, mode=mode)
    weights, outputs = 4 * (1 + 1_000_000), 4 * 62_500
    assert row["memory_of"] == "tensors"
    least = weights * copies + outputs
    assert least - 1e4 <= 1e6 * row["peak_memory_mb"] <= least + 5 * outputs  # it is rounded to 10 kB


def test_pairs_are_given_to_a_model_that_says_it_takes_them(monkeypatch):
    timed(monkeypatch, [0.5])
    for mode in ("inference", "training"):
        (row,) = profile_model("fuse:tiny_cnn", 32, 2, mode=mode)
        assert row["name"] == "fuse:tiny_cnn" and row["multiply_adds"] > 0


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, first, second, scale=1.0):
        return (self.layer(first) - scale * self.layer(second)).mean((2, 3))


def test_a_model_that_needs_pairs_and_does_not_say_so_is_refused(monkeypatch):
    timed(monkeypatch, [0.5])
    model = Pair()
    with pytest.raises(ModelError, match=r"Pair: takes 2 inputs at once \(first, second\).*n_inputs = 2"):
        profile_model(model)
    model.n_inputs = 2
    assert profile_model(model, mode="training")[0]["name"] == "Pair"


def test_a_detector_is_measured_in_inference_alone(monkeypatch):
    timed(monkeypatch, [0.5])
    model = create_model("detect:mit_b0", 3, 2, proposals=(20, 20))
    (row,) = profile_model(model, 64, repeats=1)
    assert row["multiply_adds"] > 1e8 and row["peak_memory_mb"] > 4 * row["parameters"] / 1e6
    monkeypatch.undo()
    with pytest.raises(ModelError, match=r"detect:mit_b0: its output is of shape \[1, 0, 6\], not logits .*inference"):
        profile_model(model, 64, mode="training", repeats=1, warmup=0)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("resnet19", {}, "did you mean resnet18"),
        ("vgg11", {"size": (64, 16)}, "vgg11: images of 16x16 pixels are too small; the least size is 32"),
        ("tiny_cnn", {"size": 8, "mode": "training"}, "cannot train on one image of 8x8 pixels; give bs of 2 or more"),
        ("tiny_cnn", {"precision": "fp16", "device": "cpu"}, "'fp16' is far slower than fp32 on a CPU"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(name, settings, said):
    with pytest.raises(ModelError, match=said):
        profile_model(name, **{"repeats": 1, **settings})


def test_a_compiler_that_fails_is_named(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no C++ compiler\nat all")

    monkeypatch.setattr(torch, "compile", lambda net, **kwargs: broken)
    with pytest.raises(ModelError, match=r"tiny_cnn: torch.compile failed here \(no C\+\+ compiler\); leave compile"):
        profile_model("tiny_cnn", compile=True, repeats=1)


def test_what_is_compiled_is_measured(monkeypatch):
    made = []
    monkeypatch.setattr(torch, "compile", lambda net, **kwargs: made.append(net) or net)
    (row,) = profile_model("tiny_cnn", compile=True, repeats=1, device="cpu")
    assert made and row["compiled"] and row["peak_memory_mb"] is None


def test_layers_with_what_they_cost():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    model[0].requires_grad_(False)
    layers = layers_of(model, torch.zeros(1, 1, 4, 4))
    assert [(each.name, each.kind, each.shape) for each in layers] == [
        ("0", "Conv2d", "1 x 2 x 4 x 4"),
        ("1", "ReLU", "1 x 2 x 4 x 4"),
        ("2", "Flatten", "1 x 32"),
        ("3", "Linear", "1 x 3"),
    ]
    assert [(each.parameters, each.multiply_adds) for each in layers] == [(20, 16 * 2 * 9), (0, 0), (0, 0), (99, 96)]
    assert [each.trained for each in layers] == [False, False, False, True] and model.training
    lines = table_text(layers).splitlines()
    assert lines[2].split() == "0 Conv2d 1 x 2 x 4 x 4 20 288".split() and len({len(line) for line in lines[:2]}) == 1
