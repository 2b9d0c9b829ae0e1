"""Measure a finished detector on other frames: a detection set, or frames without labels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learnerkit.core.errors import DataError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.data.faults import Fault, refuse_faults
from learnerkit.data.loaders import whole
from learnerkit.data.source import like_run, meant_part
from learnerkit.data.walk import files_in
from learnerkit.detect.boxes import pack_boxes
from learnerkit.detect.data.frames import SUFFIXES, check_frame, shape_of
from learnerkit.detect.data.listing import is_detection
from learnerkit.detect.data.scan import read_detection
from learnerkit.detect.data.source import Frame, FrameSource
from learnerkit.detect.dls import FrameLoaders, frame_loaders
from learnerkit.detect.evaluate import evaluate, predict_frames
from learnerkit.detect.figures import draw_frames, figures
from learnerkit.detect.files import write_detections, write_samples
from learnerkit.detect.learner import DetectionLearner
from learnerkit.detect.seen import read_evaluation
from learnerkit.pages.figure import save_figures


def open_other(path: Path, described: dict[str, Any]) -> FrameLoaders:
    """DataLoaders of other frames, with the classes, size and statistics of a run's own set.

    path: a detection set, of whose parts the test part is meant, an annotation file, or a folder of frames.
    described: the run's run.json.
    """
    data, taken = described["data"], (described["recipe"]["dls"] or {}).get("args", {})
    same = {key: taken[key] for key in ("bad", "unlabelled", "polygons") if key in taken}  # as the run's own data
    source = read_detection(path, least=0, **same) if is_detection(path) else read_frames(path, described["classes"])
    if not source.named and len(source.vocab) <= len(described["classes"]):
        source.vocab = list(described["classes"])
    elif source.named and source.vocab != described["classes"]:
        source = by_name(source, path, described["classes"])
    source = meant_part(like_run(source, path, described, fixed=1))
    for note in source.notes:
        warn(f"{source.name}: {note}")
    source.modalities = tuple(data["modalities"])
    source.stretch = tuple(map(tuple, data["stretch"])) if data.get("stretch") else None
    return frame_loaders(source, whole(source), data["size"], bs=2, drop_last=False)


def by_name(source: FrameSource, path: Path, vocab: list[str]) -> FrameSource:
    """The set with its classes numbered as a run's are; DataError names those that the run does not know."""
    strange = [name for name in source.vocab if name not in vocab]
    if strange:
        raise DataError(f"{path}: its class(es) {some(strange)} are not among the run's: {some(vocab, 10)}")
    numbers = np.array([vocab.index(name) for name in source.vocab])
    frames = []
    for frame in source.frames:
        ignored = frame.ignored.copy()
        ignored[:, 4] = numbers[ignored[:, 4].astype(int)]
        frames.append(replace(frame, codes=numbers[frame.codes], ignored=ignored))
    return replace(source, frames=frames, vocab=list(vocab))


def evaluate_other(learn: DetectionLearner, target: RunFolder, tta: int = 0, codes: bool = False) -> dict[str, Any]:
    """Find the boxes on the whole of a learner's set and, where it has labels, measure them.

    target: the folder of what is written; tta, codes: as in `evaluate`.
    Returns what results.json holds.
    """
    source = learn.dls.source
    results = target.write_results({"images": len(source)})
    if source.labelled:
        results = evaluate(learn, target, ["valid"], tta, codes, name="all")
        seen = read_evaluation(target, source.vocab, list(source.modalities))
        save_figures(target, figures(seen, target, []))
        return results
    found = predict_frames(learn, np.arange(len(source)), tta)
    write_detections(target, source.ids, found, source.vocab, codes)
    nothing = pack_boxes(torch.zeros(0, 4), torch.zeros(0), 1)
    write_samples(target, source, list(range(len(source))), found, [nothing] * len(source))
    samples = read_npz(target.file("samples.npz"))
    picture = draw_frames(samples, "spread", np.array(source.ids), source.vocab, list(source.modalities))
    save_figures(target, {"predictions": picture})
    return results


def read_frames(folder: Path, vocab: list[str]) -> FrameSource:
    """Frames without labels, as a set in which no image has a box."""
    files = [folder] if folder.is_file() else files_in(folder, SUFFIXES)
    if not files:
        raise DataError(f"{folder}: holds no frames (.npy, .png, .jpg, .tif) and is no detection set")
    found = [check_frame(file) for file in files]
    faults = [Fault(file.name, reason) for file, (reason, _) in zip(files, found, strict=True) if reason]
    refuse_faults(str(folder), faults, len(files), remedy="remove them.")
    shapes = [shape_of(digest) for _, digest in found]
    given = sorted({shape[0] for shape in shapes})
    if len(given) > 1:
        raise DataError(f"{folder}: its frames have {given} channels; one number is needed")
    frames = [
        Frame((file,), file.name, shape[1:], digest)
        for file, shape, (_, digest) in zip(files, shapes, found, strict=True)
    ]
    return FrameSource(folder.name, frames, given[0], list(vocab), labelled=False)
