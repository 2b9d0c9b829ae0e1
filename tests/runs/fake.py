"""A finished run as its files say it, made without a training."""

import numpy as np

from learnerkit.core.files import write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz


def fake_run(root, name, fusion, seed, accuracy, n=200, test="t", state="done", roll=0):
    """A finished run as its files say it, without a training."""
    run = RunFolder.create(root, name)
    resolved = {"seed": seed, "model": {"fusion": fusion}, "data": {"path": "p", "split_seed": 42}}
    described = {"task": "fuse", "recipe": {}, "resolved": resolved, "classes": ["a", "b"], "device": {}, "seed": seed}
    write_json(run.file("run.json"), described)
    rng = np.random.default_rng([seed, len(fusion)])
    targets = np.arange(n) % 2
    right = np.zeros(n, bool)
    right[np.argsort(np.arange(n) + 20 * rng.random(n))[: round(accuracy * n)]] = True
    right = np.roll(right, roll)
    said = np.where(right, targets, 1 - targets)
    probabilities = np.eye(2)[said] * 0.8 + 0.1
    ids = np.array([f"{test}{i}" for i in range(n)])
    write_npz(
        run.file("predictions.npz"), ids=ids, part=np.full(n, "test"), targets=targets, probabilities=probabilities
    )
    write_json(run.file("results.json"), {"test_accuracy": right.mean(), "valid_accuracy": accuracy - 0.01})
    run.append_epoch({"epoch": 1, "train_loss": 1.0, "valid_loss": 0.9, "accuracy": accuracy, "lr": 0.1, "seconds": 1})
    run.set_status(state)
    run.unlock()
    return run
