"""Many files of pairs as one memory-mapped array, written once; all trials of a sweep share it."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from learnerkit.core.disk import check_space
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, cache_folder, read_json, sha256, write_json
from learnerkit.data.split import evenly
from learnerkit.fuse.files import AS_STORED, Pair, Reading, read_pair
from learnerkit.fuse.maps import size_words

VERSION = 2  # of the cache; another one is written anew
SAID = ("class_id", "class_name", "said", "digest", "dtypes", "turned", "repeated")  # of a pair, in the index
PARALLEL_FROM = 200  # files; fewer are read by this process


class _Files(Dataset):
    def __init__(self, files: Sequence[Path], how: Reading) -> None:
        self.files, self.how = files, how

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Pair | str:
        return read_pair(self.files[row], self.how)


def _as_list(items: list) -> list:
    return items


def pack_pairs(
    root: Path,
    files: Sequence[Path],
    cache: PathLike | None = None,
    workers: int | None = None,
    how: Reading = AS_STORED,
) -> Path:
    """The folder of the packed set: maps.npy [2,N,C,H,W] of the good files, index.json with all else.

    Written at the first call, found again by the names, sizes and times of the files and how they are read.

    cache: where the packed sets live; the user's cache folder when None.
    workers: processes that read; the cores when None. how: the files are read.
    """
    stamps = []
    for file in files:
        stat = os.stat(file)
        stamps.append((str(file.relative_to(root)), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    key = sha256(repr((VERSION, str(root.resolve()), how, stamps)).encode("utf-8", "surrogateescape"))[:20]
    base = Path(cache) if cache is not None else cache_folder() / "pairs"
    target = base / f"{root.resolve().name}-{key}"
    if _is_whole(target, len(files)):
        return target
    temporary = base / f".{target.name}.{os.getpid()}"
    try:
        base.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        _write_pack(temporary, root, files, workers, how)
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


def _write_pack(folder: Path, root: Path, files: Sequence[Path], workers: int | None, how: Reading) -> None:
    workers = min(os.cpu_count() or 1, 8) if workers is None else workers
    if len(files) < PARALLEL_FROM:
        workers = 0
    loader = DataLoader(_Files(files, how), batch_size=32, num_workers=workers, collate_fn=_as_list)
    shape = _commonest_shape(files, how)
    needed = 2 * len(files) * int(np.prod(shape)) * 4
    check_space(folder, needed + 2**20, "the packed set")  # a mapped file that outgrows the disk kills the process
    maps = np.lib.format.open_memmap(folder / "maps.npy", "w+", np.float32, (2, len(files), *shape))
    entries, faults, digest = [], [], []
    console = Console(stderr=True)
    silent = len(files) < 1000 or not console.is_terminal
    batches: Iterable[list] = track(loader, f"reading {len(files):,} pairs", console=console, disable=silent)
    for number, item in enumerate(pair for batch in batches for pair in batch):
        name = files[number].relative_to(root)
        if not isinstance(item, str) and item.maps.shape[1:] != shape:
            remedy = f"; {size_words(shape[1:])}" if item.maps.shape[1] == shape[0] else ""
            item = f"its maps have the shape {item.maps.shape[1:]}, most have {shape}{remedy}"
        if isinstance(item, str):
            faults.append({"file": str(name), "reason": item})
            continue
        maps[:, len(entries)] = item.maps
        said = {key: getattr(item, key) for key in SAID}
        entries.append({"file": str(name), **said})
        digest.append(f"{item.digest} {item.class_id}")
    maps.flush()
    del maps
    index = {"entries": entries, "faults": faults, "digest": sha256("\n".join(digest).encode())[:16]}
    write_json(folder / "index.json", index)


def _commonest_shape(files: Sequence[Path], how: Reading) -> tuple[int, ...]:
    spread = [files[row] for row in evenly(len(files), 25)]
    pairs = [pair for pair in (read_pair(file, how) for file in spread) if isinstance(pair, Pair)]
    shapes = Counter(pair.maps.shape[1:] for pair in pairs)
    return shapes.most_common(1)[0][0] if shapes else (3, 32, 32)
