"""The averaged probabilities of several classifiers that were measured on the same samples."""

from typing import Any

import numpy as np

from learnerkit.classify.evaluate import write_predictions
from learnerkit.classify.metrics import figures_of
from learnerkit.core.errors import RunError
from learnerkit.core.files import made_folder
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz, write_npz

USED = ("ids", "part", "targets")


def ensemble(runs: list[RunFolder], target: RunFolder, codes: bool = False) -> dict[str, Any]:
    """Average the probabilities of runs, and measure the gain: of each part the ensemble's figures, 'single_mean',
    'single_best' and 'gain'.

    target: where results.json, predictions.npz and predictions.csv go.
    codes: class indices instead of names in predictions.csv.
    Returns the content of results.json; RunError when the runs were evaluated on other samples.
    """
    contents = [read_npz(run.file("predictions.npz")) for run in runs]
    vocab = runs[0].described()["classes"]
    for run, content in zip(runs[1:], contents[1:], strict=True):
        if run.described()["classes"] != vocab:
            raise RunError(f"{run.path}: has other classes than {runs[0].path}; no ensemble")
        if not all(np.array_equal(content[key], contents[0][key]) for key in USED):
            raise RunError(f"{run.path}: was evaluated on other samples than {runs[0].path}; no ensemble")
    averaged = np.mean([content["probabilities"] for content in contents], axis=0)
    part, targets = contents[0]["part"], contents[0]["targets"]
    figures: dict[str, Any] = {"runs": [str(run.path) for run in runs]}
    for name in dict.fromkeys(part.tolist()):
        rows = part == name
        single = [figures_of(content["probabilities"][rows], targets[rows])["accuracy"] for content in contents]
        figures |= {f"{name}_{key}": value for key, value in figures_of(averaged[rows], targets[rows]).items()}
        figures |= {f"{name}_single_mean": float(np.mean(single)), f"{name}_single_best": max(single)}
        figures[f"{name}_gain"] = figures[f"{name}_accuracy"] - float(np.mean(single))
    made_folder(target.path)
    last = part == part[-1]
    write_npz(target.file("predictions.npz"), **{key: contents[0][key] for key in USED}, probabilities=averaged)
    write_predictions(target.file("predictions.csv"), contents[0]["ids"][last], averaged[last], vocab, codes)
    return target.write_results(figures, anew=True)
