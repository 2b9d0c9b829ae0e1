"""A folder of pairs of maps as one memory-mapped array, written once into a cache that all trials of a sweep share."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from learnerkit.core.disk import check_space
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, read_json, sha256, write_json
from learnerkit.data.copies import contradictions, first_copies, merged_groups
from learnerkit.data.download import cache_folder
from learnerkit.data.faults import Fault, settle
from learnerkit.data.folder import SUFFIXES
from learnerkit.data.pair_files import KEYS, LAYERS, Pair, layer_of, read_pair, stem_of
from learnerkit.data.relations import RELATIONS
from learnerkit.data.source import encoded, label_faults

VERSION = 1  # of the cache; another one is written anew
LEAST_IMAGES = 3  # of a class: one for train, valid and test
PARALLEL_FROM = 200  # files; fewer are read by this process


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


class _Files(Dataset):
    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Pair | str:
        return read_pair(self.files[row])


def _as_list(items: list) -> list:
    return items


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


def pack_pairs(root: Path, files: Sequence[Path], cache: PathLike | None = None, workers: int | None = None) -> Path:
    """The folder of the packed set: maps.npy [2,N,C,H,W] of the good files, index.json with all else.

    Written at the first call, found again by the names, sizes and times of the files.

    cache: where the packed sets live; the user's cache folder when None.
    workers: processes that read; the cores when None.
    """
    stamps = []
    for file in files:
        stat = os.stat(file)
        stamps.append((str(file.relative_to(root)), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    key = sha256(repr((VERSION, str(root.resolve()), stamps)).encode("utf-8", "surrogateescape"))[:20]
    base = Path(cache) if cache is not None else cache_folder() / "pairs"
    target = base / f"{root.resolve().name}-{key}"
    if _is_whole(target, len(files)):
        return target
    temporary = base / f".{target.name}.{os.getpid()}"
    try:
        base.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        _write_pack(temporary, root, files, workers)
        if target.exists() and not _is_whole(target, len(files)):
            shutil.rmtree(target)
        try:
            os.replace(temporary, target)
        except OSError:  # another process was faster
            if not _is_whole(target, len(files)):
                raise
    except OSError as error:
        raise DataError(
            f"{base}: the packed set cannot be written there ({error}); choose another cache= (--cache)"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _is_whole(pack: Path, n: int) -> bool:
    """Whether both files of a packed set of `n` files are there, the maps in the size that their header says."""
    try:
        read_json(pack / "index.json")
        return np.load(pack / "maps.npy", mmap_mode="r", allow_pickle=False).shape[1] == n
    except (DataError, OSError, ValueError):
        return False


def _write_pack(folder: Path, root: Path, files: Sequence[Path], workers: int | None) -> None:
    workers = min(os.cpu_count() or 1, 8) if workers is None else workers
    if len(files) < PARALLEL_FROM:
        workers = 0
    loader = DataLoader(_Files(files), batch_size=32, num_workers=workers, collate_fn=_as_list)
    shape = _commonest_shape(files)
    needed = 2 * len(files) * int(np.prod(shape)) * 4
    check_space(folder, needed + 2**20, "the packed set")  # a mapped file that outgrows the disk kills the process
    maps = np.lib.format.open_memmap(folder / "maps.npy", "w+", np.float32, (2, len(files), *shape))
    entries, faults, digest = [], [], []
    console = Console(stderr=True)
    batches: Iterable[list] = track(loader, f"reading {len(files):,} pairs", console=console, disable=len(files) < 1000)
    for number, item in enumerate(pair for batch in batches for pair in batch):
        name = files[number].relative_to(root)
        if not isinstance(item, str) and item.maps.shape[1:] != shape:
            item = f"its maps have the shape {item.maps.shape[1:]}, most have {shape}"
        if isinstance(item, str):
            faults.append({"file": str(name), "reason": item})
            continue
        maps[:, len(entries)] = item.maps
        entries.append([str(name), item.class_id, item.class_name, item.source, item.digest])
        digest.append(f"{item.digest} {item.class_id}")
    maps.flush()
    del maps
    index = {"entries": entries, "faults": faults, "digest": sha256("\n".join(digest).encode())[:16]}
    write_json(folder / "index.json", index)


def _commonest_shape(files: Sequence[Path]) -> tuple[int, ...]:
    spread = [files[row] for row in np.linspace(0, len(files) - 1, min(25, len(files))).astype(int)]
    shapes = Counter(item.maps.shape[1:] for item in map(read_pair, spread) if not isinstance(item, str))
    return shapes.most_common(1)[0][0] if shapes else (3, 32, 32)


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
    copies = first_copies([entry[4] for entry in entries])
    known = np.where(codes < len(vocab), codes, 0)
    faults += [Fault(ids[row], reason) for row, reason in sorted(wrong.items())]
    faults += contradictions(copies, known, ids, vocab)
    stems, sources = [stem_of(Path(name)) for name in ids], [entry[3] for entry in entries]
    if len(set(sources)) == 1 < len(set(stems)):  # not an image's name, but the set's or a model's
        sources = [""] * len(ids)
    groups = merged_groups(np.array([f"{a or b}" for a, b in zip(sources, stems, strict=True)]), copies)
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


def class_names(
    root: Path, ids: Sequence[str], codes: np.ndarray, said: Sequence[str]
) -> tuple[list[str], dict[int, str]]:
    """The class names by number, and by row what contradicts them.

    From what the files say, else from class folders, where four in five files agree; else from class_names.json, else
    the 24 relations.
    """
    for kind, names in (("says", said), ("stands in", [_class_folder(Path(name)) for name in ids])):
        found: dict[int, str] = {}
        pairs = Counter((code, name) for code, name in zip(codes.tolist(), names, strict=True) if name)
        for (code, name), _ in pairs.most_common():  # the commonest pair of number and name decides for both
            if code not in found and name not in found.values():
                found[code] = name
        right = [found.get(code) == name for code, name in zip(codes.tolist(), names, strict=True)]
        if len(found) < 2 or sum(right) < 0.8 * len(right):
            continue
        numbers = {name: code for code, name in found.items()}
        wrong = {}
        for row in np.flatnonzero(~np.array(right)):
            if names[row]:
                belongs = numbers.get(names[row], "another number")
                wrong[int(row)] = f"class_id {codes[row]}, but it {kind} '{names[row]}', which is {belongs}"
        return [found.get(code, f"class_{code}") for code in range(max(found) + 1)], wrong
    path = root / "class_names.json"
    return (_listed_names(path) if path.exists() else list(RELATIONS)), {}


def _listed_names(path: Path) -> list[str]:
    """The names of a class_names.json: a list, or a mapping of numbers to names or of names to numbers."""
    content = read_json(path)
    if isinstance(content, dict):
        if all(isinstance(value, int) for value in content.values()):
            content = {code: name for name, code in content.items()}
        try:
            content = {int(code): name for code, name in content.items()}
        except ValueError:
            content = {}
        content = [content.get(code) for code in range(len(content))]
    if not isinstance(content, list) or not content or not all(isinstance(name, str) for name in content):
        raise DataError(f"{path}: a list of class names, or a mapping of the numbers 0, 1, ... to names, is needed")
    return content


def _class_folder(name: Path) -> str:
    """The innermost folder of a relative path that does not name a layer; '' where there is none."""
    return next((part for part in reversed(name.parts[:-1]) if not layer_of(Path(part, "x"))), "")
