"""How far a classifier's probabilities can be believed, as a run keeps it: a temperature, and thresholds of sets."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, read_json, write_json
from learnerkit.core.stamp import is_of, stamp
from learnerkit.core.tensors import weights_file

FILE = "calibration.json"
LEAST = 1e-38  # probabilities below it are float32's zero


@dataclass(frozen=True)
class Calibration:
    """What was fitted on a part for one way of predicting.

    temperature: logits are divided by it, above 0; 1 leaves them as they are.
    thresholds: by the stated coverage, such as '0.9': a class stands in a sample's set when its calibrated probability
        is at least this.
    part, samples: on which it was fitted, and how many it had.
    views, until: test-time views that were averaged, and of samples less sure than what; 0 and None without.
    """

    temperature: float = 1.0
    thresholds: dict[str, float] = field(default_factory=dict)
    part: str = "valid"
    samples: int = 0
    views: int = 0
    until: float | None = None

    def probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """The calibrated probabilities [N,K] of the model's own [N,K]."""
        return tempered(probabilities, self.temperature)


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of the logarithms divided by a temperature, float32 [N,K]: that of the logits, whose shift is lost."""
    probabilities = np.asarray(probabilities, dtype=np.float32)
    if temperature == 1.0 or not len(probabilities):
        return probabilities
    found = np.empty_like(probabilities)
    for block in row_blocks(*probabilities.shape):
        logits = np.log(probabilities[block].astype(np.float64).clip(LEAST)) / temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found[block] = powers / powers.sum(axis=1, keepdims=True)
    return found


def row_blocks(n: int, width: int) -> Iterator[slice]:
    """Rows 0 to n in blocks of about a million numbers: a large table is never computed whole.

    width: numbers of a row.
    """
    step = max(1, 1_000_000 // max(1, width))
    return (slice(start, min(n, start + step)) for start in range(0, n, step))


def sets_of(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Which classes stand in each sample's set, bool [N,K]; a set may be empty, where no class is likely enough."""
    return np.asarray(probabilities) >= threshold


def write_calibration(folder: PathLike, ways: dict[str, Calibration]) -> Path:
    """Keep what was fitted beside the weights that it is of.

    folder: a run, or any folder with model.json and weights.
    ways: 'plain', and 'tta' for averaged views.
    """
    content: dict[str, Any] = {name: vars(way) for name, way in ways.items()}
    return write_json(Path(folder) / FILE, {"weights": stamp(weights_file(folder)), **content})


def read_calibration(folder: PathLike, tta: bool = False) -> Calibration | None:
    """What was fitted for a folder's weights; None where nothing was, or it was for other weights.

    folder: a run, or a folder with model.json and weights; tta: for averaged views.
    """
    file = Path(folder) / FILE
    if not file.exists():
        return None
    said = read_json(file)
    way = said.get("tta" if tta else "plain") if isinstance(said, dict) else None
    if way is None or not is_of(said.get("weights") or {}, weights_file(folder)):
        return None
    try:
        known = Calibration(**way)
        fits = 0 < known.temperature < float("inf") and all(0 <= value <= 1 for value in known.thresholds.values())
    except (TypeError, AttributeError):
        fits = False
    if not fits:
        raise DataError(
            f"{file}: is not what learnerkit writes; remove it, or measure the run again: learnerkit evaluate {folder}"
        )
    return known
