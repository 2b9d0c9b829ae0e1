"""Finished runs as a comparison reads them, from their files alone: what they were made with, and on what measured."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.calls import NOT_THE_WEIGHTS
from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder

NOT_A_VARIANT = ("seed", "cache", "num_workers", "device", "lost", *NOT_THE_WEIGHTS)


@dataclass
class Finished:
    """One finished run.

    described, results, history: of run.json, results.json and the ledger.
    part: on which it was measured; n: samples of it; samples: hash of those samples and their truth.
    arrays: what was predicted on them, by the task's own names.
    settings: what the run was made with, by dotted key; label: what sets it apart from the others, its seed left out.
    """

    run: RunFolder
    described: dict[str, Any]
    results: dict[str, Any]
    history: list[dict]
    part: str
    n: int
    samples: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def seed(self) -> Any:
        """Of the training."""
        return self.described.get("seed")

    @property
    def name(self) -> str:
        """Of the run's folder."""
        return self.run.path.name


@dataclass
class Comparison:
    """Runs of one task grouped into variants, best first.

    root: the folder that was compared; task: of the runs; runs: those that count.
    varying: the settings in which the runs differ; rows: one a variant; unfinished: runs left out, and why.
    """

    root: Path
    task: str
    runs: list[Finished]
    varying: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)

    @property
    def part(self) -> str:
        """The part on which all runs were measured."""
        return self.runs[0].part

    @property
    def n(self) -> int:
        """Samples of that part."""
        return self.runs[0].n


def settings_of(described: dict[str, Any]) -> dict[str, Any]:
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


def label_runs(runs: list[Finished]) -> list[str]:
    """Name each run by the settings in which not all are equal; returns those."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    varying = [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]
    for run in runs:
        values = [run.settings.get(key) for key in varying]
        if len(varying) == 1 and isinstance(values[0], (str, Named)):  # 'concat' says it alone, '4' does not
            run.label = str(values[0])
        else:
            pairs = zip(varying, values, strict=True)
            run.label = ", ".join(f"{key.rsplit('.', 1)[-1]}={value}" for key, value in pairs) or "all"
    return varying


def without_repeats(runs: list[Finished], left_out: list[str]) -> list[Finished]:
    """The runs without those that repeat the seed of another of their variant: they would count one result twice."""
    seen: dict[tuple, str] = {}
    kept = []
    for run in runs:
        key = run.label, run.seed
        if run.seed is not None and key in seen:
            left_out.append(f"{run.name}: repeats seed {run.seed} of {seen[key]}")
            continue
        seen[key] = run.name
        kept.append(run)
    return kept


def variants_of(runs: list[Finished]) -> dict[str, list[Finished]]:
    """The runs that differ in the seed alone, by their label."""
    variants: dict[str, list[Finished]] = {}
    for run in runs:
        variants.setdefault(run.label, []).append(run)
    return variants


def mean_of(runs: list[Finished], key: str) -> float | None:
    """The mean of a result over runs; None where none has it."""
    values = [run.results[key] for run in runs if run.results.get(key) is not None]
    return float(np.mean(values)) if values else None


def spread_of(runs: list[Finished], key: str) -> float | None:
    """The standard deviation of a result over runs; None for one run, or where one lacks it."""
    values = [run.results.get(key) for run in runs]
    return float(np.std(values, ddof=1)) if len(values) > 1 and None not in values else None


def is_finished(path: Path) -> bool:
    """Whether a run was trained to its end and evaluated."""
    try:
        done = read_json(path / "status.json")["state"] == "done"
        return done and (path / "results.json").exists() and (path / "predictions.npz").exists()
    except (DataError, KeyError, TypeError):
        return False
