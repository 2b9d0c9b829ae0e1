"""A folder of pairs of maps as a labelled, grouped set, with every fault of its files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, read_json, sha256
from learnerkit.data.copies import contradictions, first_copies, merged_groups
from learnerkit.data.faults import Fault, accepted, check_bad
from learnerkit.data.pictures import SUFFIXES
from learnerkit.data.source import Stats, common_facts, encoded, label_faults
from learnerkit.data.walk import files_below
from learnerkit.fuse.cache import pack_pairs
from learnerkit.fuse.files import KEYS, LAYERS, layer_of, stem_of
from learnerkit.fuse.names import class_names

EXPECTED = "a folder of .pt files with two maps each"
LEAST_IMAGES = 3  # of a class: one for train, valid and test


@dataclass
class PairSource:
    """Pairs of maps, class codes and names; see `data.source.Source`.

    name: what the set is called.
    maps: float32 [2,N,C,H,W], saliency maps first; memory-mapped.
    labels: int64 [N]; vocab: class names; ids: a name each; layers: 'early', 'middle', 'late' or ''.
    groups: pairs of one source image have one group.
    fingerprint: hash of all the content.
    keeps: which views keep the class: 'mirror', 'shift'. The relations have 'left of': no mirror.
    stats: mean and std a channel of the saliency, then of the attention map, where the maps are normalised.
    quarantine: faults set aside. notes: what had to be guessed, a line each.
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
    loses: tuple[str, ...] = ("mirror",)
    stats: Stats | None = None
    quarantine: list[Fault] = field(default_factory=list)
    copies: np.ndarray | None = None
    contents: list[str] | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        faults = label_faults(self.labels, self.maps.shape[1], self.vocab, self.ids)
        if faults:
            raise DataError(f"{self.name}: " + "; ".join(faults))
        self.parts = np.full(len(self.ids), "")

    def __len__(self) -> int:
        return len(self.ids)

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
        return common_facts(self)

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


def is_pairs(path: Path) -> bool:
    """Whether a folder holds .pt files and no images."""
    return path.is_dir() and bool(files_below(path, {".pt"})) and not files_below(path, SUFFIXES)


def list_pairs(root: Path, layer: str | None = None) -> list[Path]:
    """The .pt files below a folder, in a fixed order.

    layer: 'early', 'middle' or 'late' takes the files that a folder or file name says are of it.
    """
    if layer is not None and layer not in LAYERS:
        raise DataError(f"layer '{layer}': {', '.join(LAYERS)}, or none for all")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Expected .pt files, flat, in class folders or in *_layers folders.")
    files = files_below(root, {".pt"})
    if layer is not None:
        files = [file for file in files if layer_of(file.relative_to(root)) == layer]
    if not files:
        kind = f".pt file of the {layer} layer" if layer else ".pt file"
        raise DataError(f"{root}: no {kind}. Expected files with the keys {', '.join(KEYS)}.")
    return files


@dataclass(frozen=True)
class PairTable:
    """What the files of a packed set say, a row a pair.

    ids: their paths below the root; codes: class numbers; said: the class in words, '' where a file does not say it.
    images: the source image's name; digests: of the maps. bad: a fault for each file that is not in the table.
    fingerprint: of all maps and numbers.
    """

    ids: list[str]
    codes: np.ndarray
    said: list[str]
    images: list[str]
    digests: list[str]
    bad: list[Fault]
    fingerprint: str


def read_table(pack: Path) -> PairTable:
    """The table of a packed set; an image's name comes from its file's name where the files do not say one each."""
    index = read_json(pack / "index.json")
    ids, codes, said, images, digests = ([entry[column] for entry in index["entries"]] for column in range(5))
    stems = [stem_of(Path(name)) for name in ids]
    if len(set(images)) == 1 < len(set(stems)):  # not an image's name, but the set's or a model's
        images = [""] * len(ids)
    images = [image or stem for image, stem in zip(images, stems, strict=True)]
    bad = [Fault(entry["file"], entry["reason"]) for entry in index["faults"]]
    return PairTable(ids, np.array(codes, dtype=np.int64), said, images, digests, bad, index["digest"])


