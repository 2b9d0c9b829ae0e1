"""Pairs of maps as a labelled, grouped set."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.faults import Fault
from learnerkit.data.source import Stats, common_facts, label_faults
from learnerkit.fuse.files import AS_STORED, Reading


@dataclass
class PairSource:
    """Pairs of maps, class codes and names; see `data.source.Source`.

    name: what the set is called.
    maps: float32 [2,N,C,H,W], saliency maps first; memory-mapped.
    labels: int64 [N]; vocab: class names; ids: a name each; layers: 'early', 'middle', 'late' or ''.
    groups: pairs of one source image have one group.
    fingerprint: hash of all the content; contents: a digest of each pair.
    keeps: which views keep the class: 'mirror', 'shift'.
    stats: mean and std a channel of the saliency, then of the attention map, where the maps are normalised.
    quarantine: faults set aside. notes: what had to be guessed, a line each.
    parts: 'train', 'valid' or 'test' as folders say, '' where they say nothing; for all of them when None.
    origin: what run.json keeps of the files: 'names' (who names the classes), 'class_numbers' (of each class in the
        files), 'group' (what says the source image), 'dtypes' (of the maps as they are stored).
    how: its files are read, and further pairs that are predicted.
    """

    name: str
    maps: np.ndarray
    labels: np.ndarray
    vocab: list[str]
    ids: list[str]
    layers: np.ndarray
    groups: np.ndarray
    fingerprint: str
    keeps: tuple[str, ...] = ("shift",)
    stats: Stats | None = None
    quarantine: list[Fault] = field(default_factory=list)
    copies: np.ndarray | None = None
    contents: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    parts: np.ndarray | None = None
    origin: dict[str, Any] = field(default_factory=dict)
    how: Reading = AS_STORED

    def __post_init__(self) -> None:
        faults = label_faults(self.labels, self.maps.shape[1], self.vocab, self.ids)
        if faults:
            raise DataError(f"{self.name}: " + "; ".join(faults))
        self.parts = np.full(len(self.ids), "") if self.parts is None else self.parts

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def loses(self) -> tuple[str, ...]:
        """Views that are known to make another class: a mirror, of 'left of'."""
        sided = {"left", "right"} & {word for name in self.vocab for word in name.lower().replace("_", " ").split()}
        return ("mirror",) if sided else ()

    @property
    def channels(self) -> int:
        """Channels of one map."""
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height, width of one map."""
        return tuple(self.maps.shape[2:])

    def facts(self) -> dict[str, Any]:
        """What run.json records of the set."""
        return common_facts(self) | self.origin

    def measured_stats(self, rows: np.ndarray) -> Stats:
        """Mean and std per channel of both maps over the given rows, at most 2,000 of them."""
        chosen = np.asarray(self.maps[:, np.sort(rows)[:: max(1, len(rows) // 2000)]])
        mean, std = (getattr(chosen, name)(axis=(1, 3, 4)).ravel() for name in ("mean", "std"))
        return tuple(mean.round(6).tolist()), tuple(std.clip(min=1e-6).round(6).tolist())

    def pictures(self, rows: np.ndarray) -> np.ndarray:
        """The pairs as pictures side by side, each map stretched to its own range: uint8 [n,3,H,2W+2]."""
        pictures = []
        for row in rows:
            tiles = [as_picture(np.asarray(self.maps[number, row])) for number in (0, 1)]
            gap = np.full((3, tiles[0].shape[1], 2), 255, np.uint8)
            pictures.append(np.concatenate([tiles[0], gap, tiles[1]], axis=2))
        return np.stack(pictures)


def as_picture(values: np.ndarray) -> np.ndarray:
    """A float map [C,H,W] as uint8 [3,H,W], from its least to its greatest value."""
    low, high = values.min(), values.max()
    scaled = ((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    return scaled if len(scaled) == 3 else np.broadcast_to(scaled.mean(axis=0).astype(np.uint8), (3, *scaled.shape[1:]))
