"""A labelled image set in memory, whatever files it came from, and the facts that the rest asks of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.copies import digests, first_copies
from learnerkit.data.faults import Fault, settle

CIFAR_STATS = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
CIFAR100_STATS = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
KEEPS = ("mirror", "shift")  # views that a set may declare to keep its classes
UNLABELLED = -1


@dataclass
class ImageSource:
    """Images, class codes and names.

    name: what the set is called in runs and messages.
    images: uint8 [N,C,H,W].
    labels: int64 [N], indices into `vocab`, or -1 where unlabelled.
    vocab: class names.
    ids: one name an image, unique; the row number where the files give none.
    parts: 'train', 'valid' or 'test' for each image where the files say so, else ''.
    keeps: which views keep the class: 'mirror', 'shift'.
    stats: mean and std per channel in 0..1, for normalising; computed from the training part when None.
    groups: images of one group never fall into two parts; None when each stands alone, with its copies.
    quarantine: the bad samples that were set aside on request.
    digests: of each image's file, for sets that stream; computed from the pixels otherwise.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    vocab: list[str]
    ids: Sequence[str] = ()
    parts: np.ndarray | None = None
    keeps: tuple[str, ...] = KEEPS
    stats: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    groups: np.ndarray | None = None
    quarantine: list[Fault] = field(default_factory=list)
    digests: Sequence[str] | None = None

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

    @cached_property
    def fingerprint(self) -> str:
        """Hash of pixels (file names, where the set streams), labels and names: what a resumed run compares."""
        resident = isinstance(self.images, np.ndarray)
        digest = hashlib.sha256(np.ascontiguousarray(self.images) if resident else encoded(self.ids))
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

    def pictures(self, rows: np.ndarray) -> np.ndarray:
        """The images of some rows, as they are shown: uint8 [n,C,H,W]."""
        return self.images[rows]

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height, width of one image."""
        return tuple(int(size) for size in self.images.shape[1:])

    def measured_stats(self, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std per channel in 0..1 over the given rows, at most 5,000 of them."""
        pixels = self.images[rows[:: max(1, len(rows) // 5000)]].astype(np.float32) / 255
        std = pixels.std(axis=(0, 2, 3)).clip(min=1e-3)
        return tuple(pixels.mean(axis=(0, 2, 3)).round(4).tolist()), tuple(std.round(4).tolist())


def whole_numbers(name: str, labels: np.ndarray) -> np.ndarray:
    """Labels as int64; DataError names the first that is no whole number, instead of cutting it."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iub":
        try:
            values = labels.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{name}: labels of dtype {labels.dtype}; class numbers are needed") from None
        wrong = np.flatnonzero(~np.isfinite(values) | (values != np.floor(values)))
        if len(wrong):
            raise DataError(
                f"{name}: label {labels[wrong[0]]} in row {wrong[0]} (and {len(wrong) - 1} more) is no class number"
            )
    return labels.astype(np.int64)


def encoded(names: Sequence[str]) -> bytes:
    """Names as bytes to be hashed; file names that are no UTF-8 too."""
    return "\n".join(names).encode("utf-8", "surrogateescape")


def label_faults(labels: np.ndarray, n: int, vocab: Sequence[str], ids: Sequence[str]) -> list[str]:
    """What is wrong with the labels, class names and names of `n` samples."""
    faults = []
    if len(labels) != n:
        faults.append(f"{n} images but {len(labels)} labels")
    if len(ids) != n or len(set(ids)) != len(ids):
        faults.append(f"{n} images but {len(set(ids))} different names")
    if len(set(vocab)) != len(vocab):
        faults.append("two classes have the same name")
    wrong = np.flatnonzero((labels < UNLABELLED) | (labels >= len(vocab)))
    if len(wrong):
        faults.append(
            f"label {labels[wrong[0]]} of image {ids[wrong[0]]} (and {len(wrong) - 1} more) is outside "
            f"the {len(vocab)} classes 0..{len(vocab) - 1}"
        )
    if not n:
        faults.append("there is no image")
    return faults


def array_source(
    images: np.ndarray, labels: np.ndarray, vocab: Sequence[str] | None = None, skip_bad: bool = False
) -> ImageSource:
    """An ImageSource from arrays.

    images: uint8, [N,H,W], [N,H,W,C] or [N,C,H,W] with C of 1 or 3.
    labels: class indices [N].
    vocab: class names; '0', '1', ... without them.
    skip_bad: set rows with an impossible label aside.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[-1] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if labels.ndim != 1 or len(labels) != len(images):
        raise DataError(f"arrays: {len(images)} images but labels of shape {labels.shape}; one class number an image")
    faults = bad_labels(labels, len(vocab) if vocab is not None else None)
    settle("arrays", faults, len(labels), skip_bad)
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
