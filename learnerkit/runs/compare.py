"""`compare_runs`: finished runs side by side, from their files alone, and whether they differ by more than luck."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike, read_json, sha256
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.runs.statistics import holm, mcnemar, paired_interval

NOT_A_VARIANT = ("seed", "cache", "num_workers", "path", "device", "lost")


@dataclass
class Finished:
    """One finished run.

    label: what sets it apart from the others, its seed left out.
    right: whether each test sample is classified rightly [N]; probabilities [N,K]; targets [N].
    """

    run: RunFolder
    seed: Any
    settings: dict[str, Any]
    results: dict[str, Any]
    history: list[dict]
    test_hash: str
    targets: np.ndarray
    probabilities: np.ndarray
    label: str = ""

    @property
    def right(self) -> np.ndarray:
        """Whether each test sample is classified rightly, bool [N]."""
        return self.probabilities.argmax(axis=1) == self.targets


@dataclass
class Comparison:
    """Runs grouped into variants, best first.

    varying: the settings in which the runs differ; rows: one a variant; unfinished: runs left out, and why.
    """

    root: Path
    runs: list[Finished]
    varying: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


def compare_runs(root: PathLike) -> Comparison:
    """Compare the finished runs below a folder on the test samples that they share.

    root: a sweep's folder, or any folder of runs.
    Each variant (runs that differ in the seed alone) has the mean and spread over its seeds. Beside its difference to
    the best stand the paired bootstrap 95 % interval over the test samples, and McNemar's p on the probabilities
    averaged over the seeds, Holm-corrected over the variants.
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
        hashes.setdefault(run.test_hash, []).append(str(run.run.path.relative_to(root)))
    if len(hashes) > 1:
        groups = "\n  ".join(f"test samples {key}: {', '.join(names)}" for key, names in hashes.items())
        raise RunError(
            f"{root}: these runs were measured on different test samples and cannot be ranked:\n  {groups}\n"
            "Train them with one split_seed and one set, or compare the groups apart."
        )
    varying = _label(runs)
    runs = _without_repeats(runs, unfinished)
    comparison = Comparison(root, runs, varying, unfinished=unfinished)
    comparison.rows = _table(runs)
    return comparison


def _read(run: RunFolder) -> Finished:
    described, status = run.described(), read_json(run.file("status.json"))
    if status.get("state") != "done":
        said = f" ({status['error']})" if status.get("error") else ""
        raise RunError(f"is {status.get('state')}{said}")
    results, arrays = read_json(run.file("results.json")), read_npz(run.file("predictions.npz"))
    test = arrays["part"] == "test"
    if not test.any():
        raise RunError("was not evaluated on a test part")
    targets = arrays["targets"][test]
    names = "\n".join(f"{name} {code}" for name, code in zip(arrays["ids"][test], targets, strict=True))
    return Finished(
        run,
        described.get("seed"),
        _settings(described),
        results,
        run.history(),
        sha256(names.encode())[:12],
        targets,
        arrays["probabilities"][test],
    )


def _settings(described: dict[str, Any]) -> dict[str, Any]:
    """What a run was made with, by dotted key: its resolved recipe, or the calls of a script."""
    script = {**described["recipe"], "fit": described.get("fit"), "epochs": described.get("n_epoch")}
    source = described.get("resolved") or script
    flat: dict[str, Any] = {}

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, f"{place}.{key}" if place else key)
        else:
            flat[place] = tuple(value) if isinstance(value, list) else value

    walk(source, "")
    settings = {key: value for key, value in flat.items() if key.rsplit(".", 1)[-1] not in NOT_A_VARIANT}
    split = described.get("split") or {}
    path = flat.get("data.path", flat.get("dls.args.path", ""))
    return {**settings, "data": Named(f"{path}", described.get("fingerprint"), split.get("hash"))}


@dataclass(frozen=True)
class Named:
    """A data set: told apart by what it holds, shown by its path."""

    path: str = field(compare=False)
    fingerprint: str | None
    split: str | None

    def __repr__(self) -> str:
        return f"{self.fingerprint} {self.split}"

    def __str__(self) -> str:
        return "/".join(Path(self.path).parts[-2:]) or repr(self)


def _without_repeats(runs: list[Finished], left_out: list[str]) -> list[Finished]:
    """The runs without those that repeat the seed of another of their variant: they would count one result twice."""
    seen: dict[tuple, str] = {}
    kept = []
    for run in runs:
        key = run.label, run.seed
        if run.seed is not None and key in seen:
            left_out.append(f"{run.run.path.name}: repeats seed {run.seed} of {seen[key]}")
            continue
        seen[key] = run.run.path.name
        kept.append(run)
    return kept


def _label(runs: list[Finished]) -> list[str]:
    """Name each run by the settings in which not all are equal; returns those."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    varying = [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]
    for run in runs:
        values = [run.settings.get(key) for key in varying]
        if len(varying) == 1:
            run.label = str(values[0])
        else:
            pairs = zip(varying, values, strict=True)
            run.label = ", ".join(f"{key.rsplit('.', 1)[-1]}={value}" for key, value in pairs) or "all"
    return varying


def _table(runs: list[Finished]) -> list[dict[str, Any]]:
    variants: dict[str, list[Finished]] = {}
    for run in runs:
        variants.setdefault(run.label, []).append(run)
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
