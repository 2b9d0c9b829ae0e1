"""A finished run as its files say it, made without a training."""

import numpy as np

from learnerkit.core.files import write_json
from learnerkit.core.members import write_members
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz


def fake_run(
    root,
    name,
    fusion,
    seed,
    accuracy,
    n=200,
    test="t",
    state="done",
    roll=0,
    valid=None,
    loss=0.9,
    parameters=None,
    groups=None,
    epochs=1,
    model=None,
):
    """A finished run as its files say it, without a training.

    valid, loss: on valid; accuracy less .01 without it. groups: of the test samples; model: further settings.
    """
    run = RunFolder.create(root, name)
    resolved = {"seed": seed, "model": {"fusion": fusion, **(model or {})}, "data": {"path": "p", "split_seed": 42}}
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
    valid = accuracy - 0.01 if valid is None else valid
    results = {"test_accuracy": right.mean(), "valid_accuracy": valid}
    write_json(run.file("results.json"), {**results, **({"parameters": parameters} if parameters else {})})
    if groups is not None:
        rows = {"train": [], "valid": [], "test": range(n)}
        write_members(run.path, ids.tolist(), None, rows, groups)
    for epoch in range(1, epochs + 1):
        grown = 1 - (1 - epoch / epochs) ** 2
        noise = rng.normal(0, 0.01 * (epochs > 1))
        row = {"epoch": epoch, "train_loss": 2 - grown + noise, "valid_loss": loss + 1 - grown + noise}
        run.append_epoch({**row, "accuracy": accuracy * grown + noise, "lr": 0.1 * (1.01 - grown), "seconds": 1})
    run.set_status(state)
    run.unlock()
    return run
