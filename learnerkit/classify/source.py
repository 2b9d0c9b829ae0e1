"""A labelled set of images, in memory or in files, and the facts that the rest asks of it."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.copies import digests, first_copies
from learnerkit.data.faults import Fault
from learnerkit.data.hashes import SIDE, told
from learnerkit.data.pictures import UNREADABLE, decode
from learnerkit.data.similar import thumbnails_of
from learnerkit.data.source import VIEWS, Stats, common_facts, encoded, label_faults, whole_numbers

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

    def subset(self, rows: np.ndarray) -> "FileImages":
        """Some of the images."""
        return FileImages([self.files[row] for row in rows], self.size)

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
    keeps: which views keep the class: 'mirror', 'shift'; loses: which are known not to.
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
    loses: tuple[str, ...] = ()
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
    def in_memory(self) -> bool:
        """Whether images need not be read from their files."""
        return not isinstance(self.images, FileImages)

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
    def contents(self) -> Sequence[str]:
        """A digest of each image; its name where the set streams unchecked."""
        if self.digests is not None:
            return self.digests
        return [digest.hex() for digest in digests(self.images)] if isinstance(self.images, np.ndarray) else self.ids

    @cached_property
    def copies(self) -> np.ndarray | None:
        """For each image the row of the first equal one, int64 [N]; None where all differ."""
        first = first_copies(self.contents)
        return None if (first == np.arange(len(first))).all() else first

    def subset(self, rows: np.ndarray) -> "ImageSource":
        """The set of some of its images."""
        images = self.images[rows] if isinstance(self.images, np.ndarray) else self.images.subset(rows)
        few = {"ids": [self.ids[row] for row in rows], "labels": self.labels[rows], "parts": self.parts[rows]}
        few["groups"] = None if self.groups is None else self.groups[rows]
        few["digests"] = None if self.digests is None else [self.digests[row] for row in rows]
        return replace(self, images=images, **few)

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
