"""A detection set: frames of 1 to 16 channels with boxes, from YOLO labels or COCO JSON, with every fault of both."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.box_labels import Boxes, read_label
from learnerkit.data.checked import check_files
from learnerkit.data.coco_labels import boxes_of
from learnerkit.data.copies import first_copies
from learnerkit.data.detection_listing import Listed, Listing, list_detection
from learnerkit.data.faults import Fault, settle
from learnerkit.data.faults import listed as text_of
from learnerkit.data.frames import CHECK_VERSION, check_frame, read_frame
from learnerkit.data.source import encoded

REMEDY = (
    "go on without them: bad='skip' (--bad skip) leaves bad boxes and files out, bad='clip' also cuts boxes to the "
    "image; either way they are listed in quarantine.csv."
)


@dataclass
class FrameSource:
    """Frames with boxes and class names; the frames are read when they are asked for.

    name: what the set is called; files, ids: a path and a name each.
    boxes: float32 [n,4] each, x1 y1 x2 y2 in pixels of the stored frame; codes: int64 [n] each.
    sizes: height and width of each frame; channels: of all of them. vocab: class names.
    parts: 'train', 'valid', 'test' or '' each; digests: of each frame's content.
    keeps: which views keep the classes; stats: mean and std a channel, for normalising frames in 0..1.
    quarantine: what was set aside. modalities: names of the channels behind
        RGB. named: whether the files name the classes.
    """

    name: str
    files: list[Path]
    ids: list[str]
    boxes: list[np.ndarray]
    codes: list[np.ndarray]
    sizes: np.ndarray
    channels: int
    vocab: list[str]
    parts: np.ndarray
    digests: list[str]
    keeps: tuple[str, ...] = ("mirror",)
    stats: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    quarantine: list[Fault] = field(default_factory=list)
    modalities: tuple[str, ...] = ()
    named: bool = True

    def __post_init__(self) -> None:
        if not self.modalities:
            known = ("thermal", "event") if self.channels == 5 else ()
            self.modalities = known or tuple(f"channel {n}" for n in range(self.colours, self.channels))

    def __len__(self) -> int:
        return len(self.files)

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
        return first_copies(self.digests)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of frames, boxes, classes and names: what a resumed run compares."""
        digest = hashlib.sha256(encoded([*self.ids, *self.digests, *self.vocab]))
        for boxes, codes in zip(self.boxes, self.codes, strict=True):
            digest.update(f"{len(boxes)}".encode() + boxes.tobytes() + codes.tobytes())
        return digest.hexdigest()[:16]

    def frame(self, row: int) -> np.ndarray:
        """A frame as float32 [C,H,W] in 0..1."""
        return read_frame(self.files[row])

    def measured_stats(self, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std per channel in 0..1 over the given rows, at most 500 of them."""
        chosen = rows[:: max(1, len(rows) // 500)]
        sums = np.zeros((3, self.channels))
        for row in chosen:
            pixels = self.frame(int(row)).reshape(self.channels, -1).astype(np.float64)
            sums += [pixels.sum(axis=1), (pixels**2).sum(axis=1), np.full(self.channels, pixels.shape[1])]
        mean = sums[0] / sums[2]
        std = np.sqrt(np.maximum(sums[1] / sums[2] - mean**2, 1e-6))
        return tuple(mean.round(4).tolist()), tuple(std.round(4).tolist())


def scan_detection(path: Path, clip: bool = False) -> tuple[FrameSource | None, list[Fault], int]:
    """The good frames of a set (None when there are none), every fault, and how many images there are.

    path: see `read_detection`.
    clip: cut boxes that reach past their image, and say so, instead of leaving them out.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Expected images/ and labels/, or COCO annotations (JSON).")
    listing = list_detection(path)
    root, listed, vocab, faults = listing.root, listing.images, listing.vocab, listing.faults
    if not listed:
        detail = f"\n  {text_of(faults)}" if faults else ""
        raise DataError(f"{path}: no image was found. Expected {root}/images/*.npy (or .png, .jpg, .tif).{detail}")
    found = check_files([item.file for item in listed], check_frame, "frame", CHECK_VERSION)
    shapes = [tuple(map(int, digest.split()[0].split("x"))) if digest else None for _, digest in found]
    counts = Counter(shape[0] for shape in shapes if shape)
    channels = counts.most_common(1)[0][0] if counts else 0
    kept: list[tuple[Listed, Boxes, tuple[int, ...], str]] = []
    for item, (reason, digest), shape in zip(listed, found, shapes, strict=True):
        if reason:
            faults.append(Fault(item.name, reason))
        elif shape[0] != channels:
            faults.append(Fault(item.name, f"has {shape[0]} channel(s); most have {channels}"))
        size = shape[1:] if shape else (1, 1)
        boxes = _boxes(item, size, listing, clip)
        if boxes is None:
            kind = f"{item.label.relative_to(root)}" if item.label else ""
            lacks = f"has no label file {kind}; an image without objects has an empty one"
            faults.append(Fault(item.name, lacks, samples=0 if reason else 1))
            continue
        if shape or item.entry is None:  # COCO's boxes mean nothing without the image's size
            faults += boxes.faults
        if not reason and shape[0] == channels and not boxes.left_out:
            kept.append((item, boxes, shape, digest))
    if not kept:
        return None, faults, len(listed)
    most = max((int(boxes.codes.max()) for _, boxes, _, _ in kept if len(boxes.codes)), default=-1)
    source = FrameSource(
        root.resolve().name,
        [item.file for item, *_ in kept],
        [item.name for item, *_ in kept],
        [boxes.boxes for _, boxes, _, _ in kept],
        [boxes.codes for _, boxes, _, _ in kept],
        np.array([shape[1:] for _, _, shape, _ in kept]),
        channels,
        vocab if vocab is not None else [str(code) for code in range(most + 1)],
        np.array([item.part for item, *_ in kept]),
        [digest for *_, digest in kept],
        named=vocab is not None,
    )
    return source, faults, len(listed)


def read_detection(path: Path, bad: str = "refuse", least: int = 1) -> FrameSource:
    """A detection set; DataError listing every fault, unless they may be set aside.

    path: a folder with images/ and labels/, or with COCO annotations; or an annotation file.
    bad: 'refuse'; 'skip' leaves bad boxes and files out; 'clip' also cuts boxes that reach past their image.
    least: how many boxes there have to be.
    """
    source, faults, n = scan_detection(path, clip=bad == "clip")
    settle(str(path), faults, n, bad != "refuse" and source is not None, REMEDY)
    source.quarantine = faults
    if sum(map(len, source.boxes)) < least:
        raise DataError(f"{path}: there is no box in any of its {n} images; a detector has nothing to learn from")
    return source


def _boxes(item: Listed, size: tuple[int, ...], listing: Listing, clip: bool) -> Boxes | None:
    """The boxes of an image; None where a label file should be and is not."""
    if item.entry is not None:
        return boxes_of(item.entry, item.annotations, listing.codes, item.source, tuple(size), clip)
    if item.label is None or not item.label.exists():
        return None
    n_classes = None if listing.vocab is None else len(listing.vocab)
    return read_label(item.label, str(item.label.relative_to(listing.root)), tuple(size), n_classes, clip)
