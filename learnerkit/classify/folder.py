"""A folder of class folders: `ROOT/class/*.jpg`, or `ROOT/{train,valid,test}/class/*.jpg`."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from learnerkit.classify.layout import find_layout, not_pictures
from learnerkit.classify.source import FileImages, ImageSource
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.text import some
from learnerkit.data.copies import contradictions, digests, first_copies
from learnerkit.data.faults import Fault, check_bad, fault_lines, refuse_faults
from learnerkit.data.pictures import check_images, decode_all
from learnerkit.data.walk import files_below

EXPECTED = "class folders of images (ROOT/CLASS/*.jpg, .png, .bmp, .webp ...), or train/ and test/ above them"


@dataclass(frozen=True)
class ClassFolders:
    """The images of a folder, unread.

    files, labels, parts: one entry an image; parts are '' where the folder does not say.
    notes: what was guessed or left aside, a line each.
    """

    root: Path
    files: list[Path]
    labels: list[int]
    parts: list[str]
    vocab: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Each file's path below the root."""
        return [str(file.relative_to(self.root)) for file in self.files]


def list_folder(root: PathLike, vocab: Sequence[str] | None = None) -> ClassFolders:
    """Find the images, parts and classes below `root`; DataError when there are none or one class only.

    vocab: class names in their order; sorted folder names without it.
    """
    root = Path(root)
    if not root.is_dir():
        what = "is a file" if root.exists() else "no such folder"
        raise DataError(f"{root}: {what}. Expected class folders with images, or train/ and test/ above them.")
    layout = find_layout(root, frozenset(vocab or ()))
    names, renamed = one_name_each([(name, part) for _, name, part in layout.folders], vocab)
    found = [
        (file, name, part)
        for (_, _, part), name, files in zip(layout.folders, names, layout.pictures, strict=True)
        for file in files
    ]
    if not found:
        raise DataError(
            f"{root}: no image in any class folder. Expected {root}/CLASS/*.jpg (or .png, .bmp, .webp ...)."
        )
    classes = sorted({name for _, name, _ in found})
    empty = sorted(set(names) - set(classes))
    if empty:
        places = [folder for (folder, _, _), name in zip(layout.folders, names, strict=True) if name == empty[0]]
        held = files_below(places[0])
        what = f"; {empty[0]}/ holds {some([file.name for file in held])}, of no picture format" if held else ""
        raise DataError(
            f"{root}: class folder(s) without a picture: {some(empty)}{what}. Put pictures in, or remove the folder"
        )
    if vocab is None and len(classes) < 2:
        raise DataError(f"{root}: one class only ('{classes[0]}'). A classifier needs two class folders or more.")
    vocab = list(vocab or classes)
    unknown = sorted(set(classes) - set(vocab))
    if unknown:
        raise DataError(f"{root}: class folder(s) {', '.join(unknown)} are not among the classes {', '.join(vocab)}")
    codes = {name: code for code, name in enumerate(vocab)}
    files, names, parts = (list(column) for column in zip(*found, strict=True))
    left = layout.left + not_pictures(root, set(files))
    told = [f"{len(those):,} file(s) {why} left out: {some(relative(those, root))}" for why, those in left]
    return ClassFolders(root, files, [codes[name] for name in names], parts, vocab, layout.notes + renamed + told)


def relative(files: Sequence[Path], root: Path) -> list[str]:
    """Paths below a folder, as text."""
    return [str(file.relative_to(root)) for file in files]


def one_name_each(given: Sequence[tuple[str, str]], vocab: Sequence[str] | None = None) -> tuple[list[str], list[str]]:
    """One name for the folders of each class, and what to say of it: names that look equal are the same class.

    given: (name, part) of each folder. vocab: names that the classes have; those of the train part when None.
    DataError where two folders of one part differ in case or in how their letters are composed alone.
    """
    first = {_looks(name): name for name in vocab or ()}
    for name, _ in sorted(given, key=lambda pair: pair[1] != "train"):
        first.setdefault(_looks(name), name)
    twice = [pair for pair, n in Counter((_looks(name), part) for name, part in given).items() if n > 1]
    if twice:
        alike = [name for name, part in given if (_looks(name), part) == twice[0]]
        raise DataError(f"class names {' and '.join(map(repr, alike))} look like one class; make one of them")
    taken = [(name, first[_looks(name)]) for name, _ in given]
    changed = sorted({f"'{name}' is taken as '{known}'" for name, known in taken if name != known})
    return [known for _, known in taken], [f"class {some(changed)}"] if changed else []


