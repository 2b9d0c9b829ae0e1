"""A labelled set of images, in memory or in files, and the facts that the rest asks of it."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.copies import digests, first_copies
from learnerkit.data.faults import Fault, check_bad, refuse_faults
from learnerkit.data.hashes import SIDE, told
from learnerkit.data.pictures import UNREADABLE, decode
from learnerkit.data.similar import thumbnails_of
from learnerkit.data.source import UNLABELLED, VIEWS, Stats, common_facts, encoded, label_faults, whole_numbers

TOLD_FROM = 2000  # files from which reading them shows how far it is


class FileImages:
    """Images that are decoded when asked for, with the face of a uint8 array [N,3,H,W].

    files: image files; size: (height, width) that each is resized to.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, files: Sequence[Path], size: tuple[int, int]) -> None:
        self.files, self.size = list(files), size
        self.shape = (len(self.files), 3, *size)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: int | np.ndarray) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            return np.stack([self[int(row)] for row in rows])
        try:
            return decode(self.files[rows], self.size)
        except UNREADABLE as error:
            raise DataError(f"{self.files[rows]}: {error}") from error

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """Small pictures of some images, uint8 [n,3,32,32]; as many files at a time as there are cores."""
        small = FileImages([self.files[row] for row in rows], (SIDE, SIDE))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            read = pool.map(small.__getitem__, range(len(small)))
            return np.stack(list(told(read, f"looking at {len(small):,} images", len(small), TOLD_FROM)))


@dataclass
class ImageSource:
    """Images, class codes and names; see `data.source.Source`.

    name: what the set is called in runs and messages.
    images: uint8 [N,C,H,W].
    labels: int64 [N], indices into `vocab`, or -1 where unlabelled.
    vocab: class names.
    ids: one name an image, unique; the row number where the files give none.
    parts: 'train', 'valid' or 'test' for each image where the files say so, else ''.
    keeps: which views keep the class: 'mirror', 'shift'.
    stats: mean and std per channel in 0..1, for normalising; None until they are known.
    groups: images of one group never fall into two parts; None when each stands alone, with its copies.
    quarantine: the bad samples that were set aside on request.
    digests: of each image's file, for sets that stream; computed from the pixels otherwise.
    notes: what had to be guessed or was left aside, a line each.
    """

    name: str
    images: np.ndarray | FileImages
    labels: np.ndarray
    vocab: list[str]
    ids: Sequence[str] = ()
    parts: np.ndarray | None = None
    keeps: tuple[str, ...] = VIEWS
    stats: Stats | None = None
    groups: np.ndarray | None = None
    quarantine: list[Fault] = field(default_factory=list)
    digests: Sequence[str] | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.labels = whole_numbers(self.name, self.labels)
        self.vocab = [str(name) for name in self.vocab]
        if not len(self.ids):
            self.ids = [str(row) for row in range(len(self.images))]
        if self.parts is None:
            self.parts = np.full(len(self.images), "")
        faults = label_faults(self.labels, len(self.images), self.vocab, self.ids)
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            faults.append(f"images are {self.images.dtype} {self.images.shape}; uint8 [N,C,H,W] is needed")
        if faults:
            raise DataError(f"{self.name}: " + "; ".join(faults))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height, width of one image."""
        return tuple(int(size) for size in self.images.shape[1:])

    @cached_property
    def fingerprint(self) -> str:
        """Hash of pixels (names and digests, where the set streams), labels and names: what a resumed run compares."""
        resident = isinstance(self.images, np.ndarray)
        names = encoded([*self.ids, *(self.digests or ())])
        digest = hashlib.sha256(np.ascontiguousarray(self.images) if resident else names)
        digest.update(np.ascontiguousarray(self.labels))
        digest.update(encoded(self.vocab))
        return digest.hexdigest()[:16]

    @cached_property
    def copies(self) -> np.ndarray | None:
        """For each image the row of the first equal one, int64 [N]; None where all differ."""
        contents = self.digests
        if contents is None:
            contents = digests(self.images) if isinstance(self.images, np.ndarray) else self.ids
        first = first_copies(contents)
        return None if (first == np.arange(len(first))).all() else first

    def facts(self) -> dict[str, Any]:
        """What run.json records of the set."""
        return common_facts(self)

    def thumbnails(self, rows: np.ndarray) -> np.ndarray | None:
        """Small pictures of some rows, which near copies are looked for among: uint8 [n,C,32,32], or None."""
        return thumbnails_of(self.images, rows) if isinstance(self.images, np.ndarray) else self.images.thumbnails(rows)

    def pictures(self, rows: np.ndarray) -> np.ndarray:
        """The images of some rows, as they are shown: uint8 [n,C,H,W]."""
        return self.images[rows]

    def measured_stats(self, rows: np.ndarray) -> Stats:
        """Mean and std per channel in 0..1 over the given rows, at most 5,000 of them."""
        pixels = self.images[rows[:: max(1, len(rows) // 5000)]].astype(np.float32) / 255
        std = pixels.std(axis=(0, 2, 3)).clip(min=1e-3)
        return tuple(pixels.mean(axis=(0, 2, 3)).round(4).tolist()), tuple(std.round(4).tolist())


def array_source(
    images: np.ndarray, labels: np.ndarray, vocab: Sequence[str] | None = None, bad: str = "refuse"
) -> ImageSource:
    """An ImageSource from arrays.

    images: uint8, [N,H,W], [N,H,W,C] or [N,C,H,W] with C of 1 or 3.
    labels: class indices [N].
    vocab: class names; '0', '1', ... without them.
    bad: 'skip' sets rows with an impossible label aside, 'refuse' names them all.
    """
    check_bad(bad)
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[-1] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if labels.ndim != 1 or len(labels) != len(images):
        raise DataError(f"arrays: {len(images)} images but labels of shape {labels.shape}; one class number an image")
    faults = bad_labels(labels, len(vocab) if vocab is not None else None)
    refuse_faults("arrays", faults, len(labels), bad)
    ids = [str(row) for row in range(len(labels))]
    if faults:
        good = np.setdiff1d(np.arange(len(labels)), [int(fault.place.removeprefix("row ")) for fault in faults])
        images, labels, ids = images[good], labels[good], [ids[row] for row in good]
    labels = whole_numbers("arrays", labels)
    if vocab is None:
        vocab = [str(code) for code in range(int(labels.max(initial=0)) + 1)]
    images = np.ascontiguousarray(images)
    return ImageSource("arrays", images, labels, list(vocab), ids, keeps=("shift",), quarantine=faults)


def bad_labels(labels: np.ndarray, n_classes: int | None) -> list[Fault]:
    """A fault for each label that is no class number; -1 (unlabelled) is left to who needs labels.

    n_classes: how many classes there are; None when the labels themselves say so.
    """
    if labels.dtype.kind in "iub" and n_classes is None and (labels.size == 0 or labels.min() >= UNLABELLED):
        return []
    try:
        values = labels.astype(np.float64)
    except (TypeError, ValueError):
        return []  # `whole_numbers` names what they are
    most = np.inf if n_classes is None else n_classes - 1
    right = np.isfinite(values) & (values == np.floor(values)) & (values >= UNLABELLED) & (values <= most)
    known = "a class number" if n_classes is None else f"in 0..{n_classes - 1}"
    return [Fault("labels", f"label {labels[row]} is not {known}", f"row {row}") for row in np.flatnonzero(~right)]
