"""Finished runs as a comparison reads them, from their files alone: what they were made with, and on what measured."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.calls import NOT_THE_WEIGHTS
from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json
from learnerkit.core.labels import Named, brief, key_names, worded_apart
from learnerkit.core.run_folder import RunFolder

NOT_A_VARIANT = ("seed", "cache", "num_workers", "device", "lost", "mlflow", *NOT_THE_WEIGHTS)
OF_THE_LEARNER = {"gradient_clip", "mixed_precision"}  # callbacks of its arguments that are called otherwise


@dataclass
class Finished:
    """One finished run.

    described, results, history: of run.json, results.json and the ledger.
    part: on which it was measured; n: samples of it; samples: hash of those samples and their truth.
    arrays: what was predicted on them, by the task's own names.
    settings: what the run was made with, by dotted key; label: what sets it apart from the others, its seed left out.
    words: the settings that the label says, in words by their names.
    groups: of those samples, int64 [N]; None where each stands alone, or the run does not say.
    name: of its folder, as the comparison calls it.
    profile: what its weights cost, see `core.profiles`; {} where that was not measured.
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
    groups: np.ndarray | None = None
    name: str = ""
    words: dict[str, str] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> Any:
        """Of the training."""
        return self.described.get("seed")


@dataclass
class Comparison:
    """Runs of one task grouped into variants, best first.

    root: the folder that was compared, or the one that holds all that were; task: of the runs; runs: those that count.
    varying: the settings in which the runs differ; rows: one a variant.
    left_out: other runs, and why; unfinished: those of them that were not trained and measured to their end.
    notes: on single figures of the rows, and on what the comparison can show.
    detectable: what the first two variants can show, see `pages.detectable`; {} where there are no two.
    """

    root: Path
    task: str
    runs: list[Finished]
    varying: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    detectable: dict[str, Any] = field(default_factory=dict)

    def short_names(self, longest: int) -> tuple[dict[str, str], str]:
        """What the variants are called in so many letters, and the settings that these names leave unsaid."""
        words = {run.label: run.words for run in self.runs}
        return brief({row["variant"]: words.get(row["variant"], {}) for row in self.rows}, longest)

    @property
    def part(self) -> str:
        """The part on which all runs were measured."""
        return self.runs[0].part

    @property
    def n(self) -> int:
        """Samples of that part."""
        return self.runs[0].n

    @property
    def measured_on(self) -> str:
        """That part in words, such as '200 test samples in 70 groups'."""
        number = self.drawn
        return f"{self.n:,} {self.part} samples" + (f" in {number:,} groups" if number < self.n else "")

    @property
    def drawn(self) -> int:
        """What of them a resample draws: groups, or samples where each stands alone."""
        groups = common_groups(self.runs)
        return self.n if groups is None else int(groups.max()) + 1


def settings_of(described: dict[str, Any]) -> dict[str, Any]:
    """What a run was made with, by dotted key: its resolved recipe, or the calls of a script."""
    script = {**described["recipe"], "fit": described.get("fit"), "epochs": described.get("n_epoch")}
    said = ((described["recipe"].get("learner") or {}).get("args") or {}).keys() | OF_THE_LEARNER
    callbacks = described.get("callbacks") or {}
    script["callbacks"] = {name: settings for name, settings in callbacks.items() if name not in said}
    flat = flat_of(described.get("resolved") or script)
    settings = {key: value for key, value in flat.items() if key.rsplit(".", 1)[-1] not in NOT_A_VARIANT}
    split = described.get("split") or {}
    path = flat.get("data.path", flat.get("dls.args.path", ""))
    return {**settings, "data": Named(f"{path}", described.get("fingerprint"), split.get("hash"))}


def flat_of(nested: dict[str, Any]) -> dict[str, Any]:
    """The values of nested dicts by dotted key, lists as tuples."""
    flat: dict[str, Any] = {}

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, f"{place}.{key}" if place else key)
        else:
            flat[place] = tuple(value) if isinstance(value, list) else value

    walk(nested, "")
    return flat


def label_runs(runs: list[Finished]) -> list[str]:
    """Name each run by the settings in which not all are equal; returns those."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    varying = [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]
    varying = [key for key in varying if key != "data" or not _follows_from_the_rest(runs, varying)]
    columns = [worded_apart([run.settings.get(key) for run in runs]) for key in varying]
    for number, run in enumerate(runs):
        run.words = dict(zip(key_names(varying), (column[number] for column in columns), strict=True))
        if len(varying) == 1 and isinstance(run.settings.get(varying[0]), (str, Named)):
            (run.label,) = run.words.values()  # 'concat' says it alone, '4' does not
        else:
            run.label = " ".join(f"{key}={value}" for key, value in run.words.items()) or "all"
    return varying


def _follows_from_the_rest(runs: list[Finished], varying: list[str]) -> bool:
    """Whether the data of the runs are those of one path, and others by their settings alone, such as the size."""
    keys = [key for key in varying if key.startswith(("data.", "dls."))]
    held = {tuple(repr(run.settings.get(key)) for key in keys): set() for run in runs}
    for run in runs:
        held[tuple(repr(run.settings.get(key)) for key in keys)].add(repr(run.settings.get("data")))
    paths = {getattr(run.settings.get("data"), "path", None) for run in runs}
    return bool(keys) and len(paths) == 1 and all(len(found) == 1 for found in held.values())


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


def best_of(run: Finished, key: str) -> float | None:
    """A figure of the ledger in the epoch whose weights the run kept: the first with the best monitored figure."""
    monitor, mode = run.described.get("monitor", "valid_loss"), run.described.get("mode", "min")
    known = [row for row in run.history if row.get(monitor) is not None]
    kept = (max if mode == "max" else min)(known, key=lambda row: row[monitor]) if known else {}
    return kept.get(key)


def valid_figure(runs: list[Finished], key: str) -> float | None:
    """The mean over runs of a figure of valid, as it was measured at the end, or else in the epoch that each run kept.

    key: in results.json, such as 'valid_accuracy'; None where a run has it in neither place.
    """
    return _mean(first_known(run.results.get(key), best_of(run, key), best_of(run, _bare(key))) for run in runs)


def valid_loss(runs: list[Finished]) -> float | None:
    """The mean over runs of the loss on valid in the epoch that each kept; None where one lacks it."""
    return _mean(best_of(run, "valid_loss") for run in runs)


def _bare(key: str) -> str:
    return key.removeprefix("valid_")


def _mean(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else float(np.mean(known))


def first_known(*values: Any) -> Any:
    """The first value that is not None; None where all are."""
    return next((value for value in values if value is not None), None)


def common_groups(runs: list[Finished]) -> np.ndarray | None:
    """The groups of the samples that runs share; where runs say several, those that leave the fewest to draw."""
    known = [run.groups for run in runs if run.groups is not None]
    return min(known, key=lambda groups: groups.max(), default=None)


def is_finished(path: Path) -> bool:
    """Whether a run was trained to its end and evaluated."""
    try:
        done = read_json(path / "status.json")["state"] == "done"
        return done and (path / "results.json").exists() and (path / "predictions.npz").exists()
    except (DataError, KeyError, TypeError):
        return False
