"""What `verify` and `learnerkit doctor DATA` say of a detection set: faults by line, what is there, a batch tried."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from learnerkit.core.errors import LearnerkitError
from learnerkit.core.levels import Line
from learnerkit.core.members import PARTS
from learnerkit.data.faults import Fault, Report, told
from learnerkit.data.leftovers import unfinished_downloads
from learnerkit.data.near_copies import near_copies_of
from learnerkit.detect.box_facts import shorter_sides
from learnerkit.detect.data.channels import Use, complaints
from learnerkit.detect.data.deep import called_alpha
from learnerkit.detect.data.scan import BAD, scan_detection
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.dls import HELD_OUT, SHARES, FrameLoaders, frame_dls
from learnerkit.detect.learner import fitting_anchors
from learnerkit.detect.models.detector import PREFIX
from learnerkit.detect.overview import KIND, LOOKED_AT, add_overview
from learnerkit.detect.shift import Measured, draw_shift, measure_shift, shift_lines, shift_name
from learnerkit.models.create import create_model
from learnerkit.pages.data_sections import begin_section
from learnerkit.pages.examined import Examined

MOST_CLASSES = 30  # that are listed


def verify(path: Path) -> Report:
    """All faults of a detection set, and near copies across its parts."""
    source, faults, n = scan_detection(path)
    near = near_copies_of(source, default=SHARES, held_out=HELD_OUT, shuffle_valid=False)[0] if source else []
    return Report(path, KIND, n, unfinished_downloads(path) + faults, list(map(str, near)))


def examine(path: Path, bad: str = "refuse") -> Examined:
    """What there is to say of a detection set, and its pictures.

    bad: with 'skip' and 'clip' the faults are told as what would be left out and cut, and only too many are a fault.
    """
    source, faults, n = scan_detection(path, clip=bad == "clip")
    faults = unfinished_downloads(path) + faults
    lines: list[Line] = told(faults, n, str(path), bad, BAD)
    lines.append((source is not None, f"{path}: {n:,} images, {len(faults)} fault(s)"))
    if bad != "refuse" and source is not None:
        lines.append((True, _staying(faults, source, n, bad)))
    examined = begin_section(KIND, n, faults, lines)
    if source is not None:
        source.thumbnails = _read_once(source)
        measured, uses = measure_shift(source), source.uses(np.arange(len(source)), LOOKED_AT)
        examined.lines += [*((None, text) for text in source.unnamed), *_described(source, measured, uses)]
        tried, dls = _tried(source)
        examined.lines += tried
        add_overview(examined, source if dls is None else dls.source, None if dls is None else dls.split, uses)
        if measured is not None:
            drawn = partial(draw_shift, source, measured)
            names = {shift_name(name): name for name in source.modalities}
            examined.figures |= {
                file: (f"The shift of {name}", lambda file=file: drawn()[file]) for file, name in names.items()
            }
    return examined


def _read_once(source: FrameSource) -> Callable[[np.ndarray], np.ndarray]:
    """The small pictures of frames, each frame read once however often it is asked for."""
    read, small = source.thumbnails, {}

    def thumbnails(rows: np.ndarray) -> np.ndarray:
        new = np.array([row for row in rows.tolist() if row not in small], dtype=np.int64)
        if len(new):
            small.update(zip(new.tolist(), read(new), strict=True))
        return np.stack([small[row] for row in rows.tolist()])

    return thumbnails


def _staying(faults: list[Fault], source: FrameSource, n: int, bad: str) -> str:
    cut = sum(fault.reason.endswith("clipped") for fault in faults)
    boxes = sum(map(len, source.boxes))
    left = f"{len(source):,} of {n:,} images and {boxes:,} boxes stay"
    return f"with --bad {bad}: {cut} box(es) cut, {len(faults) - cut} fault(s) left out; {left}"


def _described(source: FrameSource, measured: Measured | None, uses: list[Use]) -> list[Line]:
    shift = shift_lines(source, measured)
    return [*_boxes(source), *_sizes(source), *_channels(source, uses), *shift, *_parts(source)]


def _boxes(source: FrameSource) -> list[Line]:
    counts = np.bincount(np.concatenate(source.codes), minlength=len(source.vocab)).tolist()
    negatives = sum(not len(boxes) for boxes in source.boxes)
    lines = [(True, f"{sum(counts):,} boxes; {negatives:,} image(s) without any (valid negatives)")]
    named = zip(source.vocab[:MOST_CLASSES], counts, strict=False)
    lines += [(True, f"class {name}: {count:,} boxes") for name, count in named]
    more = len(source.vocab) - MOST_CLASSES
    return lines + ([(True, f"... and {more} classes more")] if more > 0 else [])


def _sizes(source: FrameSource) -> list[Line]:
    sizes = sorted({tuple(size) for size in source.sizes.tolist()})
    first = ", ".join(f"{height}x{width}" for height, width in sizes[:5]) + (" ..." if len(sizes) > 5 else "")
    lines = [(True, f"frames of {source.channels} channel(s), {len(sizes)} size(s): {first}")]
    boxes = np.concatenate(source.boxes)
    if len(boxes):
        low, middle, high = np.percentile(shorter_sides(boxes), [0, 50, 100])
        lines.append((True, f"shorter side of a box: {low:.1f} to {high:.1f} pixels, median {middle:.1f}"))
    return lines


def _channels(source: FrameSource, uses: list[Use]) -> list[Line]:
    """The range of each channel over some frames, and a warning of what is wrong with one."""
    lines: list[Line] = [
        (True, f"{name}: {use.low:.3f} to {use.high:.3f} of its range, mean {use.mean:.3f}")
        for name, use in zip(source.channel_names, uses, strict=True)
    ]
    said = [*called_alpha(source.frames[0].files[0]), *complaints(uses, source.channel_names, source.colours)]
    return lines + [(None, text) for text in said]


def _parts(source: FrameSource) -> list[Line]:
    inside = np.isin(source.parts, PARTS)
    if not inside.any():
        return []
    counts = ", ".join(f"{int((source.parts == part).sum())} {part}" for part in PARTS)
    outside = int((~inside).sum())
    return [(True, f"parts by its files: {counts}" + (f"; {outside} image(s) in none" if outside else ""))]


def _tried(source: FrameSource) -> tuple[list[Line], FrameLoaders | None]:
    """A forward and backward pass of a small detector on one batch of the loader, and what the loaders warn of.

    With the loaders of whole frames, None where there are none.
    """
    told: set[str] = set()
    dls = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            lines, dls = _passed(source, told)
        except LearnerkitError as error:
            lines = [(False, str(error))]
    said = dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning)
    return [(None, text) for text in said if text not in told] + lines, dls


def _passed(source: FrameSource, told: set[str]) -> tuple[list[Line], FrameLoaders]:
    """The pass itself; told: is given what the loaders say of channels, which stands in the lines already."""
    dls = frame_dls(source, bs=1, size=min(160, int(source.sizes.max())), num_workers=0)
    told |= {f"{source.name}: {note}" for note in dls.source.notes if note not in source.notes}
    anchors = fitting_anchors(dls)
    frames, sizes, targets = (part.as_subclass(torch.Tensor) for part in dls.train.one_batch())
    model = create_model(f"{PREFIX}mit_b0", source.channels, len(source.vocab), anchors=anchors)
    loss = sum(model.to(frames.device).train()(frames, sizes, targets)[1].values())
    loss.backward()
    full = frame_dls(source, bs=1)
    if not torch.isfinite(loss):
        return [(False, f"the loss of a batch is {loss.item()}")], full
    dealt = f"parts {full.split.counts} by {full.split.by}"
    return [(True, f"{dealt}; anchors that fit: {fitting_anchors(full)}; a batch through mit_b0")], full
