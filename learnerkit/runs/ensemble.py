"""`ensemble_runs`: the averaged probabilities of several runs, from their files alone."""

from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz, write_npz
from learnerkit.tasks.evaluate import figures_of, write_predictions

USED = ("ids", "part", "targets")


def ensemble_runs(
    paths: list[PathLike], out: PathLike | None = None, codes: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Average the probabilities of runs that were evaluated on the same samples, and measure the gain.

    paths: two run folders or more. out: where results.json, predictions.npz and predictions.csv go; a folder 'ensemble'
        beside the first run when None. codes: class indices instead of names in predictions.csv.
    Returns the folder and the figures: of the ensemble, the mean and best single run, and the gain over both.
    """
    runs = [RunFolder.open(path) for path in paths]
    if len({run.path.resolve() for run in runs}) < 2:
        raise RunError("an ensemble needs two different runs or more")
    contents = [read_npz(run.file("predictions.npz")) for run in runs]
    vocab = runs[0].described()["classes"]
    for run, content in zip(runs[1:], contents[1:], strict=True):
        if run.described()["classes"] != vocab:
            raise RunError(f"{run.path}: has other classes than {runs[0].path}; no ensemble")
        if not all(np.array_equal(content[key], contents[0][key]) for key in USED):
            raise RunError(f"{run.path}: was evaluated on other samples than {runs[0].path}; no ensemble")
    averaged = np.mean([content["probabilities"] for content in contents], axis=0)
    part, targets = contents[0]["part"], contents[0]["targets"]
    results: dict[str, Any] = {"runs": [str(run.path) for run in runs]}
    for name in dict.fromkeys(part.tolist()):
        rows = part == name
        single = [figures_of(content["probabilities"][rows], targets[rows])["accuracy"] for content in contents]
        results |= {f"{name}_{key}": value for key, value in figures_of(averaged[rows], targets[rows]).items()}
        results |= {f"{name}_single_mean": float(np.mean(single)), f"{name}_single_best": max(single)}
        results[f"{name}_gain"] = results[f"{name}_accuracy"] - float(np.mean(single))
    target = Path(out) if out is not None else runs[0].path.parent / "ensemble"
    target.mkdir(parents=True, exist_ok=True)
    last = part == part[-1]
    write_npz(target / "predictions.npz", **{key: contents[0][key] for key in USED}, probabilities=averaged)
    write_predictions(target / "predictions.csv", contents[0]["ids"][last], averaged[last], vocab, codes)
    write_json(target / "results.json", results)
    return target, results
