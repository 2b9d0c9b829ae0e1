"""Finished runs as a comparison reads them, from their files alone: what they were made with, and on what measured."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.run_folder import RunFolder

NOT_A_VARIANT = ("seed", "cache", "num_workers", "path", "device", "lost")


@dataclass
class Finished:
    """One finished run.

    label: what sets it apart from the others, its seed left out.
    part: on which it was measured; n: samples of it; test_hash: of those samples.
    targets [N], probabilities [N,K]: of a classifier. detections [N,D,6], truth [N,M,5]: of a detector.
    """

    run: RunFolder
    seed: Any
    settings: dict[str, Any]
    results: dict[str, Any]
    history: list[dict]
    test_hash: str
    part: str
    n: int
    targets: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    detections: np.ndarray | None = None
    truth: np.ndarray | None = None
    label: str = ""

    @property
    def right(self) -> np.ndarray:
        """Whether each test sample is classified rightly, bool [N]."""
        return self.probabilities.argmax(axis=1) == self.targets


@dataclass
class Comparison:
    """Runs grouped into variants, best first.

    varying: the settings in which the runs differ; rows: one a variant; unfinished: runs left out, and why.
    detection: whether the runs are of detectors.
    """

    root: Path
    runs: list[Finished]
    varying: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    detection: bool = False


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


def without_repeats(runs: list[Finished], left_out: list[str]) -> list[Finished]:
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


def label_runs(runs: list[Finished]) -> list[str]:
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
