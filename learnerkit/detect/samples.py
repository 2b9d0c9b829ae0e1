"""The frames that an evaluated run kept, with truth and detections: pictures are drawn of them, without the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learnerkit.core.errors import DataError, RunError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.detect.boxes import confident
from learnerkit.detect.data.loader import panels
from learnerkit.detect.draw import channel_pictures, with_packed
from learnerkit.detect.error_list import SCORE
from learnerkit.detect.matching import as_tensors
from learnerkit.detect.seen import evaluation_of

FILE, KINDS = "samples.npz", ("worst", "spread")


@dataclass(frozen=True)
class Sample:
    """One frame that was kept.

    number, id: of the image in its part; frame: uint8 [C,h,w]; truth, found: [M,5] and [D,6], in pixels of it.
    """

    number: int
    id: str
    frame: Tensor
    truth: Tensor
    found: Tensor

    @property
    def pictures(self) -> list[Tensor]:
        """The colours, then each further channel in grey, uint8 [3,h,w]."""
        return channel_pictures(self.frame.float() / 255, 3 if len(self.frame) >= 3 else 1)

    @property
    def colours(self) -> Tensor:
        """The first of its pictures."""
        return self.pictures[0]

    def sure(self, score: float = SCORE) -> Tensor:
        """The detections of at least a score."""
        return confident(self.found, score)


def samples_of(arrays: dict[str, np.ndarray], kind: str, ids: Sequence[str] | np.ndarray) -> list[Sample]:
    """The frames of a gallery.

    arrays: of samples.npz; kind: 'worst' or 'spread'; ids: names of the images that its numbers mean.
    """
    parts = [arrays[f"{kind}_{part}"] for part in ("frames", "sizes")]
    boxes = [as_tensors(arrays[f"{kind}_{part}"]) for part in ("targets", "found")]
    found = []
    for number, frame, (height, width), truth, said in zip(arrays[kind].tolist(), *parts, *boxes, strict=True):
        found.append(Sample(number, str(ids[number]), torch.from_numpy(frame[:, :height, :width]), truth, said))
    return found


def read_samples(run: RunFolder, ids: Sequence[str] | np.ndarray) -> dict[str, list[Sample]]:
    """The frames that a run kept, by gallery; {} where there are none. DataError where the file is damaged.

    ids: names of the images of the part that was evaluated last, which they are of.
    """
    file = run.file(FILE)
    if not file.exists():
        return {}
    arrays = read_npz(file)
    try:
        return {kind: samples_of(arrays, kind, ids) for kind in KINDS}
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise DataError(
            f"{file}: holds no frames with boxes ({error}); measure the run again: learnerkit evaluate {run.path}"
        ) from error


def kept_samples(run: RunFolder, part: str) -> dict[int, Sample]:
    """The frames that a run kept of a part, by their numbers in it; RunError where there are none."""
    seen = evaluation_of(run)
    samples = read_samples(run, seen.ids) if seen is not None and seen.part == part else {}
    if not samples:
        raise RunError(f"{run.path}: kept no frames of '{part}'; from_learner(load_run(...)) reads them anew")
    return {one.number: one for kind in samples.values() for one in kind}


def show_kept(run: RunFolder, part: str, numbers: Sequence[int], vocab: Sequence[str]) -> Any:
    """Draw truth and detections of images that a run kept, by their numbers in a part; vocab: class names."""
    kept = kept_samples(run, part)
    if missing := [number for number in numbers if number not in kept]:
        raise RunError(f"show_results({missing[0]}): of '{part}' the run kept the frames {sorted(kept)} alone")
    chosen = [kept[number] for number in numbers]
    rows = [[with_packed(one.colours, boxes, vocab) for boxes in (one.truth, one.sure())] for one in chosen]
    return panels(rows, ["truth", f"found (score {SCORE} and more)"])
