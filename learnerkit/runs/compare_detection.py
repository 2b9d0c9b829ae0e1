"""Detectors side by side: average precision with its interval, size and speed, from the files of their runs alone."""

from typing import Any

import numpy as np

from learnerkit.core.errors import RunError
from learnerkit.core.files import read_json, sha256
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.metrics.resampled import resampled_map
from learnerkit.ops.matching import as_tensors
from learnerkit.runs.finished import Finished

FIGURES = ("mAP", "mAP50", "mAP75")
RESAMPLES = 500  # of the images, for the intervals
RANKS = (("rank_accuracy", "mAP", -1), ("rank_speed", "ms_per_image", 1), ("rank_size", "parameters", 1))


def read_detector(run: RunFolder, described: dict[str, Any], settings: dict[str, Any]) -> Finished:
    """A finished detector's run; measured on test, or on valid where the set has no test part."""
    arrays = read_npz(run.file("predictions.npz"))
    parts = set(arrays["part"].tolist())
    part = "test" if "test" in parts else "valid"
    chosen = arrays["part"] == part
    if not chosen.any():
        raise RunError("was not evaluated")
    truth = arrays["targets"][chosen]
    names = "\n".join([part, *arrays["ids"][chosen].tolist()]).encode("utf-8", "surrogateescape")
    held = truth[truth[..., 4] >= 0]
    test_hash = sha256(names + np.ascontiguousarray(held).tobytes())[:12]
    results = read_json(run.file("results.json"))
    boxes = {"detections": arrays["detections"][chosen], "truth": truth}
    n = int(chosen.sum())
    return Finished(run, described.get("seed"), settings, results, run.history(), test_hash, part, n, **boxes)


def detector_rows(variants: dict[str, list[Finished]]) -> list[dict[str, Any]]:
    """One row a variant, best mAP first; beside its difference to the best the paired bootstrap 95 % interval.

    variants: runs that differ in the seed alone, by name.
    """
    rows = rank([_row(label, members) for label, members in variants.items()])
    best, *others = rows
    if not others or best["mAP"] is None:
        return rows
    n = variants[best["variant"]][0].n
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    first = _resampled(variants[best["variant"]], counts)
    for row in others:
        apart = first - _resampled(variants[row["variant"]], counts)
        row["difference"] = best["mAP"] - row["mAP"]
        row["ci_low"], row["ci_high"] = np.nanpercentile(apart, [2.5, 97.5]).tolist()
    return rows


def _resampled(members: list[Finished], counts: np.ndarray) -> np.ndarray:
    """mAP, mean over a variant's runs, on resamples of the images that all runs share [R]."""
    pairs = ((as_tensors(run.detections), as_tensors(run.truth)) for run in members)
    return np.mean([resampled_map(found, truth, counts) for found, truth in pairs], axis=0)


def _row(label: str, members: list[Finished]) -> dict[str, Any]:
    """One variant's figures, means over its seeds."""
    part = members[0].part
    row: dict[str, Any] = {"variant": label, "n": len(members), "seeds": " ".join(str(run.seed) for run in members)}
    keys = {name: f"{part}_{name}" for name in FIGURES}
    keys |= {name: name for name in ("parameters", "megabytes", "ms_per_image", "fps", "seconds")}
    for name, key in keys.items():
        values = [run.results[key] for run in members if run.results.get(key) is not None]
        row[name] = float(np.mean(values)) if values else None
    maps = [run.results.get(f"{part}_mAP") for run in members]
    several = len(maps) > 1 and None not in maps
    row["mAP_std"] = float(np.std(maps, ddof=1)) if several else None
    row |= dict.fromkeys(("difference", "ci_low", "ci_high"))
    return row


def rank(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows, best mAP first, with their places by accuracy, speed and size; equal values share a place."""
    for name, key, sign in RANKS:
        values = [None if row[key] is None else sign * row[key] for row in rows]
        known = [value for value in values if value is not None]
        for row, value in zip(rows, values, strict=True):
            row[name] = None if value is None else 1 + sum(other < value for other in known)
    return sorted(rows, key=lambda row: (row["rank_accuracy"] or len(rows) + 1, row["variant"]))
