"""A labelled set of images, in memory, in one mapped file or in many, and the facts that the rest asks of it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from learnerkit.classify.files import FileImages
from learnerkit.core.errors import DataError
from learnerkit.data.copies import digests, first_copies
from learnerkit.data.faults import Fault
from learnerkit.data.mapped import MappedImages
from learnerkit.data.similar import thumbnails_of
from learnerkit.data.source import VIEWS, Stats, common_facts, encoded, label_faults, whole_numbers

Images = np.ndarray | MappedImages | FileImages
BLOCK = 64  # images that are looked at together


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
    digests: of each image, where they are known; computed from the pixels otherwise.
    notes: what had to be guessed or was left aside, a line each.
    resize: how pictures were brought to the shape of the set, and are where further ones are given, see
        `data.pictures.resized`; view: height and width of the middle that is evaluated, where the rest is a margin that
        random crops are cut out of; kept: where the pixels are, 'memory', 'disk' or 'stream'.
    """

    name: str
    images: Images
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
    resize: str = "squish"
    view: tuple[int, int] | None = None
    kept: str = "memory"

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
        """Whether images need not be read from files."""
        return isinstance(self.images, np.ndarray)

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
        """Hash of pixels (names and digests, where these are known), labels and names: what a resumed run compares."""
        digest = hashlib.sha256()
        if self.digests is None and not isinstance(self.images, FileImages):
            for block in self._blocks(np.arange(len(self))):
                digest.update(np.ascontiguousarray(block))
        else:
            digest.update(encoded([*self.ids, *(self.digests or ())]))
        digest.update(np.ascontiguousarray(self.labels))
        digest.update(encoded(self.vocab))
        return digest.hexdigest()[:16]

    @cached_property
    def contents(self) -> Sequence[str]:
        """A digest of each image; its name where the set streams unchecked."""
        if self.digests is not None:
            return self.digests
        if isinstance(self.images, FileImages):
            return self.ids
        return [digest.hex() for block in self._blocks(np.arange(len(self))) for digest in digests(block)]

    def _blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """The images of some rows, few at a time: a large set is never copied whole."""
        for start in range(0, len(rows), BLOCK):
            yield self.images[rows[start : start + BLOCK]]

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
        view = {} if self.view is None else {"view": list(self.view)}
        return common_facts(self) | {"resize": self.resize, "kept": self.kept, **view}

    def thumbnails(self, rows: np.ndarray) -> np.ndarray | None:
        """Small pictures of some rows, which near copies are looked for among: uint8 [n,C,32,32], or None."""
        files = isinstance(self.images, FileImages)
        return self.images.thumbnails(rows) if files else thumbnails_of(self.images, rows)

    def pictures(self, rows: np.ndarray) -> np.ndarray:
        """The images of some rows, as they are shown: uint8 [n,C,H,W]."""
        return self.images[rows]

    def measured_stats(self, rows: np.ndarray) -> Stats:
        """Mean and std per channel in 0..1 over the given rows, at most 5,000 of them."""
        counts = np.zeros((self.channels, 256))
        for block in self._blocks(rows[:: max(1, len(rows) // 5000)]):
            for channel, values in enumerate(np.moveaxis(block, 1, 0)):
                counts[channel] += np.bincount(values.ravel(), minlength=256)
        shares, levels = counts / counts.sum(axis=1, keepdims=True), np.arange(256) / 255
        mean = shares @ levels
        std = np.sqrt((shares * (levels - mean[:, None]) ** 2).sum(axis=1)).clip(min=1e-3)
        return tuple(mean.round(4).tolist()), tuple(std.round(4).tolist())
