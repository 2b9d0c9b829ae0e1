"""Measure a finished detector on other frames: a detection set, or frames without labels."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json, sha256, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.data.block import whole
from learnerkit.data.detection import FrameSource, read_detection
from learnerkit.data.detection_block import frame_loaders
from learnerkit.data.detection_listing import is_detection
from learnerkit.data.faults import Fault, settle
from learnerkit.data.frames import SUFFIXES, check_frame
from learnerkit.ops.boxes import pack_boxes
from learnerkit.runs.detection_figures import detection_figures, draw_frames
from learnerkit.runs.figures import save_figures
from learnerkit.runs.load import load_run
from learnerkit.tasks.detection_files import write_detections, write_samples
from learnerkit.tasks.evaluate_detection import evaluate_detection, predict_frames


def is_detector(described: dict[str, Any]) -> bool:
    """Whether a run.json is of a run on frames with boxes."""
    return bool((described.get("data") or {}).get("boxes"))


def output_folder(run: RunFolder, place: Path) -> Path:
    """The folder for the evaluation of one place; another place of the same name gets one of its own."""
    target = run.file("evaluations") / place.name
    results = target / "results.json"
    if results.exists() and read_json(results).get("data") != str(place):
        target = target.with_name(f"{place.name}-{sha256(str(place).encode())[:8]}")
    target.mkdir(parents=True, exist_ok=True)
    return target


def evaluate_frames(
    run: RunFolder, described: dict[str, Any], place: Path, tta: int, codes: bool
) -> tuple[Path, dict[str, Any]]:
    """Find the boxes on other frames and, where they have labels, measure them.

    described: the run's run.json; place: a detection set, an annotation file, or a folder of frames; tta, codes: as in
        `evaluate_run`. Returns the folder written to, and the figures.
    """
    if not place.exists():
        raise DataError(f"{place}: no such file or folder")
    labelled = is_detection(place)
    data, dls_args = described["data"], (described["recipe"]["dls"] or {}).get("args", {})
    bad = dls_args.get("bad", "refuse")  # as the run took its own data
    source = read_detection(place, bad, least=0) if labelled else _frames(place, described["classes"])
    if not source.named and len(source.vocab) <= len(described["classes"]):
        source.vocab = list(described["classes"])
    if source.vocab != described["classes"]:
        raise DataError(f"{place}: its classes are {source.vocab[:5]}..., the run's {described['classes'][:5]}...")
    if source.channels != data["shape"][0]:
        raise DataError(f"{place}: its frames have {source.channels} channel(s), the run's {data['shape'][0]}")
    source.stats, source.keeps = tuple(map(tuple, data["stats"])), tuple(data["keeps"])
    source.modalities = tuple(data["modalities"])
    dls = frame_loaders(source, whole(source), data["size"], [], [], None, bs=2, drop_last=False)
    learn = load_run(run.path, data=dls, limit_batches=None)
    target = RunFolder(output_folder(run, place))
    write_json(target.file("results.json"), {"data": str(place), "images": len(source)})
    if not labelled:
        found = predict_frames(learn, np.arange(len(source)), tta)
        write_detections(target, source.ids, found, source.vocab, codes)
        nothing = pack_boxes(torch.zeros(0, 4), torch.zeros(0), 1)
        write_samples(target, source, list(range(len(source))), found, [nothing] * len(source))
        samples = read_npz(target.file("samples.npz"))
        picture = draw_frames(samples, "spread", np.array(source.ids), source.vocab, list(source.modalities))
        save_figures(target, {"predictions": picture})
        return target.path, read_json(target.file("results.json"))
    results = evaluate_detection(learn, target, ["valid"], tta, codes, shown="all")
    save_figures(target, detection_figures(target, [], source.vocab, list(source.modalities)))
    return target.path, results


def _frames(folder: Path, vocab: list[str]) -> FrameSource:
    """Frames without labels, as a set in which no image has a box."""
    files = [folder] if folder.is_file() else sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"{folder}: holds no frames (.npy, .png, .jpg, .tif) and is no detection set")
    found = [check_frame(file) for file in files]
    faults = [Fault(file.name, reason) for file, (reason, _) in zip(files, found, strict=True) if reason]
    settle(str(folder), faults, len(files), False, "remove them.")
    shapes = [tuple(map(int, digest.split()[0].split("x"))) for _, digest in found]
    if len({shape[0] for shape in shapes}) > 1:
        given = sorted({shape[0] for shape in shapes})
        raise DataError(f"{folder}: its frames have {given} channels; one number is needed")
    return FrameSource(
        folder.name,
        files,
        [file.name for file in files],
        [np.zeros((0, 4), np.float32)] * len(files),
        [np.zeros(0, np.int64)] * len(files),
        np.array([shape[1:] for shape in shapes]),
        shapes[0][0],
        list(vocab),
        np.full(len(files), ""),
        [digest for _, digest in found],
    )
