"""Seconds of a checkpoint written and read, and of an epoch with and without `Run`.

python benchmarks/checkpoint.py [--rounds 5]
"""

import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from input import arrays
from kit.command import main
from kit.question import Contender, Setting, Table

PLAIN = "not synced, no checksum, in place of the last"


def state(setting: Setting):
    """torchvision's resnet18 and two moments of every parameter."""
    import torch
    from torchvision.models import resnet18

    model = resnet18(num_classes=10)
    return model, {name: [torch.zeros_like(p), torch.ones_like(p)] for name, p in model.named_parameters()}


def written(setting: Setting, write, of=state):
    """Seconds of a write into a folder of its own."""
    given = of(setting)

    def run():
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            write(Path(folder), *given)
            seconds = time.perf_counter() - start
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        return {"figure": seconds, "mb": size / 1e6}

    return run


def plain(setting: Setting):
    import torch

    return written(setting, lambda folder, model, opt: torch.save({"m": model.state_dict(), "o": opt}, folder / "a.pt"))


def safe(setting: Setting):
    """The least that a crash cannot damage: another name, fsync, rename, fsync of the folder."""
    import torch

    def write(folder, model, opt):
        with open(folder / "a.tmp", "wb") as file:
            torch.save({"m": model.state_dict(), "o": opt}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(folder / "a.tmp", folder / "a.pt")
        place = os.open(folder, os.O_RDONLY)
        os.fsync(place)
        os.close(place)

    return written(setting, write)


def fastai(setting: Setting):
    import torch
    from fastai.vision.all import DataLoaders, Learner, nn

    model, _ = state(setting)
    learn = Learner(DataLoaders([], [], device=torch.device("cpu")), model, nn.CrossEntropyLoss())
    learn.create_opt()
    for p in model.parameters():
        learn.opt.state[p] = {"grad_avg": torch.zeros_like(p), "sqr_avg": torch.ones_like(p)}
    return written(setting, lambda folder, *_: learn.save(folder / "a", with_opt=True))


def learnerkit(setting: Setting):
    from learnerkit.core.checkpoint import commit
    from learnerkit.core.tensors import state_bytes, weights_bytes

    def write(folder, model, opt):
        commit(folder, 1, 1, {"model.safetensors": weights_bytes(model.state_dict()), "state.pt": state_bytes(opt)})

    return written(setting, write)


def epoch(kept, setting: Setting):
    """Seconds of the second of three epochs: warm, and not the last, whose checkpoint is measured apart."""
    from learnerkit.all import Callback, Run, array_dls, image_learner

    n = setting.of(64, 384, 512)
    images, labels = arrays(round(n / 0.7))

    class Laps(Callback):
        order = 99

        def before_fit(self):
            self.laps, self.stamp = [], time.perf_counter()

        def after_epoch(self):
            self.laps.append(time.perf_counter() - self.stamp)
            self.stamp = time.perf_counter()

    def run():
        dls = array_dls(images, labels, bs=32, keeps=("mirror", "shift"), crop=4)
        with tempfile.TemporaryDirectory() as folder:
            laps = Laps()
            learn = image_learner(
                dls, "resnet18", seed=1, cbs=[laps, *([Run(folder)] if kept else [])], limit_batches=8
            )
            learn.logger = lambda row: None
            if not kept:
                learn.remove_cb(learn.guard)
            with learn.no_bar():
                learn.fit(3, 0.01)
        return laps.laps[1]

    return run


TABLES = {
    "write": Table(
        title="A checkpoint",
        asks="How long does a checkpoint of resnet18 (11.2 M parameters) with two moments a parameter take?",
        unit="s",
        contenders={
            "torch.save": Contender(plain, PLAIN),
            "torch.save, synced and renamed": Contender(safe, "no checksum"),
            "fastai `learn.save`": Contender(fastai, PLAIN),
            "learnerkit": Contender(learnerkit, "synced, checksummed, renamed"),
        },
        base="torch.save, synced and renamed",
        columns={"MB written": "mb"},
    ),
    "kept": Table(
        title="What keeping a run costs",
        asks="How long does an epoch of resnet18 on 8 batches of 32 take, with a validation, kept as a run and not?",
        unit="s",
        contenders={
            "without `Run` and guard": Contender(partial(epoch, False)),
            "with both": Contender(partial(epoch, True)),
        },
        base="without `Run` and guard",
        quick=False,
    ),
}

if __name__ == "__main__":
    sys.exit(main("checkpoint"))
