"""Pairs of runs for the tests of `diff`, made without a training."""

import shutil
from pathlib import Path

import numpy as np

from learnerkit.core.files import read_json, write_json
from learnerkit.core.members import write_members
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz

KEPT = Path(__file__).parent / "kept_run"


def kept(tmp_path, name):
    """A copy of the kept run, a script's on the digits."""
    return RunFolder(Path(shutil.copytree(KEPT, tmp_path / "runs" / name)))


def changed_json(run, name="run.json", **changes):
    """The run, after keys of one of its JSON files were replaced."""
    write_json(run.file(name), {**read_json(run.file(name)), **changes})
    return run


def classifier(tmp_path, name, rows, vocab=("cat", "dog"), losses=(), **described):
    """A finished classifier by the ids of its test samples: (true class, probability of each class) each.

    losses: of its batches, all of one epoch.
    """
    run = RunFolder.create(tmp_path / "runs", name)
    resolved = {"seed": 1, "model": {"arch": "tiny_cnn"}, "data": {"path": "p"}, "train": {"lr": 0.1, "epochs": 1}}
    said = {
        "task": "classify",
        "recipe": {"dls": None, "learner": None},
        "resolved": resolved,
        "classes": list(vocab),
        "device": {},
        "seed": 1,
    }
    write_json(run.file("run.json"), {**said, **described})
    write_json(run.file("class_names.json"), list(vocab))
    targets = np.array([vocab.index(true) for true, _ in rows.values()], dtype=np.int64)
    arrays = {"ids": np.array(list(rows)), "part": np.full(len(rows), "test"), "targets": targets}
    probabilities = np.array([chances for _, chances in rows.values()], dtype=np.float32)
    write_npz(run.file("predictions.npz"), **arrays, probabilities=probabilities)
    write_members(run.path, list(rows), None, {"train": [], "valid": [], "test": range(len(rows))})
    lines = [f"{step},1,{loss},0.1,{step},{step}\n" for step, loss in enumerate(losses, 1)]
    run.file("batch_metrics.csv").write_text("step,epoch,loss,lr,batch,seconds\n" + "".join(lines))
    mean = float(np.mean(losses)) if losses else 1.0
    run.append_epoch({"epoch": 1, "train_loss": mean, "valid_loss": 1.0, "step": len(losses) or 1})
    run.set_status("done")
    run.unlock()
    return run
