"""What an evaluated detector found, as predictions.npz of its run folder has it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from learnerkit.core.errors import DataError, RunError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import some
from learnerkit.detect.error_kinds import ErrorKinds, error_kinds, judge, kind_rows
from learnerkit.detect.error_list import SCORE
from learnerkit.detect.matching import as_tensors

FILE = "predictions.npz"
NEEDED = {"ids": 1, "part": 1, "targets": 3, "detections": 3}  # arrays, and how many dimensions each has


@dataclass(frozen=True)
class Evaluation:
    """The last evaluated part of a run, detections of merged views where there are any.

    ids: names of the images; targets, detections: [M,5] and [D,6] of each; precision50: [101,K], over recall.
    vocab: class names; modalities: names of the channels behind RGB.
    """

    part: str
    ids: np.ndarray
    targets: list[Tensor]
    detections: list[Tensor]
    precision50: np.ndarray
    vocab: list[str]
    modalities: list[str]

    @cached_property
    def kinds(self) -> ErrorKinds:
        """The kinds of errors, and what each costs."""
        return error_kinds(self.detections, self.targets, len(self.vocab))

    @cached_property
    def kind_rows(self) -> dict[str, dict[str, float | int | None]]:
        """Of each kind what it costs, and how many there are among all boxes and among sure ones."""
        return kind_rows(self.kinds, judge(self.detections, self.targets, SCORE))


def evaluation_of(run: RunFolder) -> Evaluation | None:
    """What predictions.npz holds of the last evaluated part; None before an evaluation."""
    described = run.described()
    return read_evaluation(run, described["classes"], described["data"]["modalities"])


def read_evaluation(run: RunFolder, vocab: list[str], modalities: list[str]) -> Evaluation | None:
    """As `evaluation_of`, for a folder without run.json."""
    if not run.file(FILE).exists():
        return None
    arrays = read_boxes(run, len(vocab))
    if not len(arrays["part"]):
        return None
    part = str(arrays["part"][-1])
    found = "detections_tta" if "detections_tta" in arrays else "detections"
    held = part_of(arrays, part, found)
    return Evaluation(part, held[0], *held[1:], arrays["precision50"], vocab, modalities)


def read_boxes(run: RunFolder, n_classes: int) -> dict[str, np.ndarray]:
    """The arrays of predictions.npz; DataError where they are not those of a detector of so many classes."""
    file = run.file(FILE)
    arrays = read_npz(file)
    needed = NEEDED | ({"detections_tta": 3} if "detections_tta" in arrays else {})
    missing = [name for name in (*needed, "precision50") if name not in arrays]
    if missing:
        raise _damaged(run, f"has no {some(missing)}")
    n = len(arrays["ids"])
    for name, dimensions in needed.items():
        array = arrays[name]
        if array.ndim != dimensions or len(array) != n:
            raise _damaged(run, f"{name} has the shape {array.shape}, {dimensions} dimensions and {n} images are due")
    for name in list(needed)[2:]:
        wide, codes = (5 if name == "targets" else 6), arrays[name][:, :, 4:5]
        if arrays[name].shape[2] != wide or not np.isfinite(arrays[name]).all() or (codes >= n_classes).any():
            raise _damaged(run, f"{name} holds what is no box of {n_classes} classes")
    return arrays


def part_of(
    arrays: dict[str, np.ndarray], part: str, found: str = "detections"
) -> tuple[np.ndarray, list[Tensor], list[Tensor]]:
    """Names of the images of a part [N], truth [M,5] and detections [D,6] of each; found: which of the detections."""
    chosen = arrays["part"] == part
    return arrays["ids"][chosen], as_tensors(arrays["targets"][chosen]), as_tensors(arrays[found][chosen])


def read_part(run: RunFolder, part: str, tta: bool) -> tuple[list[str], list[Tensor], list[Tensor], list[str]]:
    """Names of the images of a part of a run, truth and detections of each, and the class names.

    tta: detections of merged views. RunError where the run was not evaluated so.
    """
    vocab = run.described()["classes"]
    if not run.file(FILE).exists():
        raise RunError(f"{run.path}: was not evaluated; `learnerkit evaluate {run.path}` does so")
    arrays = read_boxes(run, len(vocab))
    parts = list(dict.fromkeys(arrays["part"].tolist()))
    if part not in parts:
        raise RunError(f"{run.path}: was evaluated on {some(parts) or 'no image'}, not on '{part}'")
    if tta and "detections_tta" not in arrays:
        raise RunError(f"{run.path}: was evaluated without views; `learnerkit evaluate {run.path} --tta 2` does so")
    ids, targets, detections = part_of(arrays, part, "detections_tta" if tta else "detections")
    return ids.tolist(), targets, detections, list(vocab)


def _damaged(run: RunFolder, what: str) -> DataError:
    return DataError(
        f"{run.file(FILE)}: {what}; it is damaged, or not of a detector. Measure the run again: "
        f"learnerkit evaluate {run.path}"
    )
