"""A folder of pairs of maps as a labelled, grouped set, with every fault of its files."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, read_json, sha256
from learnerkit.data.copies import contradictions, first_copies, merged_groups
from learnerkit.data.faults import Fault, settle
from learnerkit.data.folder import SUFFIXES
from learnerkit.data.pair_cache import pack_pairs
from learnerkit.data.pair_files import KEYS, LAYERS, layer_of, stem_of
from learnerkit.data.pair_names import class_names
from learnerkit.data.source import encoded, label_faults

LEAST_IMAGES = 3  # of a class: one for train, valid and test


@dataclass
class PairSource:
    """Pairs of maps, class codes and names.

    name: what the set is called.
    maps: float32 [2,N,C,H,W], saliency maps first; memory-mapped.
    labels: int64 [N]; vocab: class names; ids: a name each; layers: 'early', 'middle', 'late' or ''.
    groups: pairs of one source image have one group.
    fingerprint: hash of all the content.
    keeps: which views keep the class: 'mirror', 'shift'. The relations have 'left of': no mirror.
    stats: mean and std a channel of the saliency, then of the attention map, where the maps are normalised.
    quarantine: faults set aside.
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
    stats: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    quarantine: list[Fault] = field(default_factory=list)
    copies: np.ndarray | None = None

    def __post_init__(self) -> None:
        faults = label_faults(self.labels, self.maps.shape[1], self.vocab, self.ids)
        if faults:
            raise DataError(f"{self.name}: " + "; ".join(faults))
        self.parts = np.full(len(self.ids), "")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height, width of one map."""
        return tuple(self.maps.shape[2:])

    def measured_stats(self, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std per channel of both maps over the given rows, at most 2,000 of them."""
        chosen = np.asarray(self.maps[:, np.sort(rows)[:: max(1, len(rows) // 2000)]])
        mean, std = (getattr(chosen, name)(axis=(1, 3, 4)).ravel() for name in ("mean", "std"))
        return tuple(mean.round(6).tolist()), tuple(std.clip(min=1e-6).round(6).tolist())

    def pictures(self, rows: np.ndarray) -> np.ndarray:
        """The pairs as pictures side by side, each map stretched to its own range: uint8 [n,3,H,2W+2]."""
        shown = []
        for row in rows:
            tiles = [as_picture(np.asarray(self.maps[number, row])) for number in (0, 1)]
            gap = np.full((3, tiles[0].shape[1], 2), 255, np.uint8)
            shown.append(np.concatenate([tiles[0], gap, tiles[1]], axis=2))
        return np.stack(shown)


def as_picture(values: np.ndarray) -> np.ndarray:
    """A float map [C,H,W] as uint8 [3,H,W], from its least to its greatest value."""
    low, high = values.min(), values.max()
    scaled = ((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    return scaled if len(scaled) == 3 else np.broadcast_to(scaled.mean(axis=0).astype(np.uint8), (3, *scaled.shape[1:]))


def is_pairs(path: Path) -> bool:
    """Whether a folder holds .pt files and no images."""
    if not path.is_dir() or next(path.rglob("*.pt"), None) is None:
        return False
    return not any(file.suffix.lower() in SUFFIXES for file in path.rglob("*"))


def list_pairs(root: Path, layer: str | None = None) -> list[Path]:
    """The .pt files below a folder, in a fixed order.

    layer: 'early', 'middle' or 'late' takes the files that a folder or file name says are of it.
    """
    if layer is not None and layer not in LAYERS:
        raise DataError(f"layer '{layer}': {', '.join(LAYERS)}, or none for all")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Expected .pt files, flat, in class folders or in *_layers folders.")
    files = sorted(file for file in root.rglob("*.pt") if not file.name.startswith("."))
    if layer is not None:
        files = [file for file in files if layer_of(file.relative_to(root)) == layer]
    if not files:
        kind = f".pt file of the {layer} layer" if layer else ".pt file"
        raise DataError(f"{root}: no {kind}. Expected files with the keys {', '.join(KEYS)}.")
    return files


def scan_pairs(
    root: Path,
    layer: str | None = None,
    cache: PathLike | None = None,
    workers: int | None = None,
    least: int = LEAST_IMAGES,
) -> tuple[PairSource | None, list[Fault], int]:
    """The good pairs of a folder (None when there are none), every fault, and how many files there are.

    least: how many source images a class has to have; fewer cannot stand in every part.
    """
    files = list_pairs(root, layer)
    pack = pack_pairs(root, files, cache, workers)
    index = read_json(pack / "index.json")
    faults = [Fault(entry["file"], entry["reason"]) for entry in index["faults"]]
    entries = index["entries"]
    if not entries:
        return None, faults, len(files)
    ids = [entry[0] for entry in entries]
    codes = np.array([entry[1] for entry in entries], dtype=np.int64)
    vocab, wrong = class_names(root, ids, codes, [entry[2] for entry in entries])
    for row in np.flatnonzero(codes >= len(vocab)):
        wrong.setdefault(int(row), f"class_id {codes[row]} is not in 0..{len(vocab) - 1}")
    faults += [Fault(ids[row], reason) for row, reason in sorted(wrong.items())]
    sound = [row for row in range(len(ids)) if row not in wrong]
    contents = first_copies([entries[row][4] for row in sound])
    faults += contradictions(contents, codes[sound], [ids[row] for row in sound], vocab)
    stems, sources = [stem_of(Path(name)) for name in ids], [entry[3] for entry in entries]
    if len(set(sources)) == 1 < len(set(stems)):  # not an image's name, but the set's or a model's
        sources = [""] * len(ids)
    names = [source or stem for source, stem in zip(sources, stems, strict=True)]
    groups = merged_groups(np.array(names), first_copies([entry[4] for entry in entries]))
    bad = {fault.file for fault in faults}
    for code in np.unique(codes):
        rows = [row for row in np.flatnonzero(codes == code) if ids[row] not in bad]
        images = len({int(groups[row]) for row in rows})
        if rows and images < least:
            reason = f"its class '{vocab[code]}' has {images} source image(s); {least} are needed, one for each part"
            faults += [Fault(ids[row], reason) for row in rows]
    bad = {fault.file for fault in faults}
    good = np.array([row for row in range(len(ids)) if ids[row] not in bad], dtype=np.int64)
    if not len(good):
        return None, faults, len(files)
    maps = np.load(pack / "maps.npy", mmap_mode="c", allow_pickle=False)
    maps = maps[:, : len(ids)] if len(good) == len(ids) else maps[:, good]
    layers = np.array([layer_of(Path(name)) for name in ids])[good]
    good_ids = [ids[row] for row in good]
    print_of = sha256(index["digest"].encode() + encoded([*good_ids, *vocab]))[:16]
    source = PairSource(root.resolve().name, maps, codes[good], vocab, good_ids, layers, groups[good], print_of)
    return source, faults, len(files)


def read_pairs(
    root: Path,
    layer: str | None = None,
    skip_bad: bool = False,
    cache: PathLike | None = None,
    workers: int | None = None,
    least: int = LEAST_IMAGES,
) -> PairSource:
    """The pairs of a folder; DataError listing every bad file, unless they may be set aside.

    root: the folder; skip_bad: set bad files aside.
    layer, cache, workers, least: see `list_pairs`, `pack_pairs` and `scan_pairs`.
    """
    source, faults, n = scan_pairs(root, layer, cache, workers, least)
    settle(str(root), faults, n, skip_bad and source is not None)
    source.quarantine = faults
    return source
