"""The averaged probabilities of several classifiers that were measured on the same samples."""

from typing import Any

import numpy as np
import torch

from learnerkit.classify.evaluate import write_predictions
from learnerkit.classify.metrics import figures_of
from learnerkit.core.errors import RunError
from learnerkit.core.files import made_folder
from learnerkit.core.ranges import Until
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz, write_npz
from learnerkit.ops.unsure import unsure, until_of

USED = ("ids", "part", "targets")


def ensemble(
    runs: list[RunFolder], target: RunFolder, codes: bool = False, until: Until | None = None
) -> dict[str, Any]:
    """Average the probabilities of runs, and measure the gain: of each part the ensemble's figures, 'single_mean',
    'single_best' and 'gain'.

    target: where results.json, predictions.npz and predictions.csv go.
    codes: class indices instead of names in predictions.csv.
    until: the first run's answer stands where it is as sure as that, and the others are asked of the rest alone; 'auto'
        fits it on the valid part, see `ops.unsure`. The figures then have 'until', and of each part 'passes', how many
        runs are asked for a sample.
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
    asked = np.full(len(part), len(runs))
    if until is not None:
        first = contents[0]["probabilities"]
        figures["until"] = until = _fitted(first, averaged, targets, part == "valid") if until == "auto" else until
        others = unsure(torch.from_numpy(first), until).numpy()
        averaged, asked = np.where(others[:, None], averaged, first), np.where(others, len(runs), 1)
    for name in dict.fromkeys(part.tolist()):
        rows = part == name
        single = [figures_of(content["probabilities"][rows], targets[rows])["accuracy"] for content in contents]
        figures |= {f"{name}_{key}": value for key, value in figures_of(averaged[rows], targets[rows]).items()}
        figures |= {f"{name}_single_mean": float(np.mean(single)), f"{name}_single_best": max(single)}
        figures |= {f"{name}_passes": float(asked[rows].mean())} if until is not None else {}
        figures[f"{name}_gain"] = figures[f"{name}_accuracy"] - float(np.mean(single))
    made_folder(target.path)
    last = part == part[-1]
    write_npz(target.file("predictions.npz"), **{key: contents[0][key] for key in USED}, probabilities=averaged)
    write_predictions(target.file("predictions.csv"), contents[0]["ids"][last], averaged[last], vocab, codes)
    return target.write_results(figures, anew=True)


def _fitted(first: np.ndarray, averaged: np.ndarray, targets: np.ndarray, valid: np.ndarray) -> float:
    """The confidence from which on the first run is as good as all, on the samples of the valid part.

    first, averaged: probabilities [N,K]; targets: classes [N]; valid: which samples are of that part, bool [N].
    """
    if not valid.any():
        raise RunError("until='auto': is fitted on the valid part, which is not measured here; give a number")
    return until_of(*(torch.from_numpy(values[valid]) for values in (first, averaged, targets)))
