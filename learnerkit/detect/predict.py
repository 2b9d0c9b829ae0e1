"""Boxes on frames without labels: in pixels of each frame as it is stored, as a table, as COCO has them, and drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from learnerkit.core.errors import RecipeError
from learnerkit.core.files import atomic_write, made_folder, to_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import some
from learnerkit.data.inputs import FACTS, Inputs, Sample, Wanted, files_or_error, inputs_below, tell_left_out
from learnerkit.data.loaders import whole
from learnerkit.data.split import evenly
from learnerkit.detect.boxes import scores_of, unpack_boxes
from learnerkit.detect.data.frames import KINDS, SUFFIXES, check_frame, check_modality, shape_of
from learnerkit.detect.data.loader import SHOWN_FROM
from learnerkit.detect.data.modalities import modality_folders
from learnerkit.detect.data.source import Frame, FrameSource
from learnerkit.detect.data.transforms import resized
from learnerkit.detect.dls import FrameLoaders, frame_loaders
from learnerkit.detect.draw import channel_pictures, with_boxes
from learnerkit.detect.evaluate import predict_frames
from learnerkit.detect.files import coco_truth, write_detections
from learnerkit.detect.learner import DetectionLearner

BLOCK = 32  # frames that are predicted at a time


class BlankFrames(FrameSource):
    """A set of one black frame, in place of frames that are not needed."""

    is_blank = True

    def stored(self, row: int) -> np.ndarray:
        """The frame, float32 [C,H,W]."""
        return np.zeros((self.channels, *self.frames[row].size), np.float32)


def frames_in(path: Path) -> list[Sample]:
    """The frames of a folder and below it, one of each name in folders of modalities (rgb/, thermal/), or one file."""
    if not path.is_dir():
        return [path]
    folders = [folder for folder in modality_folders(path).values() if not (folder / FACTS).is_file()]
    if len(folders) > 1:
        files = [{str(file.relative_to(folder).with_suffix("")): file for file in inputs_below(folder, SUFFIXES)}
                 for folder in folders]  # fmt: skip
        return [tuple(found[key] for found in files if key in found) for key in files[0]]
    files = inputs_below(path, SUFFIXES)
    taken = set(files)
    tell_left_out(path, [file for file in inputs_below(path) if file not in taken], "no frames")
    return files_or_error(path, files, f"frames ({KINDS})")


def blank_dls(described: dict[str, Any]) -> FrameLoaders:
    """DataLoaders of one black frame, as a run's own were made: its learner then predicts without its data.

    described: the run's run.json.
    """
    return _loaders([Frame((Path("blank"),), "blank", (32, 32), "")], described, BlankFrames)


def preprocessing(data: dict[str, Any]) -> dict[str, Any]:
    """What is done to a frame before the model takes it.

    data: of a run's run.json.
    """
    channels, *size = data["shape"]
    mean, std = data["stats"]
    return {
        "channels": [*(("red", "green", "blue") if channels >= 3 else ("channel 0",)), *data["modalities"]],
        "range": [0, 1],
        "stretch": data.get("stretch"),
        "longer_side": data["size"],
        "mean": list(mean),
        "std": list(std),
        "shape": [channels, *resized(tuple(size), data["size"])],
        "layout": "NCHW",
        "dtype": "float32",
    }


def _loaders(frames: list[Frame], described: dict[str, Any], kind: type[FrameSource] = FrameSource) -> FrameLoaders:
    data, vocab = described["data"], list(described["classes"])
    source = kind("frames", frames, data["shape"][0], vocab, labelled=False, modalities=tuple(data["modalities"]))
    source.stats, source.keeps = tuple(map(tuple, data["stats"])), tuple(data["keeps"])
    source.stretch = tuple(map(tuple, data["stretch"])) if data.get("stretch") else None
    return frame_loaders(source, whole(source), data["size"], bs=2, drop_last=False)


def predict(
    learn: DetectionLearner, described: dict[str, Any], inputs: Inputs, wanted: Wanted, target: RunFolder
) -> dict[str, Any]:
    """Predict frames, some at a time, into predictions.csv, predictions.json, images.json and pictures of a folder.

    described: the run's run.json; wanted: see `data.inputs`.
    Returns what is told of them.
    """
    if wanted.until is not None:
        raise RecipeError(f"until={wanted.until}: is for classes; the boxes of both views of a frame are merged")
    frames: list[Frame] = []
    found: list[Tensor] = []
    for places in inputs.blocks(BLOCK):
        good = [frame for place in places if (frame := _frame(inputs, place, learn.dls.source)) is not None]
        if good and inputs.goes_on:
            learn.dls = _loaders(good, described)
            seen = predict_frames(learn, np.arange(len(good)), wanted.tta)
            found += [rows[rows[:, 4] >= 0].clone() for rows in seen]
            frames += good
    inputs.settle()
    source = _loaders(frames, described).source
    write_detections(target, source.ids, found, source.vocab, wanted.codes)
    atomic_write(target.file("images.json"), to_json(coco_truth(source, list(range(len(source))))))
    drawn = evenly(len(source), wanted.drawn).tolist() if wanted.drawn else []
    for row in drawn:
        draw(source, row, found[row], made_folder(target.file("pictures")))
    empty = sum(not len(rows) for rows in found)
    boxes = sum(map(len, found))
    return {"samples": len(frames), "boxes": boxes, "frames_without_boxes": empty, "drawn": len(drawn)}


def _frame(inputs: Inputs, place: int, like: FrameSource) -> Frame | None:
    """A frame of the files of a sample; None where they cannot be one of the set's kind, which is entered."""
    sample = inputs.samples[place]
    files = sample if isinstance(sample, tuple) else (sample,)
    checks = [check_frame(files[0]), *map(check_modality, files[1:])]
    if wrong := [f"{file.name}: {reason}" for file, (reason, _) in zip(files, checks, strict=True) if reason]:
        inputs.left_out(place, "; ".join(wrong) if len(files) > 1 else checks[0][0])
        return None
    shapes = [shape_of(digest) for _, digest in checks]
    channels, sizes = shapes[0][0] + len(files) - 1, {shape[1:] for shape in shapes}
    if len(sizes) > 1:
        inputs.left_out(place, f"its modalities have several sizes: {some(sorted(sizes))}")
    elif channels != like.channels:
        names = ", ".join(like.channel_names)
        inputs.left_out(place, f"has {channels} channel(s); {like.channels} are needed ({names})")
    else:
        return Frame(tuple(files), inputs.ids[place], shapes[0][1:], "")
    return None


def draw(source: FrameSource, row: int, found: Tensor, folder: Path) -> Path:
    """Draw a frame's boxes with a score of .3 and more into a file of its name in a folder."""
    found = found[found[:, 5] >= SHOWN_FROM]
    boxes, codes = unpack_boxes(found)
    scores = scores_of(found).tolist()
    texts = [f"{source.vocab[code]} {score:.2f}" for code, score in zip(codes.tolist(), scores, strict=True)]
    colours = channel_pictures(torch.from_numpy(source.frame(row)), source.colours)[0]
    picture = with_boxes(colours, boxes, texts, "red").permute(1, 2, 0).numpy()
    file = folder / f"{source.ids[row].replace('/', '-')}.png"
    Image.fromarray(picture).save(file)
    return file