def _looks(name: str) -> str:
    """A name as it looks: composed letters, no case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).replace("\u200b", "").casefold().split())


def scan_folder(listing: ClassFolders) -> list[Fault]:
    """Every fault of a folder's images, copies in two classes among them; what was found good is not read again."""
    found = check_images(listing.files)
    faults = {row: reason for row, (reason, _) in enumerate(found) if reason}
    good = _good_rows(listing, faults)
    return _faults(listing, good, faults, first_copies([found[row][1] for row in good]))


def stream_folder(listing: ClassFolders, size: tuple[int, int], bad: str = "refuse") -> ImageSource:
    """The images of a folder as a set that is read file by file during training; each file is checked once before.

    size: height and width in pixels; bad: 'skip' sets bad files aside.
    """
    check_bad(bad)
    found = check_images(listing.files)
    faults = {row: reason for row, (reason, _) in enumerate(found) if reason}
    good = _good_rows(listing, faults)
    rows, quarantine = _chosen(listing, good, faults, first_copies([found[row][1] for row in good]), bad)
    source = _source(listing, FileImages([listing.files[row] for row in rows], size), rows, quarantine)
    source.digests = [found[row][1] for row in rows]
    return source


def read_folder(
    listing: ClassFolders, size: tuple[int, int] | None = None, bad: str = "refuse", labelled: bool = True
) -> ImageSource:
    """Decode every image into one array; DataError lists each file that cannot be used.

    size: height and width in pixels; that of the files when None, and then all must have one.
    bad: 'skip' sets bad files aside.
    labelled: whether an image that stands in two classes is a fault.
    """
    check_bad(bad)
    try:
        images, faults = decode_all(listing.files, size)
    except DataError as error:
        raise DataError(f"{listing.root}: {error} (--size)") from error
    good = _good_rows(listing, faults)
    contents = first_copies(digests(images)) if labelled else np.arange(len(images))
    rows, quarantine = _chosen(listing, good, faults, contents, bad)
    images = images if len(rows) == len(good) else images[np.isin(good, rows)]
    return _source(listing, images, rows, quarantine)


def _good_rows(listing: ClassFolders, faults: dict[int, str]) -> np.ndarray:
    return np.array([row for row in range(len(listing.files)) if row not in faults], dtype=np.int64)


def _faults(listing: ClassFolders, good: np.ndarray, faults: dict[int, str], contents: np.ndarray) -> list[Fault]:
    """The faults of all files: those that cannot be read, and those whose content stands in two classes.

    good: rows that can be read; faults: reason by row of the others; contents: `first_copies` of the good ones.
    """
    names = listing.names
    labels = np.array(listing.labels)[good]
    twofold = contradictions(contents, labels, [names[row] for row in good], listing.vocab)
    return [Fault(names[row], reason) for row, reason in faults.items()] + twofold


def _chosen(
    listing: ClassFolders, good: np.ndarray, faults: dict[int, str], contents: np.ndarray, bad: str
) -> tuple[np.ndarray, list[Fault]]:
    """The rows to train on and the faults that are set aside; DataError where they may not be."""
    names, quarantine = listing.names, _faults(listing, good, faults, contents)
    refuse_faults(str(listing.root), quarantine, len(names), bad)
    refused = {fault.file for fault in quarantine}
    rows = np.array([row for row in good if names[row] not in refused], dtype=np.int64)
    lost = sorted(set(listing.labels) - {listing.labels[row] for row in rows})
    if lost:
        classes = ", ".join(listing.vocab[code] for code in lost)
        raise DataError(f"{listing.root}: every image of the class(es) {classes} is bad:\n  {fault_lines(quarantine)}")
    return rows, quarantine


def _source(
    listing: ClassFolders, images: np.ndarray | FileImages, rows: np.ndarray, quarantine: list[Fault]
) -> ImageSource:
    names = listing.names
    labels, parts = np.array(listing.labels)[rows], np.array(listing.parts)[rows]
    ids = [names[row] for row in rows]
    return ImageSource(
        listing.root.resolve().name,
        images,
        labels,
        listing.vocab,
        ids,
        parts,
        quarantine=quarantine,
        notes=list(listing.notes),
    )
