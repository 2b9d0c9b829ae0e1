"""CIFAR-10 and CIFAR-100 from the official python folders and archives.

The files are pickles; `core.unpickle` reads them without running anything. Batches with fewer rows than the official
ones are accepted when they are consistent. Format and checksums: www.cs.toronto.edu/~kriz/cifar.html.
"""

import lzma
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.unpickle import load_set_pickle
from learnerkit.data.faults import Fault, accepted, check_bad
from learnerkit.data.pictures import EMPTY, is_empty
from learnerkit.data.source import Stats

CIFAR_STATS: Stats = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
CIFAR100_STATS: Stats = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
PLANE = 3 * 32 * 32
LARGEST_MEMBER = 2**28  # bytes


@dataclass(frozen=True)
class Layout:
    """One official data set: its folder, files, keys and archive."""

    name: str
    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    url: str
    md5: str
    stats: Stats

    def key(self, kind: str, label: str) -> str:
        """The key of the labels ('labels') or of the class names ('label_names') of a label level."""
        return kind if self.name == "cifar10" else f"{label}_{kind}"


CIFAR10 = Layout(
    "cifar10",
    "cifar-10-batches-py",
    tuple(f"data_batch_{i}" for i in range(1, 6)),
    "test_batch",
    "batches.meta",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "c58f30108f718f92721af3b95e74349a",
    CIFAR_STATS,
)
CIFAR100 = Layout(
    "cifar100",
    "cifar-100-python",
    ("train",),
    "test",
    "meta",
    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    "eb9058c3a382ffc7106e4002c42a8d85",
    CIFAR100_STATS,
)
LAYOUTS = {layout.name: layout for layout in (CIFAR10, CIFAR100)}


def is_cifar(path: Path) -> bool:
    """Whether `path` is an official CIFAR folder, its parent, or an archive of one."""
    archive = path.suffix in (".gz", ".xz", ".tar") and not path.is_dir()
    return archive or _find_folder(path) is not None


def _find_folder(path: Path) -> tuple[Layout, Path] | None:
    for layout in LAYOUTS.values():
        for folder in (path, path / layout.folder):
            there = [file for file in (*layout.train, layout.test, layout.meta) if (folder / file).is_file()]
            # half a download is one too: names of one file that say nothing by themselves count from two on
            if len(there) > 1 or any(file not in ("train", "test", "meta") for file in there):
                return layout, folder
    return None


def read_cifar(path: PathLike, label: str = "fine", bad: str = "refuse") -> ImageSource:
    """Read CIFAR-10 or CIFAR-100.

    path: the official python folder, the folder that holds it, or its archive (.tar, .tar.gz, .tar.xz; streamed, never
        unpacked).
    label: 'fine' or 'coarse', for CIFAR-100.
    bad: 'skip' sets bad rows and damaged batch files aside; the file of class names must be good.
    Raises DataError listing every missing or damaged file.
    """
    check_bad(bad)
    source, faults, rows = scan_cifar(path, label)
    return accepted(source, faults, rows, str(path), bad)


def scan_cifar(path: PathLike, label: str = "fine") -> tuple[ImageSource | None, list[Fault], int]:
    """The good rows of a CIFAR set (None when there are none), every fault, and how many rows it has in all."""
    if label not in ("fine", "coarse"):
        raise DataError(f"label '{label}': CIFAR-100 has 'fine' (100 classes) and 'coarse' (20)")
    path = Path(path)
    layout, read = _open_archive(path) if path.is_file() else _open_folder(path)
    vocab, faults = _read_names(layout, read, label)
    batches = [_read_batch(file, layout, read, label, len(vocab)) for file in (*layout.train, layout.test)]
    faults += [fault for batch in batches for fault in batch.faults]
    # a file that cannot be read counts as many rows as the largest that can
    faults = [replace(f, samples=max(batch.rows for batch in batches) or 1) if f.samples == 0 else f for f in faults]
    rows = sum(batch.rows for batch in batches) + sum(fault.samples for fault in faults if not fault.place)
    read_well = [batch for batch in batches if batch.pixels is not None]
    if not vocab or not read_well:
        return None, faults, rows
    source = ImageSource(
        layout.name if layout is CIFAR10 or label == "fine" else f"{layout.name}-coarse",
        np.concatenate([batch.pixels for batch in read_well]),
        np.concatenate([batch.labels for batch in read_well]),
        vocab,
        [name for batch in read_well for name in batch.ids],
        np.array([batch.part for batch in read_well for _ in batch.ids]),
        stats=layout.stats,
    )
    return source, faults, rows


def _open_folder(path: Path) -> tuple[Layout, Callable[[str], bytes]]:
    found = _find_folder(path)
    if found is None:
        raise DataError(
            f"{path}: holds no CIFAR python files. Expected data_batch_1..5, test_batch, batches.meta (CIFAR-10) "
            "or train, test and meta (CIFAR-100); `cifar_dls('cifar10')` downloads them."
        )
    layout, folder = found
    return layout, lambda file: (folder / file).read_bytes()


