"""A folder of class folders, `ROOT/class/*.jpg` or `ROOT/{train,valid,test}/class/*.jpg`, or of pictures and a list."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from learnerkit.classify.layout import find_layout, not_pictures
from learnerkit.classify.table import FORMATS, Table, find_table, listed
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.text import some
from learnerkit.data.pictures import SUFFIXES
from learnerkit.data.walk import files_below, files_in

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


def list_folder(
    root: PathLike,
    vocab: Sequence[str] | None = None,
    parts: PathLike | None = None,
    known_files: Collection[Path] = (),
) -> ClassFolders:
    """Find the images, parts and classes below `root`; DataError when there are none or one class only.

    vocab: class names in their order; sorted folder names, or labels of the table, without it.
    parts: a table of the pictures, see `classify.table`; one that lies in the root when None.
    known_files: those that are told elsewhere, and so not noted as left out.
    """
    root, known = Path(root), set(known_files)
    if not root.is_dir():
        what = "is a file" if root.exists() else "no such folder"
        raise DataError(f"{root}: {what}. Expected class folders with images, or train/ and test/ above them.")
    tables = parts is not None or files_in(root, FORMATS)
    table = find_table(root, parts and Path(parts), files_below(root, SUFFIXES)) if tables else None
    if table is None:
        return _class_folders(root, vocab, known)
    if not table.labelled or _has_classes(root, vocab):
        return _as_listed(_class_folders(root, vocab, {table.path, *known}), table, vocab is not None)
    return _flat_pictures(root, table, vocab, known)


def has_labels(root: Path) -> bool:
    """Whether a table that lies in a folder says the classes of its pictures."""
    table = find_table(root, None, files_below(root, SUFFIXES)) if files_in(root, FORMATS) else None
    return table is not None and table.labelled


def _has_classes(root: Path, vocab: Sequence[str] | None) -> bool:
    """Whether folders say the classes; pictures in one folder, or in none, are said by a table alone."""
    try:
        folders = find_layout(root, frozenset(vocab or ())).folders
    except DataError:
        return False
    return len({name for _, name, _ in folders}) > 1 or bool({name for _, name, _ in folders} & set(vocab or ()))


def _as_listed(listing: ClassFolders, table: Table, measured: bool) -> ClassFolders:
    """What a table lists of class folders, in the parts that it says. measured: whether one class may be all."""
    known = [(listing.vocab[code], part) for code, part in zip(listing.labels, listing.parts, strict=True)]
    entries = listed(table, listing.root, listing.files, known)
    rows = sorted(entries)
    left = sorted(set(range(len(listing.files))) - set(rows))
    names, present = listing.names, {listing.labels[row] for row in rows}
    vocab = listing.vocab if measured else [name for code, name in enumerate(listing.vocab) if code in present]
    _check_several(table.path, vocab, measured)
    codes = {name: code for code, name in enumerate(vocab)}
    return replace(
        listing,
        files=[listing.files[row] for row in rows],
        labels=[codes[known[row][0]] for row in rows],
        parts=[entries[row].part or listing.parts[row] for row in rows],
        vocab=vocab,
        notes=[*listing.notes, *_unlisted(table, [names[row] for row in left])],
    )


def _flat_pictures(root: Path, table: Table, vocab: Sequence[str] | None, known_files: set[Path]) -> ClassFolders:
    """Pictures whose classes a table alone says. known_files: further ones that are accounted for."""
    files = files_below(root, SUFFIXES)
    entries = listed(table, root, files)
    rows = sorted(entries)
    given = sorted({entry.label for entry in entries.values()})
    names, renamed = one_name_each([(name, "") for name in given], vocab)
    taken = dict(zip(given, names, strict=True))
    classes = list(vocab or sorted(set(names)))
    if unknown := sorted(set(names) - set(classes)):
        raise DataError(f"{table.path}: label(s) {some(unknown)} are not among the classes {some(classes, 10)}")
    _check_several(table.path, classes, vocab is not None)
    codes = {name: code for code, name in enumerate(classes)}
    left = [files[row] for row in sorted(set(range(len(files))) - set(rows))]
    told = [_left_out(why, those, root) for why, those in not_pictures(root, {*files, table.path, *known_files})]
    return ClassFolders(
        root,
        [files[row] for row in rows],
        [codes[taken[entries[row].label]] for row in rows],
        [entries[row].part for row in rows],
        classes,
        [*renamed, *_unlisted(table, relative(left, root)), *told],
    )


def _unlisted(table: Table, names: list[str]) -> list[str]:
    return [f"{len(names):,} picture(s) not in {table.path.name} left out: {some(names)}"] if names else []


def _check_several(where: Path, classes: Sequence[str], measured: bool) -> None:
    if not measured and len(classes) < 2:
        raise DataError(f"{where}: one class only ('{classes[0]}'). A classifier needs two class folders or more.")


def _left_out(why: str, files: Sequence[Path], root: Path) -> str:
    return f"{len(files):,} file(s) {why} left out: {some(relative(files, root))}"


def _class_folders(root: Path, vocab: Sequence[str] | None, known_files: set[Path]) -> ClassFolders:
    """The pictures whose classes folders say. known_files: further ones that are accounted for."""
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
    _check_several(root, classes, vocab is not None)
    vocab = list(vocab or classes)
    unknown = sorted(set(classes) - set(vocab))
    if unknown:
        raise DataError(f"{root}: class folder(s) {', '.join(unknown)} are not among the classes {', '.join(vocab)}")
    codes = {name: code for code, name in enumerate(vocab)}
    files, names, parts = (list(column) for column in zip(*found, strict=True))
    left = layout.left + not_pictures(root, {*files, *known_files})
    told = [_left_out(why, those, root) for why, those in left]
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
