"""What keeping a run costs: a checkpoint of 11 M parameters; an epoch of se_resnet with `Run` and guard, and without.

python benchmarks/run_cost.py [--rounds 5]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from learnerkit.all import Callback, Run, array_dls, image_learner
from learnerkit.core.checkpoint import commit
from learnerkit.core.tensors import state_bytes, weights_bytes
from learnerkit.models.create import create_model

IMAGES = np.random.default_rng(0).integers(0, 256, (1480, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(1480) % 10


class Laps(Callback):
    """Seconds of each epoch, everything that other callbacks do after it included."""

    order = 99

    def before_fit(self):
        self.laps, self.stamp = [], time.perf_counter()

    def after_epoch(self):
        self.laps.append(time.perf_counter() - self.stamp)
        self.stamp = time.perf_counter()


def checkpoint_seconds():
    """One commit of weights and two moments of every parameter."""
    model = create_model("resnet18")
    moments = {name: [torch.zeros_like(p), torch.zeros_like(p)] for name, p in model.named_parameters()}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        files = {"model.safetensors": weights_bytes(model.state_dict()), "state.pt": state_bytes(moments)}
        commit(Path(folder), 1, 1, files)
        return time.perf_counter() - start


def epoch_seconds(with_run):
    """The second of three epochs: warm, and not the last, whose checkpoint is measured apart."""
    dls = array_dls(IMAGES, LABELS, bs=128, keeps=("mirror", "shift"), crop=4)
    with tempfile.TemporaryDirectory() as folder:
        laps = Laps()
        learn = image_learner(dls, "se_resnet", seed=1, cbs=[laps, *([Run(folder)] if with_run else [])])
        learn.logger = lambda row: None
        if not with_run:
            learn.remove_cb(learn.guard)
        with learn.no_bar():
            learn.fit(3, 0.01)
        return laps.laps[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds = [checkpoint_seconds() for _ in range(rounds)]
    print(f"checkpoint, resnet18 with Adam's state: {statistics.median(seconds):.2f} s (n {rounds})")
    times = {True: [], False: []}
    for _ in range(rounds):
        for with_run in (False, True):
            times[with_run].append(epoch_seconds(with_run))
    plain, kept = statistics.median(times[False]), statistics.median(times[True])
    ratio = statistics.median(b / a for a, b in zip(times[False], times[True], strict=True))
    print(f"epoch of se_resnet, 1,024 images: {plain:.2f} s without Run and guard, {kept:.2f} s with them (n {rounds})")
    print(f"median of the ratios, pair by pair: {ratio:.3f}")


if __name__ == "__main__":
    main()