def _open_archive(path: Path) -> tuple[Layout, Callable[[str], bytes]]:
    members: dict[str, bytes] = {}
    wanted = {file for layout in LAYOUTS.values() for file in (*layout.train, layout.test, layout.meta)}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = Path(member.name).name
                if member.size > LARGEST_MEMBER:
                    raise DataError(
                        f"{path}: its member {member.name} claims {member.size:,} bytes; no CIFAR file does"
                    )
                if member.isfile() and name in wanted:
                    members[name] = archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        why = EMPTY if is_empty(path) else f"is no whole archive ({str(error).splitlines()[0].rstrip(':')})"
        raise DataError(
            f"{path}: {why}. The official CIFAR folder or its .tar.gz is needed; arrays go to array_dls"
        ) from error
    layout = CIFAR10 if any(name in members for name in (*CIFAR10.train, CIFAR10.test, CIFAR10.meta)) else CIFAR100

    def read(file: str) -> bytes:
        if file not in members:
            raise FileNotFoundError(file)
        return members[file]

    return layout, read


def _read_names(layout: Layout, read: Callable[[str], bytes], label: str) -> tuple[list[str], list[Fault]]:
    """The class names, [] where their file is bad, and its fault."""
    key = layout.key("label_names", label)
    try:
        vocab = load_set_pickle(read(layout.meta), layout.meta)[key]
        if not isinstance(vocab, list) or not vocab or not all(isinstance(name, str) for name in vocab):
            raise DataError(f"{key} is not a list of names")
    except FileNotFoundError:
        return [], [Fault(layout.meta, "is missing", samples=0)]
    except (DataError, KeyError, OSError) as error:
        return [], [Fault(layout.meta, _reason(error, layout.meta), samples=0)]
    return vocab, []


@dataclass(frozen=True)
class Batch:
    """What one batch file holds.

    part: 'train' or 'test'; rows: how many it has; faults: of the file (samples 0), or of single rows.
    pixels [n,3,32,32], labels [n], ids: of the good rows; None and empty where the file cannot be read.
    """

    part: str
    rows: int = 0
    faults: tuple[Fault, ...] = ()
    pixels: np.ndarray | None = None
    labels: np.ndarray | None = None
    ids: tuple[str, ...] = ()


def _read_batch(file: str, layout: Layout, read: Callable[[str], bytes], label: str, n_classes: int) -> Batch:
    part = "test" if file == layout.test else "train"
    try:
        content = load_set_pickle(read(file), file)
        pixels, codes, names = _check_batch(content, layout.key("labels", label), file)
    except FileNotFoundError:
        return Batch(part, faults=(Fault(file, "is missing", samples=0),))
    except (DataError, OSError) as error:
        return Batch(part, faults=(Fault(file, _reason(error, file), samples=0),))
    wrong = bad_codes(codes, n_classes, file) if n_classes else []
    bad = {int(fault.place.removeprefix("row ")) for fault in wrong}
    good = [row for row in range(len(codes)) if row not in bad]
    labels = np.array([codes[row] for row in good], dtype=np.int64)
    ids = tuple(f"{file}/{row}/{names[row]}" for row in good)
    return Batch(part, len(codes), tuple(wrong), pixels[good], labels, ids)


def _reason(error: Exception, file: str) -> str:
    text = f"lacks the key {error}" if isinstance(error, KeyError) else str(error)
    return text.removeprefix(f"{file}: ")


def bad_codes(codes: list, n_classes: int, file: str) -> list[Fault]:
    """A fault for each row whose label is no class number."""
    return [
        Fault(file, f"label {code!r} is not in 0..{n_classes - 1}", f"row {row}")
        for row, code in enumerate(codes)
        if type(code) is not int or not 0 <= code < n_classes
    ]


def _check_batch(batch: dict, label_key: str, file: str) -> tuple[np.ndarray, list, list[str]]:
    missing = [key for key in ("data", label_key) if key not in batch]
    if missing:
        raise DataError(f"{file}: lacks the key(s) {', '.join(missing)}; it has {', '.join(map(str, batch))}")
    data, codes = batch["data"], batch[label_key]
    codes = codes.tolist() if isinstance(codes, np.ndarray) else codes
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != PLANE:
        shape = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{file}: pixels are {shape}; rows of {PLANE:,} bytes (3 planes of 32x32) are needed")
    if not isinstance(codes, list) or len(codes) != len(data):
        raise DataError(f"{file}: {len(data)} images but {len(codes)} labels")
    names = batch.get("filenames", [""] * len(codes))
    if len(names) != len(codes):
        raise DataError(f"{file}: {len(codes)} labels but {len(names)} file names")
    return data.reshape(-1, 3, 32, 32), codes, names