def scan_pairs(
    root: PathLike,
    layer: str | None = None,
    cache: PathLike | None = None,
    workers: int | None = None,
    least: int = LEAST_IMAGES,
) -> tuple[PairSource | None, list[Fault], int]:
    """The good pairs of a folder (None when there are none), every fault, and how many files there are.

    least: how many source images a class has to have; fewer cannot stand in every part.
    """
    root = Path(root)
    files = list_pairs(root, layer)
    pack = pack_pairs(root, files, cache, workers)
    table = read_table(pack)
    if not table.ids:
        return None, table.bad, len(files)
    vocab, wrong = class_names(root, table.ids, table.codes, table.said)
    groups = merged_groups(np.array(table.images), first_copies(table.digests))
    faults = table.bad + _class_faults(table, vocab, wrong)
    faults += _lonely_classes(table, vocab, groups, _good_rows(table, faults), least)
    good = _good_rows(table, faults)
    if not len(good):
        return None, faults, len(files)
    maps = np.load(pack / "maps.npy", mmap_mode="c", allow_pickle=False)
    maps = maps[:, : len(table.ids)] if len(good) == len(table.ids) else maps[:, good]
    ids = [table.ids[row] for row in good]
    layers = np.array([layer_of(Path(name)) for name in ids])
    fingerprint = sha256(table.fingerprint.encode() + encoded([*ids, *vocab]))[:16]
    source = PairSource(root.resolve().name, maps, table.codes[good], vocab, ids, layers, groups[good], fingerprint)
    source.contents = [table.digests[row] for row in good]
    return source, faults, len(files)


def _good_rows(table: PairTable, faults: Sequence[Fault]) -> np.ndarray:
    bad = {fault.file for fault in faults}
    return np.array([row for row, name in enumerate(table.ids) if name not in bad], dtype=np.int64)


def _class_faults(table: PairTable, vocab: list[str], wrong: dict[int, str]) -> list[Fault]:
    """Files whose number contradicts their name or has none, then equal maps of two classes.

    wrong: reason by row, of `class_names`.
    """
    beyond = np.flatnonzero(table.codes >= len(vocab)).tolist()
    wrong = {row: f"class_id {table.codes[row]} is not in 0..{len(vocab) - 1}" for row in beyond} | wrong
    sound = [row for row in range(len(table.ids)) if row not in wrong]
    copies = first_copies([table.digests[row] for row in sound])
    twofold = contradictions(copies, table.codes[sound], [table.ids[row] for row in sound], vocab)
    return [Fault(table.ids[row], reason) for row, reason in sorted(wrong.items())] + twofold


def _lonely_classes(
    table: PairTable, vocab: list[str], groups: np.ndarray, good: np.ndarray, least: int
) -> list[Fault]:
    """A fault for each good file of a class that has too few source images to stand in every part."""
    faults = []
    for code in np.unique(table.codes):
        rows = [row for row in good if table.codes[row] == code]
        images = len({int(groups[row]) for row in rows})
        if rows and images < least:
            reason = f"its class '{vocab[code]}' has {images} source image(s); {least} are needed, one for each part"
            faults += [Fault(table.ids[row], reason) for row in rows]
    return faults


def read_pairs(
    root: PathLike,
    layer: str | None = None,
    bad: str = "refuse",
    cache: PathLike | None = None,
    workers: int | None = None,
    least: int = LEAST_IMAGES,
) -> PairSource:
    """The pairs of a folder; DataError listing every bad file, unless they may be set aside.

    root: the folder; bad: 'skip' sets bad files aside.
    layer, cache, workers, least: see `list_pairs`, `pack_pairs` and `scan_pairs`.
    """
    check_bad(bad)
    source, faults, n = scan_pairs(root, layer, cache, workers, least)
    return accepted(source, faults, n, str(root), bad)
