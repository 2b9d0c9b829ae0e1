"""A detection set: frames of 1 to 16 channels with boxes, from YOLO labels or COCO JSON, with every fault of both."""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.data.box_labels import Boxes, class_names, read_label, read_lines
from learnerkit.data.checked import check_files
from learnerkit.data.coco_labels import (
    NOT_COCO,
    annotation_files,
    boxes_of,
    find_image,
    part_of,
    read_annotations,
)
from learnerkit.data.copies import first_copies
from learnerkit.data.faults import Fault, settle
from learnerkit.data.faults import listed as text_of
from learnerkit.data.frames import CHECK_VERSION, SUFFIXES, check_frame, read_frame
from learnerkit.data.source import encoded

LISTS = {"train": "train", "val": "valid", "valid": "valid", "test": "test"}
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


@dataclass
class _Listed:
    """One image of a set before its frame and its boxes have been looked at."""

    file: Path
    name: str
    part: str = ""
    label: Path | None = None
    entry: dict | None = None
    annotations: list[tuple[int, dict]] = field(default_factory=list)
    source: str = ""


def is_detection(path: Path) -> bool:
    """Whether a path is a detection set: images/ with labels/, or COCO annotations."""
    if (path / "images").is_dir() and (path / "labels").is_dir():
        return True
    for file in annotation_files(path):
        try:
            read_annotations(file)
        except LearnerkitError:
            continue
        return True
    return False


def scan_detection(path: Path, clip: bool = False) -> tuple[FrameSource | None, list[Fault], int]:
    """The good frames of a set (None when there are none), every fault, and how many images there are.

    clip: cut boxes that reach past their image, and say so, instead of leaving them out.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Expected images/ and labels/, or COCO annotations (JSON).")
    root, listed, vocab, codes, faults = _list_coco(path) if _is_coco(path) else _list_yolo(path)
    if not listed:
        detail = f"\n  {text_of(faults)}" if faults else ""
        raise DataError(f"{path}: no image was found. Expected {root}/images/*.npy (or .png, .jpg, .tif).{detail}")
    found = check_files([item.file for item in listed], check_frame, "frame", CHECK_VERSION)
    shapes = [tuple(map(int, digest.split()[0].split("x"))) if digest else None for _, digest in found]
    counts = Counter(shape[0] for shape in shapes if shape)
    channels = counts.most_common(1)[0][0] if counts else 0
    kept: list[tuple[_Listed, Boxes, tuple[int, ...], str]] = []
    for item, (reason, digest), shape in zip(listed, found, shapes, strict=True):
        if reason:
            faults.append(Fault(item.name, reason))
        elif shape[0] != channels:
            faults.append(Fault(item.name, f"has {shape[0]} channel(s); most have {channels}"))
        size = shape[1:] if shape else (1, 1)
        boxes = _boxes(item, size, len(vocab) if vocab is not None else None, codes, root, clip)
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

    bad: 'refuse'; 'skip' leaves bad boxes and files out; 'clip' also cuts boxes that reach past their image.
    least: how many boxes there have to be.
    """
    source, faults, n = scan_detection(path, clip=bad == "clip")
    settle(str(path), faults, n, bad != "refuse" and source is not None, REMEDY)
    source.quarantine = faults
    if sum(map(len, source.boxes)) < least:
        raise DataError(f"{path}: there is no box in any of its {n} images; a detector has nothing to learn from")
    return source


def _boxes(
    item: _Listed, size: tuple[int, ...], n_classes: int | None, codes: dict[int, int], root: Path, clip: bool
) -> Boxes | None:
    """The boxes of an image; None where a label file should be and is not."""
    if item.entry is not None:
        return boxes_of(item.entry, item.annotations, codes, item.source, tuple(size), clip)
    if item.label is None or not item.label.exists():
        return None
    return read_label(item.label, str(item.label.relative_to(root)), tuple(size), n_classes, clip)


def _is_coco(path: Path) -> bool:
    return path.is_file() or not (path / "labels").is_dir()


Listing = tuple[Path, list[_Listed], list[str] | None, dict[int, int], list[Fault]]


