"""A detection set: frames of 1 to 16 channels with boxes, from YOLO labels or COCO JSON, with every fault of both."""

import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.data.checked import Checked, check_files
from learnerkit.data.copies import first_copies
from learnerkit.data.faults import Fault, accepted, check_bad, fault_lines
from learnerkit.data.hashes import told
from learnerkit.data.similar import thumbnail_of
from learnerkit.data.source import Stats, common_facts, encoded
from learnerkit.detect.data.coco import boxes_of
from learnerkit.detect.data.frames import CHECK_VERSION, check_frame, read_frame, shape_of
from learnerkit.detect.data.listing import Listed, Listing, list_detection
from learnerkit.detect.data.yolo import Boxes, read_label

TOLD_FROM = 500  # frames from which reading them shows how far it is
BAD = ("refuse", "skip", "clip")
REMEDY = (
    "go on without them: bad='skip' (--bad skip) leaves bad boxes and files out, bad='clip' also cuts boxes to the "
    "image; either way they are listed in quarantine.csv."
)


@dataclass(frozen=True)
class Frame:
    """One frame of a set, its pixels unread.

    file, name: where it lies, and how it is called; size: its height and width in pixels.
    boxes: float32 [n,4], x1 y1 x2 y2 in pixels of the stored frame; codes: int64 [n].
    part: 'train', 'valid', 'test', 'none' or ''; digest: of its content.
    """

    file: Path
    name: str
    size: tuple[int, int]
    digest: str
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    part: str = ""


