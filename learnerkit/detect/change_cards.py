"""Frames on which two detectors found other things, drawn side by side."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.detect.boxes import confident, rescale, unpack_boxes
from learnerkit.detect.changed import Paired
from learnerkit.detect.draw import channel_pictures, with_packed
from learnerkit.detect.error_kinds import RIGHT, Judged
from learnerkit.detect.error_list import SCORE
from learnerkit.detect.galleries import GAP, HIGH, WIDE
from learnerkit.detect.samples import read_samples
from learnerkit.detect.seen import FILE
from learnerkit.pages.blocks import Card, Gallery
from learnerkit.pages.changes import Changes, Loaders

TITLE = "Frames that changed"
NOTE = (
    f"Left A, right B: dashed what the run found with a score of {SCORE} and more, whole lines what it missed; a "
    "colour a class. "
)
Shown = tuple[Tensor, tuple[int, int]]  # colours uint8 [3,h,w], and height and width of the stored frame


def galleries(
    found: Changes, pair: Paired, judged: Sequence[Judged], runs: Sequence[RunFolder], most: int, dls: Loaders
) -> list[Gallery]:
    """The frames with most changes as cards, as many as are asked for and have pixels.

    judged: of both runs, on the images of `pair`.
    """
    number = Counter(row["id"] for row in found.flips)
    chosen = [name for name, _ in number.most_common(most)]
    frames = _frames(chosen, found.part, runs, dls)
    cards = [_card(name, found, pair, judged, frames[name]) for name in chosen if name in frames]
    if len(cards) < len(chosen):
        found.notes.append(
            f"{len(chosen) - len(cards):,} of {len(chosen):,} changed frames have no picture kept in either run: "
            "their names stand in flips.csv; --data DIR says where the data are"
        )
    said = f"{NOTE}{len(cards):,} of {len(number):,} such frames, most changes first; all stand in flips.csv."
    return [Gallery(f"{TITLE} ({found.part})", cards, said, wide=True)] if cards else []


def _card(name: str, found: Changes, pair: Paired, judged: Sequence[Judged], frame: Shown) -> Card:
    place = pair.ids.index(name)
    rows = [row for row in found.flips if row["id"] == name]
    lines = [line for run in "AB" if (line := _line(rows, run))]
    halves = []
    for number in (0, 1):
        seen = set(judged[number].true[(judged[number].image == place) & (judged[number].kind == RIGHT)].tolist())
        truth = pair.targets[place][pair.targets[place][:, 4] >= 0]
        missed = truth[[row not in seen for row in range(len(truth))]]
        halves.append(_half(frame, missed, confident(pair.detections[number][place], SCORE), pair.vocab))
    gap = torch.full((3, halves[0].shape[1], GAP), 255, dtype=torch.uint8)
    picture = torch.cat([halves[0], gap, halves[1]], dim=2).permute(1, 2, 0).contiguous().numpy()
    objects = len(unpack_boxes(pair.targets[place])[0])
    return Card(picture, name, (*lines, f"{objects} object{'' if objects == 1 else 's'}"))


def _line(rows: list[dict[str, Any]], run: str) -> str:
    """What one run alone has on a frame."""
    objects = sum(row["what"] == "object" and row["run"] == run for row in rows)
    false = sum(row["what"] == "false box" and row["run"] == run for row in rows)
    parts = [f"{objects} found" if objects else "", f"{false} false" if false else ""]
    return f"{run} alone: {', '.join(filter(None, parts))}" if objects or false else ""


def _half(frame: Shown, missed: Tensor, found: Tensor, vocab: list[str]) -> Tensor:
    """One run's half of the picture."""
    colours, stored = frame
    height, width = colours.shape[1:]
    scale = min((WIDE - GAP) / 2 / width, HIGH / height)
    size = max(1, round(height * scale)), max(1, int(width * scale))
    pixels = Image.fromarray(colours.permute(1, 2, 0).contiguous().numpy())
    small = torch.from_numpy(np.array(pixels.resize(size[::-1], Image.Resampling.LANCZOS))).permute(2, 0, 1)
    for boxes in (missed, found):
        small = with_packed(small, rescale(boxes, stored, size), vocab, least_side=1)
    return small


def _frames(names: Sequence[str], part: str, runs: Sequence[RunFolder], dls: Loaders) -> dict[str, Shown]:
    """Frames by their names: those that either run kept, else out of the data where they can be read."""
    held: dict[str, Shown] = {}
    for run in runs:
        held |= _kept(run, part)
    held = {name: held[name] for name in names if name in held}
    missing = [name for name in names if name not in held]
    loaders = dls() if missing else None
    if loaders is None:
        return held
    source = loaders.source
    rows = {str(name): row for row, name in enumerate(source.ids)}
    for name in missing:
        if (row := rows.get(name)) is not None:
            colours = channel_pictures(torch.from_numpy(source.frame(row)), source.colours)[0]
            held[name] = colours, tuple(source.sizes[row].tolist())
    return held


def _kept(run: RunFolder, part: str) -> dict[str, Shown]:
    """The frames of a part that a run kept, with the sizes that annotations.json says; {} where it kept none of it."""
    file = run.file("annotations.json")
    arrays = read_npz(run.file(FILE))
    if not file.exists() or not len(arrays["part"]) or arrays["part"][-1] != part:
        return {}
    sizes = {image["file_name"]: (image["height"], image["width"]) for image in read_json(file)["images"]}
    kept = read_samples(run, arrays["ids"][arrays["part"] == part])
    return {one.id: (one.colours, sizes[one.id]) for some in kept.values() for one in some if one.id in sizes}
