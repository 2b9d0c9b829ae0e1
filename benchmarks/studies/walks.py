"""Walks through the code, counted as it runs: a CIFAR image to its report, a checkpoint, a resume, a frame's boxes.

    python benchmarks/studies/walks.py [--show NAME]

A hop is a call from a function of one file of learnerkit to a function of another, each pair of functions counted once;
calls that pass through fastai or torch count as from the last function of learnerkit. What a function defines within
itself counts as that function, and what is run once at an import is no hop. Another tree is measured with
PYTHONPATH=TREE; `--show` prints the hops of one walk. Hops into the rooms of tasks are counted again by themselves. It
takes seconds, so --tiny changes nothing.
"""

import argparse
import contextlib
import inspect
import os
import pickle
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

warnings.simplefilter("ignore")

import learnerkit  # noqa: E402
from learnerkit.all import (  # noqa: E402
    Callback,
    Run,
    cifar_dls,
    detection_dls,
    detection_learner,
    image_learner,
    write_report,
)

HOME = str(Path(learnerkit.__file__).parent)
ROOMS = ("classify/", "fuse/", "detect/")
Function = tuple[str, str]


class Walk:
    """What is called within a `with` block: the files entered, and the hops between them."""

    def __init__(self):
        self.files, self.hops = set(), {}

    def _look(self, frame, event, _):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(HOME) or not code.co_flags & inspect.CO_OPTIMIZED:
            return
        callee, caller = function_of(frame), frame.f_back
        self.files.add(callee[0])
        while caller is not None and not caller.f_code.co_filename.startswith(HOME):
            caller = caller.f_back
        if caller is not None and (pair := (function_of(caller), callee)) and pair[0][0] != callee[0]:
            self.hops[pair] = None

    def __enter__(self):
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)


def function_of(frame) -> Function:
    return os.path.relpath(frame.f_code.co_filename, HOME), frame.f_code.co_qualname.split(".<locals>")[0]


def write_cifar(folder, rows=20):
    """A CIFAR-10 folder of noise in the official layout."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for file in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        pixels, labels = rng.integers(0, 256, (rows, 3072), dtype=np.uint8), [n % 10 for n in range(rows)]
        batch = {b"data": pixels, b"labels": labels, b"filenames": [b"%d.png" % n for n in range(rows)]}
        (folder / file).write_bytes(pickle.dumps(batch, protocol=2))
    names = {b"label_names": [b"class%d" % n for n in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    return folder


def write_frames(folder, n=8):
    """Frames of five channels with one box each."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(n):
        np.save(folder / "images" / f"{number}.npy", rng.integers(0, 255, (64, 64, 5), dtype=np.uint8))
        (folder / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.3 0.3\n")
    (folder / "classes.txt").write_text("thing\n")
    for part, numbers in (("train", range(4)), ("val", (4, 5)), ("test", (6, 7))):
        (folder / f"{part}.txt").write_text("".join(f"{number}\n" for number in numbers))
    return folder


class StopLooking(Callback):
    """Ends a walk at the first batch of a fit."""

    order = 99

    def before_batch(self):
        sys.setprofile(None)


class WalkCommit(Callback):
    """Walks through one more checkpoint at the end of an epoch."""

    order = 99

    def __init__(self):
        self.walk = Walk()

    def after_epoch(self):
        keeper = self.learn.run_log
        with self.walk:
            keeper._commit(True)


def learner(dls, root, *cbs, **kwargs):
    learn = image_learner(dls, "tiny_cnn", cbs=[Run(root, "a", checkpoint_every=1, **kwargs), *cbs], seed=1)
    learn.logger = lambda row: None
    return learn


def walks(root):
    """The walks by name."""
    found = {}
    folder = write_cifar(root / "cifar")
    with Walk() as found["a CIFAR image to its report"]:
        dls = cifar_dls(folder, bs=16)
        learn = learner(dls, root / "runs")
        with learn.no_bar():
            learn.fit(1)
        learn.run_folder.unlock()
        write_report(root / "runs" / "a")
    stopped, committing = learner(dls, root / "cut"), WalkCommit()
    with stopped.no_bar(), contextlib.suppress(KeyboardInterrupt):
        stopped.fit(3, cbs=[committing, Interrupt()])
    found["a checkpoint"] = committing.walk
    stopped.run_folder.unlock()
    again = learner(dls, root / "cut", resume=True)
    with again.no_bar(), Walk() as found["a resume, to its first batch"]:
        again.fit(3, cbs=StopLooking())
    frames = write_frames(root / "frames")
    dls = detection_dls(frames, bs=2)
    learn = detection_learner(dls, "mit_b0", seed=1)
    with Walk() as found["a frame and its boxes, from the folder to the loss"]:
        detection_dls(frames, bs=2)
        loss(dls, learn)
    with Walk() as found["a frame and its boxes, from the row to the loss"]:
        loss(dls, learn)
    return found


class Interrupt(Callback):
    """Ctrl-C after the first epoch."""

    order = 100

    def after_epoch(self):
        raise KeyboardInterrupt


def loss(dls, learn):
    """A training batch through the model with its targets."""
    learn.model.train()
    learn.model(*(part.as_subclass(torch.Tensor) for part in dls.train.one_batch()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", help="the walk whose hops are printed")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LEARNERKIT_HOME"] = f"{folder}/home"
        for name, walk in walks(Path(folder)).items():
            own = [callee for _, callee in walk.hops if callee[0].startswith(ROOMS)]
            print(
                f"{name:<52} {len(walk.hops):>4} hops {len(walk.files):>3} files; in a task's room "
                f"{len(own):>3} hops {len({file for file, _ in own}):>3} files"
            )
            if arguments.show and arguments.show in name:
                for (file, function), (to, called) in walk.hops:
                    print(f"    {file}:{function} -> {to}:{called}")


if __name__ == "__main__":
    main()
