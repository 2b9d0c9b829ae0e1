"""`compare_runs`: finished runs side by side, from their files alone, and whether they differ by more than luck."""

from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike, read_json, sha256
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.runs.compare_detection import detector_rows, read_detector
from learnerkit.runs.evaluate_frames import is_detector
from learnerkit.runs.finished import Comparison, Finished, label_runs, settings_of, without_repeats
from learnerkit.runs.statistics import holm, mcnemar, paired_interval


def compare_runs(root: PathLike) -> Comparison:
    """Compare the finished runs below a folder on the test samples that they share.

    root: a sweep's folder, or any folder of runs.
    Each variant (runs that differ in the seed alone) has the mean and spread over its seeds. Beside its difference to
    the best stand the paired bootstrap 95 % interval over the test samples, and McNemar's p on the probabilities
    averaged over the seeds, Holm-corrected over the variants. Detectors are ranked by mAP, speed and size, with the
    interval of the difference in mAP.
    Raises RunError when no run is finished, or when the runs' test samples differ.
    """
    root = Path(root)
    folders = sorted(path.parent for path in root.rglob("run.json")) if root.is_dir() else []
    runs, unfinished = [], []
    for folder in folders:
        try:
            runs.append(_read(RunFolder.open(folder)))
        except (DataError, RunError, KeyError, TypeError, AttributeError, IndexError) as error:
            unfinished.append(f"{folder.relative_to(root)}: {error}")
    if not runs:
        detail = ":\n  " + "\n  ".join(unfinished) if unfinished else ""
        raise RunError(f"{root}: holds no finished run with a test part{detail}")
    hashes: dict[str, list[str]] = {}
    for run in runs:
        hashes.setdefault(f"{run.part} {run.test_hash}", []).append(str(run.run.path.relative_to(root)))
    if len(hashes) > 1:
        groups = "\n  ".join(f"{key}: {', '.join(names)}" for key, names in hashes.items())
        raise RunError(
            f"{root}: these runs were measured on different {runs[0].part} samples and cannot be ranked:\n  {groups}\n"
            "Train them with one split_seed and one set, or compare the groups apart."
        )
    varying = label_runs(runs)
    runs = without_repeats(runs, unfinished)
    comparison = Comparison(root, runs, varying, unfinished=unfinished, detection=runs[0].targets is None)
    variants: dict[str, list[Finished]] = {}
    for run in runs:
        variants.setdefault(run.label, []).append(run)
    comparison.rows = detector_rows(variants) if comparison.detection else _table(variants)
    return comparison


def _read(run: RunFolder) -> Finished:
    described, status = run.described(), read_json(run.file("status.json"))
    if status.get("state") != "done":
        said = f" ({status['error']})" if status.get("error") else ""
        raise RunError(f"is {status.get('state')}{said}")
    if is_detector(described):
        return read_detector(run, described, settings_of(described))
    results, arrays = read_json(run.file("results.json")), read_npz(run.file("predictions.npz"))
    test = arrays["part"] == "test"
    if not test.any():
        raise RunError("was not evaluated on a test part")
    targets = arrays["targets"][test]
    names = "\n".join(f"{name} {code}" for name, code in zip(arrays["ids"][test], targets, strict=True))
    return Finished(
        run,
        described.get("seed"),
        settings_of(described),
        results,
        run.history(),
        sha256(names.encode())[:12],
        "test",
        len(targets),
        targets,
        arrays["probabilities"][test],
    )


def _table(variants: dict[str, list[Finished]]) -> list[dict[str, Any]]:
    rows = [_row(label, members) for label, members in variants.items()]
    rows.sort(key=lambda row: (-row["test_accuracy"], row["variant"]))
    best, *others = rows
    first = variants[best["variant"]]
    p_values = []
    best["ensemble_accuracy"] = float(_averaged_right(first).mean())
    for row in others:
        second = variants[row["variant"]]
        low_high = paired_interval(_share_right(first), _share_right(second))
        row["ensemble_accuracy"] = float(_averaged_right(second).mean())
        row["difference"], row["ci_low"], row["ci_high"] = (round(value, 6) for value in low_high)
        p_values.append(mcnemar(_averaged_right(first), _averaged_right(second)))
    for row, p, corrected in zip(others, p_values, holm(p_values), strict=True):
        row["mcnemar_p"], row["holm_p"] = p, corrected
    return rows


def _row(label: str, members: list[Finished]) -> dict[str, Any]:
    test = [run.results["test_accuracy"] for run in members]
    figures = {"test_accuracy": test}
    for key in ("valid_accuracy", "test_macro_f1", "test_log_loss", "seconds", "parameters"):
        figures[key] = [run.results[key] for run in members if run.results.get(key) is not None]
    mean = {key: float(np.mean(values)) if values else None for key, values in figures.items()}
    spread = float(np.std(test, ddof=1)) if len(test) > 1 else None
    empty = dict.fromkeys(("difference", "ci_low", "ci_high", "mcnemar_p", "holm_p"))
    seeds = " ".join(str(run.seed) for run in members)
    return {"variant": label, "n": len(members), **mean, "test_std": spread, "seeds": seeds, **empty}


def _share_right(members: list[Finished]) -> np.ndarray:
    """For each test sample the share of the runs that are right [N]."""
    return np.mean([run.right for run in members], axis=0)


def _averaged_right(members: list[Finished]) -> np.ndarray:
    """Whether the probabilities averaged over the runs are right on each test sample, bool [N]."""
    averaged = np.mean([run.probabilities for run in members], axis=0)
    return averaged.argmax(axis=1) == members[0].targets
