"""Microseconds a batch that a loop adds on a model too small to matter: bare PyTorch, fastai, learnerkit.

    python benchmarks/overhead.py [--rounds 5]

nn.Linear(10, 10), batches of 2, 500 batches, SGD with momentum, a one-cycle schedule, one thread; the contenders take
turns and medians are printed. `+8 idle` adds eight callbacks that handle no event.
"""

import argparse
import statistics
import time

import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import nn

from learnerkit.learner.kit import KitLearner
from learnerkit.learner.make import make_opt_func

BATCHES = 500
X, Y = torch.randn(2, 10), torch.tensor([1, 2])


class Batches:
    """A loader of ready batches."""

    device = torch.device("cpu")

    def __len__(self):
        return BATCHES

    def __iter__(self):
        for _ in range(BATCHES):
            yield X, Y


class Idle(Callback):
    """Handles no event."""


def bare():
    model, loss_func = nn.Linear(10, 10), nn.CrossEntropyLoss()
    opt = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, 0.01, total_steps=BATCHES + 1, cycle_momentum=False)
    start = time.perf_counter()
    for x, y in Batches():
        loss_func(model(x), y).backward()
        opt.step()
        opt.zero_grad()
        schedule.step()
    return time.perf_counter() - start


def learner(cls, idle=0, **kwargs):
    dls = DataLoaders(Batches(), [], device=torch.device("cpu"))
    opt_func = make_opt_func("sgd")
    cbs = [type(f"Idle{n}", (Idle,), {})() for n in range(idle)]
    learn = cls(dls, nn.Linear(10, 10), nn.CrossEntropyLoss(), opt_func=opt_func, moms=(0.9,) * 3, cbs=cbs, **kwargs)
    learn.logger = lambda row: None
    with learn.no_bar():
        start = time.perf_counter()
        learn.fit_one_cycle(1, 0.01)
        return time.perf_counter() - start


CONTENDERS = {
    "bare loop": bare,
    "fastai": lambda: learner(Learner),
    "fastai +8 idle": lambda: learner(Learner, 8),
    "learnerkit": lambda: learner(KitLearner, seed=1),
    "learnerkit +8 idle": lambda: learner(KitLearner, 8, seed=1),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    times = {name: [] for name in CONTENDERS}
    for number in range(rounds + 1):
        for name, run in CONTENDERS.items():
            seconds = run()
            if number:  # the first round warms up
                times[name].append(seconds / BATCHES * 1e6)
    base = statistics.median(times["bare loop"])
    for name, values in times.items():
        middle = statistics.median(values)
        print(
            f"{name:<20} {middle:7.0f} us/batch ({min(values):.0f}-{max(values):.0f})  over bare {middle - base:7.0f}"
        )


if __name__ == "__main__":
    main()
