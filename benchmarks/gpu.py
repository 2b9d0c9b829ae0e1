"""A training step of hybrid_resnet on 32x32 images: a bare PyTorch loop on one batch, and learnerkit with all it does.

    python benchmarks/gpu.py [--arch hybrid_resnet] [--bs 128 512] [--precision fp32 bf16] [--steps 100] [--rounds 3]
    python benchmarks/gpu.py --operations | --loader | --utilisation


The bare loop has forward, backward, clipping and a fused SGD step; learnerkit cuts and augments a batch beside it, with
CutMix, stochastic depth, guard and recorder. Times are of whole rounds of steps that the device has done, after a round
to warm up. `--operations` counts what a step computes or copies instead, each a launch or more on a GPU; `--loader`
sets the resident loader's pace beside copies on the device; `--utilisation` says how busy the GPU is in an epoch.
"""

import argparse
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from fastai.torch_core import default_device
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from learnerkit.all import Callback, CutMix, Guard, StochasticDepth, array_dls, image_learner
from learnerkit.core.environment import processor, wait_for
from learnerkit.models.create import create_model

DROPOUT, SMOOTHING, CLIP = 0.3, 0.1, 1.0


class Counted(TorchDispatchMode):
    """Counts the operations that are no views."""

    n = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.n += not function.is_view
        return function(*args, **(kwargs or {}))


class Rounds(Callback):
    """Seconds of each epoch's training, or the operations of one of its steps."""

    order, run_valid = -90, False

    def __init__(self, count):
        self.count, self.counted, self.seconds = count, Counted(), []

    def before_train(self):
        wait_for(default_device())
        self.began = time.perf_counter()

    def before_batch(self):
        if self.count and self.iter == 1:
            self.counted.__enter__()
        elif self.count and self.iter == 2:
            self.counted.__exit__(None, None, None)

    def after_train(self):
        wait_for(default_device())
        self.seconds.append(time.perf_counter() - self.began)


def bare(arch, bs, precision, steps, rounds, count):
    device = default_device()
    model = create_model(arch, 3, 10, dropout=DROPOUT).to(device, memory_format=torch.channels_last).train()
    opt = torch.optim.SGD(model.parameters(), 0.01, 0.9, nesterov=True, weight_decay=5e-4, fused=True)
    x, y = torch.randn(bs, 3, 32, 32, device=device), torch.randint(0, 10, (bs,), device=device)

    def step():
        opt.zero_grad()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = nn.functional.cross_entropy(model(x), y, label_smoothing=SMOOTHING)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        opt.step()

    if count:
        step()
        with Counted() as counted:
            step()
        return counted.n
    seconds = []
    for _ in range(rounds + 1):
        wait_for(device)
        began = time.perf_counter()
        for _ in range(steps):
            step()
        wait_for(device)
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def learnerkit(arch, bs, precision, steps, rounds, count):
    n, seen = 400 + steps * bs * 10 // 9, Rounds(count)
    mix = [CutMix(p=1.0), Guard(late=True)] if count else [CutMix(p=0.7)]  # the guard as it is on a GPU
    images = np.random.default_rng(0).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
    dls = array_dls(images, np.arange(n) % 10, bs=bs, crop=4, flip=True, split=(0.9, 0.05, 0.05))
    learn = image_learner(
        dls,
        arch,
        model_args={"dropout": DROPOUT},
        cbs=[*([StochasticDepth(0.2)] if arch == "hybrid_resnet" else []), *mix, seen],
        precision=precision,
        clip=CLIP,
        label_smoothing=SMOOTHING,
        limit_batches=steps,
    )
    learn.logger = lambda row: None
    with learn.no_bar():
        learn.fit_one_cycle(rounds + 1, 0.05)
    return seen.counted.n if count else seen.seconds[1:]


def loader(tiny):
    """Images a second of the resident loader with crop, flip and normalising, and of a copy of as many floats."""
    device, n, bs = default_device(), 2_000 if tiny else 50_000, 512
    images = np.random.default_rng(0).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
    dls = array_dls(images, np.arange(n) % 10, bs=bs, crop=4, flip=True, split=(0.98, 0.01, 0.01))
    here = torch.empty(bs, 3, 32, 32, device=device)
    there = torch.empty_like(here)

    def rate(work):
        work()
        found = []
        for _ in range(3):
            wait_for(device)
            began = time.perf_counter()
            seen = work()
            wait_for(device)
            found.append(seen / (time.perf_counter() - began))
        return statistics.median(found)

    def copies():
        for _ in range(len(dls.train)):
            there.copy_(here)
        return len(dls.train) * bs

    ready, copied = rate(lambda: sum(len(x) for x, _ in dls.train)), rate(copies)
    print(f"loader {ready:,.0f} images/s; copies of as many floats {copied:,.0f} images/s, {copied / ready:.1f} times")


def utilisation(tiny):
    """How busy the GPU is, by nvidia-smi five times a second, in epochs of hybrid_resnet with all that is done."""
    device = default_device()
    if device.type != "cuda" and not tiny:
        sys.exit("there is no GPU")
    words = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
    smi = subprocess.Popen(words, stdout=subprocess.PIPE, text=True) if device.type == "cuda" else None
    seconds = learnerkit("hybrid_resnet", *((2, "fp32", 1, 1) if tiny else (512, "bf16", 88, 5)), False)
    if smi is None:
        print("no GPU to ask; the training ran")
        return
    smi.terminate()
    shares = [int(line) for line in smi.communicate()[0].split() if line.isdigit()]
    during = shares[-max(1, int(sum(seconds) * 5)) :]
    print(f"utilisation {statistics.mean(during):.0f} % over {len(during)} looks in {sum(seconds):.1f} s of training")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="hybrid_resnet")
    parser.add_argument("--bs", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--operations", action="store_true")
    parser.add_argument("--loader", action="store_true")
    parser.add_argument("--utilisation", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="whether it runs")
    given = parser.parse_args()
    if given.loader or given.utilisation:
        (loader if given.loader else utilisation)(given.tiny)
        return
    if given.tiny:
        given.bs, given.precision, given.steps, given.rounds = [2], ["bf16"], 1, 1
    print(f"{processor(default_device())}, torch {torch.__version__}")
    if given.operations:
        for contender in (bare, learnerkit):
            print(f"{contender.__name__:<12} {contender(given.arch, 4, 'fp32', 4, 0, True):,} operations a step")
        return
    for bs in given.bs:
        for precision in given.precision:
            for contender in (bare, learnerkit):
                times = contender(given.arch, bs, precision, given.steps, given.rounds, False)
                rates = [given.steps * bs / seconds for seconds in times]
                ms = statistics.median(times) / given.steps * 1e3
                print(
                    f"{contender.__name__:<12} bs {bs:>5} {precision}: {ms:7.2f} ms a step, "
                    f"{statistics.median(rates):,.0f} images/s ({min(rates):,.0f}-{max(rates):,.0f})"
                )


if __name__ == "__main__":
    main()
