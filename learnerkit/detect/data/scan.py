"""From a path to a detection set: every image and every box looked at once, every fault named."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.text import some
from learnerkit.data.checked import Checked, check_files
from learnerkit.data.faults import Fault, accepted, check_bad, fault_lines
from learnerkit.detect.data.frames import CHECK_VERSION, check_frame, check_modality, shape_of
from learnerkit.detect.data.gather import Boxes, no_boxes
from learnerkit.detect.data.listing import EXPECTED, list_detection
from learnerkit.detect.data.source import Frame, FrameSource
from learnerkit.detect.data.table import Listed, Listing

BAD = ("refuse", "skip", "clip")
UNLABELLED = ("refuse", "background", "skip")
REMEDY = (
    "go on without them: bad='skip' (--bad skip) leaves bad boxes and files out, bad='clip' also cuts boxes to the "
    "image; either way they are listed in quarantine.csv."
)


@dataclass(frozen=True)
class Scanned:
    """What a file check said of one image: why it cannot be used ('' where it can), its shape, and its digest."""

    reason: str
    shape: tuple[int, int, int] | None
    digest: str


def scan_detection(
    path: PathLike, clip: bool = False, unlabelled: str = "refuse", polygons: bool = False
) -> tuple[FrameSource | None, list[Fault], int]:
    """The good frames of a set (None when there are none), every fault, and how many images there are.

    path: see `read_detection`.
    clip: cut boxes that reach past their image, and say so, instead of leaving them out.
    unlabelled, polygons: see `read_detection`.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(
            f"{path}: no such file or folder. Expected {EXPECTED}. `learnerkit demo detection` makes scenes of digits."
        )
    listing = list_detection(path, polygons)
    faults = listing.faults
    if not listing.images:
        detail = f"\n  {fault_lines(faults)}" if faults else ""
        raise DataError(
            f"{path}: no image was found. Expected {listing.root}/images/*.npy (or .png, .jpg, .tif).{detail}"
        )
    scanned = _scan_files(listing)
    counts = Counter(found.shape[0] for found in scanned if found.shape)
    channels = counts.most_common(1)[0][0] if counts else 0
    frames, without = [], []
    for item, found in zip(listing.images, scanned, strict=True):
        frame, wrong = _read_frame(item, found, channels, clip, unlabelled)
        faults += wrong
        frames += [frame] if frame is not None else []
        without += [item.name] if frame is None and not wrong else []
    if not frames:
        return None, faults, len(listing.images)
    source = _source(listing, frames, channels)
    if without:
        source.notes.append(f"{len(without):,} image(s) without a label file left out: {some(without)}")
    return source, faults, len(listing.images)


def _source(listing: Listing, frames: list[Frame], channels: int) -> FrameSource:
    most = max((int(frame.codes.max()) for frame in frames if len(frame.codes)), default=-1)
    named, notes = listing.vocab is not None, list(listing.notes)
    vocab = listing.vocab if named else [str(code) for code in range(most + 1)]
    behind = channels - 3 if channels >= 3 else channels - 1
    modalities = listing.modalities[1:] if len(listing.modalities) - 1 == behind else ()
    return FrameSource(
        listing.root.resolve().name, frames, channels, vocab, named, notes=notes, modalities=tuple(modalities)
    )


def _scan_files(listing: Listing) -> list[Scanned]:
    """What the checks say of each image's files."""
    columns = [
        check_files([item.files[n] for item in listing.images], check, name, CHECK_VERSION)
        for n, (check, name) in enumerate(
            [(check_frame, "frame")] + [(check_modality, "modality")] * (len(listing.modalities) - 1)
        )
    ]
    return [_joined(list(found), listing.modalities) for found in zip(*columns, strict=True)]


def _joined(found: list[Checked], modalities: tuple[str, ...]) -> Scanned:
    """One image's files as one: their channels add up, their sizes have to be one."""
    if len(found) == 1:
        reason, digest = found[0]
        return Scanned(reason, shape_of(digest), digest)
    wrong = [f"{name}: {reason}" for name, (reason, _) in zip(modalities, found, strict=True) if reason]
    if wrong:
        return Scanned("; ".join(wrong), None, "")
    shapes = [shape_of(digest) for _, digest in found]
    if len({shape[1:] for shape in shapes}) > 1:
        sizes = some([f"{name} {w}x{h}" for name, (_, h, w) in zip(modalities, shapes, strict=True)], len(shapes))
        return Scanned(f"its modalities have several sizes ({sizes}); combine_modalities resizes them", None, "")
    digest = hashlib.blake2b(" ".join(digest for _, digest in found).encode(), digest_size=16).hexdigest()
    shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return Scanned("", shape, f"{'x'.join(map(str, shape))} {digest}")


def _read_frame(
    item: Listed, found: Scanned, channels: int, clip: bool, unlabelled: str
) -> tuple[Frame | None, list[Fault]]:
    """A frame with its boxes, None where it cannot be used or is left out, and every fault of both.

    found: what the check of its files said; channels: of most frames.
    """
    reason = found.reason
    if found.shape and found.shape[0] != channels:
        reason = f"has {found.shape[0]} channel(s); most have {channels}"
    faults = [Fault(item.name, reason)] if reason else []
    boxes = _boxes(item, found, clip)
    if boxes is None and unlabelled == "refuse":
        lacks = (
            f"has no label file {item.label}; an image without objects has an empty one, or unlabelled='background' "
            "(--unlabelled) says so of all, 'skip' leaves them out"
        )
        return None, [*faults, Fault(item.name, lacks, samples=0 if found.reason else 1)]
    if boxes is None and unlabelled == "skip":
        return None, faults
    boxes = no_boxes() if boxes is None else boxes
    faults += boxes.faults
    if reason or boxes.left_out:
        return None, faults
    frame = Frame(
        item.files, item.name, found.shape[1:], found.digest, boxes.boxes, boxes.codes, boxes.ignored, item.part
    )
    return frame, faults


def _boxes(item: Listed, found: Scanned, clip: bool) -> Boxes | None:
    """The boxes of an image; of one that cannot be read those faults alone that need no size."""
    boxes = item.read(found.shape[1:] if found.shape else (10**4, 10**4), clip)
    if boxes is not None and not found.shape and item.absolute:
        return no_boxes()
    return boxes


def read_detection(
    path: PathLike, bad: str = "refuse", least: int = 1, unlabelled: str = "refuse", polygons: bool = False
) -> FrameSource:
    """A detection set; DataError listing every fault, unless they may be set aside.

    path: a folder in any layout of `listing.EXPECTED`, an annotation file, or a data.yaml.
    bad: 'refuse'; 'skip' leaves bad boxes and files out; 'clip' also cuts boxes that reach past their image.
    least: how many boxes there have to be.
    unlabelled: what an image without a label file is: 'refuse' names them all, 'background' takes them as images
        without objects, 'skip' leaves them out.
    polygons: take the boxes around polygons, even where lines of boxes stand beside them, or all have four points.
    """
    check_bad(bad, BAD)
    if unlabelled not in UNLABELLED:
        raise DataError(f"unlabelled='{unlabelled}'; one of {', '.join(UNLABELLED)}")
    source, faults, n = scan_detection(path, bad == "clip", unlabelled, polygons)
    source = accepted(source, faults, n, str(path), bad, REMEDY)
    if sum(map(len, source.boxes)) < least:
        raise DataError(f"{path}: there is no box in any of its {n} images; a detector has nothing to learn from")
    return source