def _list_yolo(root: Path) -> Listing:
    images, labels = root / "images", root / "labels"
    files = [f for f in files_below(images) if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")]
    texts = {f.relative_to(labels).with_suffix("") for f in files_below(labels) if f.suffix.lower() == ".txt"}
    texts -= {Path("classes")}
    faults, seen, listed = [], {}, []
    for file in files:
        key, name = file.relative_to(images).with_suffix(""), str(file.relative_to(root))
        if key in seen:
            faults.append(Fault(name, f"has the same name as {seen[key]}; one image a label is needed"))
            continue
        seen[key] = file.name
        part = next((LISTS[word.lower()] for word in key.parts[:-1] if word.lower() in LISTS), "")
        listed.append(_Listed(file, name, part, labels / key.with_suffix(key.suffix + ".txt")))
    for key in sorted(texts - set(seen)):
        faults.append(Fault(f"labels/{key}.txt", f"has no image in images/ ({', '.join(sorted(SUFFIXES))})", samples=0))
    faults += _parts_from_lists(root, listed)
    return root, listed, class_names(root) or class_names(labels), {}, faults


def _parts_from_lists(root: Path, listed: list[_Listed]) -> list[Fault]:
    """Enter the parts of train.txt, val.txt and test.txt, where they are; what they say wrongly is a fault."""
    lists = [(root / f"{name}.txt", part) for name, part in LISTS.items() if (root / f"{name}.txt").is_file()]
    if not lists:
        return []
    faults: list[Fault] = []
    whole: dict[str, _Listed] = {}  # by the path below images/, with the suffix and without
    bare: dict[str, list[_Listed]] = {}  # by the name alone
    for item in listed:
        item.part = "none"  # in no list: in no part
        inner = Path(item.name).relative_to("images")
        whole[inner.as_posix()] = whole[inner.with_suffix("").as_posix()] = item
        for name in (inner.name, inner.stem):
            bare.setdefault(name, []).append(item)
    named: dict[int, str] = {}
    for file, part in lists:
        for number, line in enumerate(read_lines(file), 1):
            word = line.strip().replace("\\", "/")
            if not word:
                continue
            places = word.split("/")
            suffixes = ("/".join(places[start:]) for start in range(len(places)))
            item = next((whole[suffix] for suffix in suffixes if suffix in whole), None)
            alike = bare.get(word, [])
            item = alike[0] if item is None and len(alike) == 1 else item
            if item is None:
                why = f"names {len(alike)} images; give its folder too" if alike else "names no image"
                faults.append(Fault(file.name, f"'{word}' {why}", f"line {number}", samples=0))
            elif id(item) in named:
                fault = f"'{word}' stands in {named[id(item)]} already"
                faults.append(Fault(file.name, fault, f"line {number}", samples=0))
            else:
                item.part, named[id(item)] = part, f"{file.name} line {number}"
    return faults


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, in a fixed order; links to folders are followed, each folder once."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(place) / name for name in names]
    return sorted(found)


def _list_coco(path: Path) -> Listing:
    files = annotation_files(path)
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent
    contents = []
    for file in files:
        try:
            contents.append((file, read_annotations(file)))
        except LearnerkitError as error:
            if path.is_file():
                raise
            if NOT_COCO not in str(error):
                raise
    if not contents:
        raise DataError(f"{path}: has neither images/ with labels/, nor COCO annotations (JSON)")
    categories = {c["id"]: c["name"] for c in sorted(contents[0][1]["categories"], key=lambda c: c["id"])}
    faults: list[Fault] = []
    listed: list[_Listed] = []
    seen: dict[Path, str] = {}
    for file, content in contents:
        name = str(file.relative_to(root))
        if {c["id"]: c["name"] for c in content["categories"]} != categories:
            raise DataError(f"{file}: has other categories than {contents[0][0].name}; they must be the same")
        by_image: dict[int | str, list] = {}
        for number, annotation in enumerate(content["annotations"]):
            by_image.setdefault(annotation["image_id"], []).append((number, annotation))
        for entry in content["images"]:
            annotations = by_image.pop(entry["id"], [])
            place = find_image(root, file, entry["file_name"])
            if place is None:
                faults.append(Fault(name, f"its image {entry['file_name']} is not there", f"image {entry['id']}"))
            elif place in seen:
                fault = f"{entry['file_name']} stands in {seen[place]} already"
                faults.append(Fault(name, fault, f"image {entry['id']}"))
            else:
                seen[place] = name
                shown = str(place.relative_to(root))
                listed.append(_Listed(place, shown, part_of(file, root), None, entry, annotations, name))
        for image, annotations in by_image.items():
            fault = f"{len(annotations)} annotation(s) of image {image!r}, which is not among the images"
            faults.append(Fault(name, fault, samples=0))
    codes = {key: number for number, key in enumerate(categories)}
    return root, listed, list(categories.values()), codes, faults
