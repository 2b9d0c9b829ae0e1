"""The record of a run that its page carries: what it was made with, what each step lost, which weights came out.

With it a page alone is enough to train the run again and to say where a training parts from it.
"""

import base64
import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError, LearnerkitError, RunError
from learnerkit.core.files import PathLike, not_read, sha256, to_json
from learnerkit.core.run_folder import WEIGHTS, RunFolder
from learnerkit.core.run_schema import check_described

RECORD_SCHEMA = 1
ELEMENT = "learnerkit-record"  # id of the page's element
MOST_STEPS = 20_000  # whose losses a page keeps; of more every n-th
LARGEST_PAGE = 2**30  # bytes


@dataclass(frozen=True)
class Record:
    """What is known of a run.

    run: of run.json; state: as status.json has it; results: of results.json.
    losses: float32, of the training steps `every`, 2 `every` and so on; n_steps: of all of them.
    weights: sha256 of each file of weights, by its name without the ending.
    edited: whether a page's record was changed since it was written.
    """

    run: dict[str, Any]
    state: str
    results: dict[str, Any]
    losses: np.ndarray
    n_steps: int
    every: int = 1
    weights: dict[str, str] = field(default_factory=dict)
    edited: bool = False


def record_of(run: RunFolder) -> Record:
    """The record of a run folder."""
    losses = step_losses(run)
    every = max(1, -(-len(losses) // MOST_STEPS))
    files = {name: run.file(f"{name}.safetensors") for name in WEIGHTS}
    weights = {name: sha256(file.read_bytes()) for name, file in files.items() if file.exists()}
    state = run.standing()
    return Record(run.described(), state, run.results(), losses[every - 1 :: every], len(losses), every, weights)


def step_losses(run: RunFolder) -> np.ndarray:
    """The loss of each training step float32 [steps], as batch_metrics.csv has it."""
    file = run.file("batch_metrics.csv")
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return np.array([row["loss"] for row in csv.DictReader(lines)], dtype=np.float32)
    except FileNotFoundError:
        return np.zeros(0, np.float32)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}): it was edited, or cut off") from error


def content_of(record: Record) -> dict[str, Any]:
    """The record as JSON for a page, with a digest of itself."""
    losses = base64.b64encode(record.losses.astype("<f4").tobytes()).decode()
    steps = {"n": record.n_steps, "every": record.every, "losses": losses}
    kept = {"run": record.run, "state": record.state, "results": record.results, "steps": steps}
    content = {"schema": RECORD_SCHEMA, **kept, "weights": record.weights}
    content = json.loads(to_json(content))
    return {**content, "digest": _digest(content)}


def read_record(path: PathLike) -> Record:
    """The record of a run folder, or of a report.html; RunError or DataError where there is none to be read."""
    path = Path(path)
    if path.is_dir():
        return record_of(RunFolder.open(path))
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_PAGE).decode("utf-8", errors="replace")
    except OSError as error:
        raise RunError(not_read(path, error, "a run's report.html")) from error
    found = re.search(rf'<script type="application/json" id="{ELEMENT}">(.*?)</script>', text, re.DOTALL)
    if found is None:
        raise RunError(
            f"{path}: carries no record of a run: it is no report.html of a run, or of a version before pages had one. "
            "Give such a page, or the run folder"
        )
    try:
        return _of_content(path, json.loads(found.group(1)))
    except LearnerkitError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: its record is damaged ({error!r}); write the page anew: learnerkit report RUN"
        ) from error


def _of_content(path: Path, content: dict[str, Any]) -> Record:
    schema = content.get("schema")
    if type(schema) is not int or not 1 <= schema <= RECORD_SCHEMA:
        raise RunError(
            f"{path}: its record has schema {schema!r}, and this version of learnerkit reads up to {RECORD_SCHEMA}; "
            "use the version that wrote it, which the page's last line names"
        )
    steps, told = content["steps"], content.pop("digest", None)
    if int(steps["every"]) < 1:
        raise ValueError(f"every {steps['every']}")
    losses = np.frombuffer(base64.b64decode(steps["losses"], validate=True), "<f4")
    run, edited = check_described(path, content["run"]), told != _digest(content)
    state, results, weights = content["state"], dict(content["results"]), dict(content["weights"])
    return Record(run, state, results, losses, int(steps["n"]), int(steps["every"]), weights, edited)


def _digest(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode())
