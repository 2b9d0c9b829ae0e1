"""A table beside the pictures of a set, a line a picture: which file, of which class, in which part."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.core.text import some, words
from learnerkit.data.faults import Fault, fault_lines
from learnerkit.data.walk import files_in, part_of_name

FORMATS = frozenset({".csv", ".tsv", ".txt"})
DELIMITERS = ",;\t|"
FILES = words(
    "file files filename file_name filepath file_path path image images image_path image_name img id image_id"
)
LABELS = words("label labels class classes class_name label_name category target")
PARTS = words("part parts split subset set partition phase usage")
COLUMNS = "file, label, part (of which file and one other are needed)"


@dataclass(frozen=True)
class Entry:
    """A line of a table: its number, the name of a file, and what is said of it, '' where that is nothing."""

    line: int
    name: str
    label: str = ""
    part: str = ""


@dataclass(frozen=True)
class Table:
    """A table's file and lines; labelled: whether it says classes."""

    path: Path
    entries: list[Entry]
    labelled: bool


def find_table(root: Path, given: Path | None, pictures: Sequence[Path]) -> Table | None:
    """The table that is given or lies in the root; None where there is none that names pictures of the set.

    given: the file's path, or its name in the root. DataError where several lie there.
    """
    if given is not None:
        path = given if given.exists() else root / given
        if not path.is_file():
            raise DataError(f"parts={str(given)!r}: no such file, here or in {root}; a CSV with the columns {COLUMNS}")
        table = read_table(path)
        if table is None:
            raise DataError(f"{path}: its first line names no columns {COLUMNS}; such as 'file,label,part'")
        return table
    among = _Names(root, pictures)
    tables = [table for path in files_in(root, FORMATS) if (table := read_table(path)) is not None]
    tables = [table for table in tables if any(len(among.find(entry)) for entry in table.entries)]
    if len(tables) > 1:
        named = some([table.path.name for table in tables])
        raise DataError(f"{root}: {named} each list its pictures; say which one counts: parts='{tables[0].path.name}'")
    return tables[0] if tables else None


def read_table(path: Path) -> Table | None:
    """The lines of a table with a head; None where its head does not say files, and classes or parts."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            head = file.readline()
            delimiter = max(DELIMITERS, key=head.count)
            columns = [_word(name) for name in next(csv.reader([head], delimiter=delimiter), [])]
            where = [
                next((n for n, name in enumerate(columns) if name in known), None) for known in (FILES, LABELS, PARTS)
            ]
            if where[0] is None or where[1:] == [None, None]:
                return None
            rows = [
                [row[n].strip() if n is not None and n < len(row) else "" for n in where]
                for row in csv.reader(file, delimiter=delimiter)
            ]
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    entries = [Entry(line, *row) for line, row in enumerate(rows, 2) if any(row)]
    return Table(path, entries, where[1] is not None)


def _word(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


class _Names:
    """Pictures by their path below the root, and by their name alone where that is theirs alone."""

    def __init__(self, root: Path, pictures: Sequence[Path]) -> None:
        self.root = root
        self.by_path = {file.relative_to(root).as_posix(): row for row, file in enumerate(pictures)}
        self.by_name: dict[str, list[int]] = {}
        for row, file in enumerate(pictures):
            for name in {file.name, file.stem}:
                self.by_name.setdefault(name, []).append(row)

    def find(self, entry: Entry) -> list[int]:
        """The rows of the pictures that a line may mean."""
        name = entry.name.replace("\\", "/").removeprefix("./").lstrip("/").removeprefix(f"{self.root.name}/")
        for path in (name, f"{entry.label}/{name}"):
            if path in self.by_path:
                return [self.by_path[path]]
        return self.by_name.get(name, [])


def listed(
    table: Table, root: Path, pictures: Sequence[Path], known: Sequence[tuple[str, str]] | None = None
) -> dict[int, Entry]:
    """The entries of a table by the row of their picture; DataError naming everything that is wrong with them.

    known: class and part of each picture as its folders say, '' where they say no part; None where they say nothing.
    """
    among, found, faults = _Names(root, pictures), {}, []
    for entry in table.entries:
        rows = among.find(entry)
        part = part_of_name(entry.part)
        wrong = []
        if len(rows) != 1:
            there = bool(entry.name) and (root / entry.name).is_file()
            many = f"names {len(rows)} files; give its path below {root.name}/" if rows else "no such file"
            wrong.append("is no picture in a class" if there and not rows else many)
        elif rows[0] in found:
            wrong.append(f"is listed twice, in line {found[rows[0]].line} too")
        if entry.part and not part:
            wrong.append(f"part '{entry.part}' is none of train, valid, test")
        if table.labelled and not entry.label:
            wrong.append("has no label")
        if len(rows) == 1 and known is not None:
            name, of = known[rows[0]]
            if entry.label and entry.label.casefold() != name.casefold():
                wrong.append(f"label '{entry.label}', and it lies in the folder of '{name}'")
            if part and of and part != of:
                wrong.append(f"part '{part}', and it lies in the folder of '{of}'")
        faults += [Fault(entry.name or "(no file)", text, f"line {entry.line}") for text in wrong]
        if len(rows) == 1:
            found.setdefault(rows[0], Entry(entry.line, entry.name, entry.label, part))
    if faults:
        raise DataError(f"{table.path}: {len(faults)} fault(s) in {len(table.entries)} lines:\n  {fault_lines(faults)}")
    if not found:
        raise DataError(f"{table.path}: lists no picture; a line a picture is needed, with the columns {COLUMNS}")
    return found
