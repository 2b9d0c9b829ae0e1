"""What `verify` and `learnerkit doctor DATA` say of a detection set: faults by line, what is there, a batch tried."""

from pathlib import Path

import numpy as np
import torch

from learnerkit.core.errors import LearnerkitError
from learnerkit.data.faults import Fault, Report, refuse_faults
from learnerkit.detect.data.source import FrameSource, scan_detection
from learnerkit.detect.dls import frame_dls
from learnerkit.detect.learner import fitting_anchors
from learnerkit.detect.models.detector import PREFIX
from learnerkit.models.create import create_model
from learnerkit.task import Line

LOOKED_AT = 50  # frames whose channels are measured


def verify(path: Path) -> Report:
    """All faults of a detection set."""
    _, faults, n = scan_detection(path)
    return Report(path, "detection set", n, faults)


def examine(path: Path, bad: str = "refuse") -> list[Line]:
    """Lines of (good, text) about a detection set.

    bad: with 'skip' and 'clip' the faults are told as what would be left out and cut, and only too many are a fault.
    """
    source, faults, n = scan_detection(path, clip=bad == "clip")
    lines = [(bad != "refuse", str(fault)) for fault in faults]
    try:
        if bad != "refuse" and source is not None:
            refuse_faults(str(path), faults, n, bad)
    except LearnerkitError as error:
        lines.append((False, str(error).splitlines()[0]))
    lines.append((source is not None, f"{path}: {n:,} images, {len(faults)} fault(s)"))
    if bad != "refuse" and source is not None:
        lines.append((True, _told(faults, source, n, bad)))
    return lines if source is None else lines + _described(source) + _tried(source)


def _told(faults: list[Fault], source: FrameSource, n: int, bad: str) -> str:
    cut = sum(fault.reason.endswith("clipped") for fault in faults)
    boxes = sum(map(len, source.boxes))
    left = f"{len(source):,} of {n:,} images and {boxes:,} boxes stay"
    return f"with --bad {bad}: {cut} box(es) cut, {len(faults) - cut} fault(s) left out; {left}"


def _described(source: FrameSource) -> list[Line]:
    counts = np.bincount(np.concatenate(source.codes), minlength=len(source.vocab))
    negatives = sum(not len(boxes) for boxes in source.boxes)
    lines = [(True, f"{int(counts.sum()):,} boxes; {negatives:,} image(s) without any (valid negatives)")]
    for name, count in list(zip(source.vocab, counts.tolist(), strict=True))[:30]:
        lines.append((True, f"class {name}: {count:,} boxes"))
    sizes = sorted({tuple(size) for size in source.sizes.tolist()})
    first = ", ".join(f"{height}x{width}" for height, width in sizes[:5]) + (" ..." if len(sizes) > 5 else "")
    lines.append((True, f"frames of {source.channels} channel(s), {len(sizes)} size(s): {first}"))
    boxes = np.concatenate(source.boxes)
    if len(boxes):
        least = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        low, middle, high = np.percentile(least, [0, 50, 100])
        lines.append((True, f"shorter side of a box: {low:.1f} to {high:.1f} pixels, median {middle:.1f}"))
    rows = range(0, len(source), max(1, len(source) // LOOKED_AT))
    values = np.array(
        [[f(channel) for channel in source.frame(row) for f in (np.min, np.max, np.mean)] for row in rows]
    )
    colours = ("red", "green", "blue") if source.colours == 3 else ("channel 0",)
    for number, name in enumerate((*colours, *source.modalities)):
        low, high, mean = values[:, 3 * number].min(), values[:, 3 * number + 1].max(), values[:, 3 * number + 2].mean()
        text = f"{name}: {low:.3f} to {high:.3f} of its range, mean {mean:.3f}"
        lines.append(
            (bool(high > low), text if high > low else text + "; it is the same everywhere, a sensor that was off?")
        )
    parts = {part: int((source.parts == part).sum()) for part in ("train", "valid", "test", "none")}
    if any(parts[part] for part in ("train", "valid", "test")):
        outside = f"; {parts['none']} image(s) in none" if parts["none"] else ""
        lines.append(
            (True, f"parts by its files: {parts['train']} train, {parts['valid']} valid, {parts['test']} test{outside}")
        )
    return lines


def _tried(source: FrameSource) -> list[Line]:
    """A forward and backward pass of a small detector on one batch of the loader."""
    try:
        dls = frame_dls(source, bs=1, size=min(160, int(source.sizes.max())), num_workers=0)
        anchors = fitting_anchors(dls)
        frames, sizes, targets = (part.as_subclass(torch.Tensor) for part in dls.train.one_batch())
        model = create_model(f"{PREFIX}mit_b0", source.channels, len(source.vocab), anchors=anchors)
        loss = sum(model.train()(frames, sizes, targets)[1].values())
        loss.backward()
    except LearnerkitError as error:
        return [(False, str(error))]
    if not torch.isfinite(loss):
        return [(False, f"the loss of a batch is {loss.item()}")]
    full = frame_dls(source, bs=1)
    return [(True, f"parts {full.split.counts}; anchors that fit: {fitting_anchors(full)}; a batch through mit_b0")]