@dataclass
class FrameSource:
    """Frames with boxes and class names; the pixels are read when they are asked for. See `data.source.Source`.

    name: what the set is called; frames: in the order of their names; channels: of all of them; vocab: class names.
    keeps: which views keep the classes; stats: mean and std a channel, for normalising frames in 0..1.
    quarantine: what was set aside. modalities: names of the channels behind RGB.
    named: whether the files name the classes; labelled: whether they say where the boxes are.
    notes: what had to be guessed, a line each.
    """

    name: str
    frames: list[Frame]
    channels: int
    vocab: list[str]
    named: bool = True
    keeps: tuple[str, ...] = ("mirror",)
    stats: Stats | None = None
    quarantine: list[Fault] = field(default_factory=list)
    modalities: tuple[str, ...] = ()
    labelled: bool = True
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = [frame.name for frame in self.frames]
        self.files = [frame.file for frame in self.frames]
        self.boxes, self.codes = [frame.boxes for frame in self.frames], [frame.codes for frame in self.frames]
        self.sizes = np.array([frame.size for frame in self.frames])
        self.parts = np.array([frame.part for frame in self.frames])
        if not self.modalities:
            known = ("thermal", "event") if self.channels == 5 else ()
            self.modalities = known or tuple(f"channel {n}" for n in range(self.colours, self.channels))

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def colours(self) -> int:
        """How many channels are shown as one picture: RGB, or the first where there are fewer than three."""
        return 3 if self.channels >= 3 else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, and the greatest height and width."""
        return (self.channels, *self.sizes.max(axis=0).tolist())

    @property
    def most_boxes(self) -> int:
        """Boxes of the fullest image, at least 1."""
        return max(1, *(len(boxes) for boxes in self.boxes))

    @cached_property
    def copies(self) -> np.ndarray:
        """For each frame the row of the first equal one, int64 [N]."""
        return first_copies([frame.digest for frame in self.frames])

    @cached_property
    def fingerprint(self) -> str:
        """Hash of frames, boxes, classes and names: what a resumed run compares."""
        digest = hashlib.sha256(encoded([*self.ids, *(frame.digest for frame in self.frames), *self.vocab]))
        for frame in self.frames:
            digest.update(f"{len(frame.boxes)}".encode() + frame.boxes.tobytes() + frame.codes.tobytes())
        return digest.hexdigest()[:16]

    def facts(self) -> dict[str, Any]:
        """What run.json records of the set."""
        return {**common_facts(self), "modalities": list(self.modalities)}

    def frame(self, row: int) -> np.ndarray:
        """A frame as float32 [C,H,W] in 0..1."""
        return read_frame(self.files[row])

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """Small pictures of the colours of some frames, which near copies are looked for among: uint8 [n,C,32,32]."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            small = pool.map(lambda row: thumbnail_of(self.frame(int(row))[: self.colours]), rows)
            return np.stack(list(told(small, f"looking at {len(rows):,} frames", len(rows), TOLD_FROM)))

    def measured_stats(self, rows: np.ndarray) -> Stats:
        """Mean and std per channel in 0..1 over the given rows, at most 500 of them."""
        chosen = rows[:: max(1, len(rows) // 500)]
        sums = np.zeros((3, self.channels))
        for row in chosen:
            pixels = self.frame(int(row)).reshape(self.channels, -1).astype(np.float64)
            sums += [pixels.sum(axis=1), (pixels**2).sum(axis=1), np.full(self.channels, pixels.shape[1])]
        mean = sums[0] / sums[2]
        std = np.sqrt(np.maximum(sums[1] / sums[2] - mean**2, 1e-6))
        return tuple(mean.round(4).tolist()), tuple(std.round(4).tolist())


def scan_detection(path: PathLike, clip: bool = False) -> tuple[FrameSource | None, list[Fault], int]:
    """The good frames of a set (None when there are none), every fault, and how many images there are.

    path: see `read_detection`.
    clip: cut boxes that reach past their image, and say so, instead of leaving them out.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Expected images/ and labels/, or COCO annotations (JSON).")
    listing = list_detection(path)
    faults = listing.faults
    if not listing.images:
        detail = f"\n  {fault_lines(faults)}" if faults else ""
        raise DataError(
            f"{path}: no image was found. Expected {listing.root}/images/*.npy (or .png, .jpg, .tif).{detail}"
        )
    checked = check_files([item.file for item in listing.images], check_frame, "frame", CHECK_VERSION)
    shapes = [shape_of(digest) for _, digest in checked]
    counts = Counter(shape[0] for shape in shapes if shape)
    channels = counts.most_common(1)[0][0] if counts else 0
    frames = []
    for item, found, shape in zip(listing.images, checked, shapes, strict=True):
        frame, wrong = _read_frame(item, found, shape, channels, listing, clip)
        faults += wrong
        frames += [frame] if frame is not None else []
    if not frames:
        return None, faults, len(listing.images)
    most = max((int(frame.codes.max()) for frame in frames if len(frame.codes)), default=-1)
    named = listing.vocab is not None
    vocab = listing.vocab if named else [str(code) for code in range(most + 1)]
    return FrameSource(listing.root.resolve().name, frames, channels, vocab, named), faults, len(listing.images)


def _read_frame(
    item: Listed, found: Checked, shape: tuple[int, int, int] | None, channels: int, listing: Listing, clip: bool
) -> tuple[Frame | None, list[Fault]]:
    """A frame with its boxes, None where it cannot be used, and every fault of both.

    found: what the check of its file said; shape: of the frame, None where it cannot be read; channels: of most frames.
    """
    reason, digest = found
    if shape and shape[0] != channels:
        reason = f"has {shape[0]} channel(s); most have {channels}"
    faults = [Fault(item.name, reason)] if reason else []
    size = shape[1:] if shape else (1, 1)
    boxes = _boxes(item, size, listing, clip)
    if boxes is None:
        label = f"{item.label.relative_to(listing.root)}" if item.label else ""
        lacks = f"has no label file {label}; an image without objects has an empty one"
        return None, [*faults, Fault(item.name, lacks, samples=0 if found[0] else 1)]
    if shape or item.entry is None:  # COCO's boxes mean nothing without the image's size
        faults += boxes.faults
    if reason or boxes.left_out:
        return None, faults
    return Frame(item.file, item.name, tuple(size), digest, boxes.boxes, boxes.codes, item.part), faults


def _boxes(item: Listed, size: tuple[int, ...], listing: Listing, clip: bool) -> Boxes | None:
    """The boxes of an image; None where a label file should be and is not."""
    if item.entry is not None:
        return boxes_of(item.entry, item.annotations, listing.codes, item.source, tuple(size), clip)
    if item.label is None or not item.label.exists():
        return None
    n_classes = None if listing.vocab is None else len(listing.vocab)
    return read_label(item.label, str(item.label.relative_to(listing.root)), tuple(size), n_classes, clip)


def read_detection(path: PathLike, bad: str = "refuse", least: int = 1) -> FrameSource:
    """A detection set; DataError listing every fault, unless they may be set aside.

    path: a folder with images/ and labels/, or with COCO annotations; or an annotation file.
    bad: 'refuse'; 'skip' leaves bad boxes and files out; 'clip' also cuts boxes that reach past their image.
    least: how many boxes there have to be.
    """
    check_bad(bad, BAD)
    source, faults, n = scan_detection(path, clip=bad == "clip")
    source = accepted(source, faults, n, str(path), bad, REMEDY)
    if sum(map(len, source.boxes)) < least:
        raise DataError(f"{path}: there is no box in any of its {n} images; a detector has nothing to learn from")
    return source
