"""The predictions of one part, with everything that is read from them computed once: of a pass, or of a run's files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from learnerkit.classify.calibration import fit_calibration, is_distribution
from learnerkit.classify.metrics import confusion
from learnerkit.classify.superclasses import Groups, groups_of
from learnerkit.core.calibrated import Calibration, read_calibration
from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz

NEEDED = {"ids", "part", "targets", "probabilities"}


@dataclass(frozen=True)
class Evaluation:
    """What a classifier said of the samples of a part.

    part: its name; tta: whether the probabilities are averaged over views; ids: names of the samples [N].
    targets: class indices [N]; probabilities: [N,K]; vocab: names of the classes.
    groups: the group of each class, none where there are none.
    valid: probabilities and targets of the valid part, which temperature and sets are fitted on; None where unknown.
    kept: what was fitted for the weights before, where the valid part is not known.
    twins: whether a sample is a copy or near copy of one of the training part, bool [N]; None where nobody looked.
    """

    part: str
    tta: bool
    ids: np.ndarray
    targets: np.ndarray
    probabilities: np.ndarray
    vocab: list[str]
    groups: list[str] = field(default_factory=list)
    valid: tuple[np.ndarray, np.ndarray] | None = None
    kept: Calibration | None = None
    twins: np.ndarray | None = None

    @cached_property
    def fitted(self) -> Calibration | None:
        """Temperature and sets of the valid part; None where it is unknown or its probabilities are no distribution."""
        if self.valid is None:
            return self.kept
        if not is_distribution(self.valid[0]):
            return None
        return fit_calibration(*self.valid)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Class indices [N]."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the predicted class [N]."""
        return self.probabilities.max(axis=1)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether the prediction is the true class [N]."""
        return self.predicted == self.targets

    @cached_property
    def losses(self) -> np.ndarray:
        """The negative logarithm of the true class's probability [N]."""
        return -np.log(self.probabilities[np.arange(len(self.targets)), self.targets].clip(1e-12))

    @cached_property
    def matrix(self) -> np.ndarray:
        """Counts [K,K], rows the true classes."""
        return confusion(self.targets, self.predicted, len(self.vocab))

    @property
    def note(self) -> str:
        """The part, and whether views were averaged."""
        return f"{self.part}{', TTA' if self.tta else ''}"

    def top(self, row: int, k: int = 3) -> list[tuple[str, float]]:
        """The k likeliest classes of a sample with their probabilities, the likeliest first."""
        chances = self.probabilities[row]
        few = np.argpartition(-chances, min(k, len(chances)) - 1)[:k]
        return [(self.vocab[code], float(chances[code])) for code in few[np.lexsort((few, -chances[few]))]]

    @cached_property
    def surest_mistakes(self) -> np.ndarray:
        """The rows of all mistakes, the most confident first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]


def evaluation_of(run: RunFolder, part: str | None = None, groups: Groups | None = None) -> Evaluation | None:
    """What predictions.npz holds of a part; None before an evaluation.

    run: the run folder; part: 'valid' or 'test', the last that was evaluated when None.
    groups: of the classes, see `superclasses.groups_of`.
    DataError where the file lacks something, or does not hold that part.
    """
    file = run.file("predictions.npz")
    if not file.exists():
        return None
    arrays = _read(file)
    held = list(dict.fromkeys(arrays["part"].tolist()))
    if part is not None and part not in held:
        raise DataError(f"{file}: holds no part '{part}'; it holds {' and '.join(map(repr, held))}")
    vocab = _vocab(run, arrays["probabilities"])
    kept = None if "valid" in held else read_calibration(run.path, "probabilities_tta" in arrays)
    return evaluation_in(arrays, vocab, part, groups, kept)


def evaluations_of(run: RunFolder) -> dict[str, Evaluation]:
    """The parts that predictions.npz holds, without views; {} before an evaluation. DataError as `evaluation_of`."""
    file = run.file("predictions.npz")
    if not file.exists():
        return {}
    arrays = {name: values for name, values in _read(file).items() if name != "probabilities_tta"}
    vocab = _vocab(run, arrays["probabilities"])
    return {part: evaluation_in(arrays, vocab, part) for part in dict.fromkeys(arrays["part"].tolist())}


def _read(file: Path) -> dict[str, np.ndarray]:
    arrays = read_npz(file)
    if missing := NEEDED - set(arrays):
        raise DataError(f"{file}: lacks {', '.join(sorted(missing))}; run `learnerkit evaluate` again")
    check_predictions(file, arrays)
    return arrays


def evaluation_in(
    arrays: dict[str, np.ndarray],
    vocab: list[str],
    part: str | None = None,
    groups: Groups | None = None,
    kept: Calibration | None = None,
) -> Evaluation:
    """A part of the arrays of predictions.npz; the last one when `part` is None.

    vocab: names of the classes; groups: of the classes; kept: what was fitted before, where there is no valid part.
    """
    held = list(dict.fromkeys(arrays["part"].tolist()))
    part = part or (held[-1] if held else "")
    probabilities = arrays.get("probabilities_tta", arrays["probabilities"])
    chosen, valid = (_rows(arrays["part"] == name) for name in (part, "valid"))
    return Evaluation(
        part,
        "probabilities_tta" in arrays,
        arrays["ids"][chosen],
        arrays["targets"][chosen],
        probabilities[chosen],
        vocab,
        groups_of(vocab, groups),
        (probabilities[valid], arrays["targets"][valid]) if "valid" in held else None,
        kept,
        arrays["twins"][chosen] if "twins" in arrays else None,
    )


def check_predictions(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """DataError where arrays of predictions.npz do not fit each other: each sample has a name, a class and chances."""
    probabilities, targets = arrays["probabilities"], arrays["targets"]
    faults = []
    if probabilities.ndim != 2 or not np.issubdtype(probabilities.dtype, np.floating):
        faults.append(f"probabilities are {probabilities.dtype} {list(probabilities.shape)}, not floats [N,K]")
    elif not np.isfinite(probabilities).all():
        faults.append("some probabilities are nan or infinite")
    if lengths := {key: len(values) for key, values in arrays.items() if len(values) != len(probabilities)}:
        faults.append(f"of {len(probabilities)} samples there are {lengths}")
    if not np.issubdtype(targets.dtype, np.integer):
        faults.append(f"targets are {targets.dtype}, not class indices")
    elif probabilities.ndim == 2 and len(targets) and not 0 <= targets.min() <= targets.max() < probabilities.shape[1]:
        faults.append(f"targets from {targets.min()} to {targets.max()} of {probabilities.shape[1]} classes")
    if faults:
        raise DataError(f"{file}: is damaged: {'; '.join(faults)}. Measure the run again: learnerkit evaluate")


def _rows(chosen: np.ndarray) -> slice | np.ndarray:
    """The rows of a part: a slice, which copies nothing, where they stand together as they are written."""
    rows = np.flatnonzero(chosen)
    together = len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows)
    return slice(int(rows[0]), int(rows[-1]) + 1) if together else chosen


def _vocab(run: RunFolder, probabilities: np.ndarray) -> list[str]:
    vocab: Sequence[str] = read_json(run.file("class_names.json"))
    if not isinstance(vocab, list) or len(vocab) != probabilities.shape[1]:
        raise DataError(
            f"{run.file('class_names.json')}: does not fit the predictions of {probabilities.shape[1]} classes"
        )
    return vocab
