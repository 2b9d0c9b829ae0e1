"""What one detection came from: the share of each modality, and a map for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit._fastai import Learner
from learnerkit.core.errors import DataError, ModelError
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.detect.boxes import confident, scores_of
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.draw import channel_pictures
from learnerkit.detect.models.detector import Detector
from learnerkit.explain.paths import integrated_gradients
from learnerkit.explain.shapley import filled_in, shapley_values, shares_of
from learnerkit.models.inputs import name_of
from learnerkit.models.mode import in_mode

Groups = dict[str, list[int]]  # of channels, by the names of the modalities


@dataclass(frozen=True)
class ExplainedBox:
    """One detection and what it came from.

    box: x1, y1, x2, y2 in pixels of the frame as the model sees it [4]; code: its class; score: of the detection.
    names: of the modalities; contributions: what the object's pixels in each add to the log-odds of the class [M].
    shares: of what speaks for it, 0 to 1 [M], not a number where nothing does; maps: of each modality [M,H,W], signed.
    """

    box: Tensor
    code: int
    score: float
    names: tuple[str, ...]
    contributions: Tensor
    shares: Tensor
    maps: Tensor | None = None


def box_scores(model: nn.Module, frames: Tensor, rows: Tensor) -> Tensor:
    """The log-odds of a class for what is inside a box, one for each frame [B].

    model: a detector; frames: [B,C,H,W] as it takes them; rows: boxes and their classes [B,5], detections [B,6] too.
    """
    if not isinstance(model, Detector):
        raise ModelError(f"{name_of(model)}: is no detector; what a classifier looks at is explained by gradcam(...)")
    logits = model.box_logits(frames, rows[:, :4])
    own = rows[:, 4:5].long() + 1  # the first is the background
    others = logits.scatter(1, own, float("-inf")).logsumexp(dim=1)
    return logits.gather(1, own)[:, 0] - others


@checked
def explain_detection(
    model: nn.Module, frame: Tensor, row: Tensor, groups: Groups, maps: bool = True, n_steps: AtLeastOne | None = 32
) -> ExplainedBox:
    """How much of one detection came from each modality, and where.

    model: a detector; frame: [C,H,W] as it takes it, without padding.
    row: box, class and score [6], one of the detections, or box and class [5] of one's own.
    groups: the channels of each modality, by its name, such as {'RGB': [0, 1, 2], 'thermal': [3]}.
    maps: whether the maps are made, by integrated gradients (extra `explain`) of so many points.

    The contributions are Shapley values of the class's log-odds in that box: with every set of modalities the object is
    erased from the others, its box filled in from the border. The maps' path begins at the object erased from all.
    """
    _check(frame, row, groups)
    frames, rows, channels = frame[None], row[None].to(frame), list(groups.values())
    everywhere = [channel for group in channels for channel in group]

    def value(present: frozenset[int]) -> Tensor:
        absent = [channel for number, group in enumerate(channels) if number not in present for channel in group]
        shown = filled_in(frames, rows[:, :4], absent) if absent else frames
        return box_scores(model, shown, rows)

    with in_mode(model, training=False), torch.no_grad():
        contributions = shapley_values(value, len(channels))[0].cpu()
    found = None
    if maps:
        erased = filled_in(frames, rows[:, :4], everywhere)
        pixels = integrated_gradients(model, frames, rows, box_scores, erased, n_steps, bs=4)[0].cpu()
        found = torch.stack([pixels[group].sum(dim=0) for group in channels])
    score = float(row[5]) if len(row) > 5 else float("nan")
    names, shares = tuple(groups), shares_of(contributions)
    return ExplainedBox(row[:4].cpu(), int(row[4]), score, names, contributions, shares, found)


def modality_groups(source: FrameSource) -> Groups:
    """The channels of each modality of a set: its colours together, then each further channel."""
    colours = "RGB" if source.colours == 3 else "channel 0"
    groups = {colours: list(range(source.colours))}
    return groups | {name: [source.colours + number] for number, name in enumerate(source.modalities)}


def frame_of(learn: Learner, item: Any) -> tuple[Tensor, list[np.ndarray]]:
    """One frame [C,H,W] as the model takes it, and a picture uint8 [3,H,W] of each modality of it.

    item: of the learner's loaders, such as the frame's row.
    """
    dl = learn.dls.test_dl([item], bs=1)
    batch = dl.one_batch()
    frames, sizes = (part.as_subclass(Tensor) for part in batch[:2])
    height, width = (int(side) for side in sizes[0].tolist())
    shown = dl.decode(batch[:2])[0].as_subclass(Tensor)[0, :, :height, :width].cpu()
    pictures = [picture.numpy() for picture in channel_pictures(shown, learn.dls.source.colours)]
    return frames[0, :, :height, :width].to(next(learn.model.parameters()).device), pictures


def detections_of(model: nn.Module, frame: Tensor) -> Tensor:
    """The detections of one frame [C,H,W], best first [D,6]."""
    with in_mode(model, training=False), torch.no_grad():
        return model(frame[None])[0]


def best_detections(found: Tensor, name: str, score: float, most: int) -> Tensor:
    """The best of one frame's detections [D,6] of at least a score; DataError says it where there is none.

    name: of the frame, for the message; most: how many.
    """
    if len(chosen := confident(found, score)[:most]):
        return chosen
    scores = scores_of(found)
    best = f"; the best has {float(scores.max()):.2f}" if len(scores) else ""
    raise DataError(
        f"{name}: no detection of a score of {score:g} or more{best}; take a lower score, another frame, or explain a "
        "box of your own: explain_detection(model, frame, torch.tensor([x1, y1, x2, y2, class]), groups)"
    )


def _check(frame: Tensor, row: Tensor, groups: Groups) -> None:
    """DataError where a frame, a row and groups of channels do not fit."""
    if frame.ndim != 3:
        raise DataError(f"frame: of shape {list(frame.shape)}; one frame [C,H,W] is needed, as the model takes it")
    if row.ndim != 1 or len(row) not in (5, 6) or row[4] < 0 or row[2] <= row[0] or row[3] <= row[1]:
        raise DataError(f"row: {row.tolist()}; one box x1, y1, x2, y2 and its class are needed")
    given = [channel for group in groups.values() for channel in group]
    if not given or len(set(given)) < len(given) or not all(0 <= channel < len(frame) for channel in given):
        raise DataError(f"groups: {dict(groups)}; each channel, of 0 to {len(frame) - 1}, once and in one modality")


def facts(found: ExplainedBox, frame: str, vocab: Sequence[str]) -> dict[str, Any]:
    """A row of detections.csv."""
    row = {"frame": frame, "class": vocab[found.code], "score": round(found.score, 4)}
    row |= {
        f"{side}": round(value, 1) for side, value in zip(("x1", "y1", "x2", "y2"), found.box.tolist(), strict=True)
    }
    for name, share, value in zip(found.names, found.shares.tolist(), found.contributions.tolist(), strict=True):
        row |= {f"share_{name}": share, f"contribution_{name}": value}
    return row
