"""A folder of files to a `PairSource`, with every fault of its files and every guess said."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.files import PathLike, read_json, sha256
from learnerkit.data.copies import contradictions, first_copies, merged_groups
from learnerkit.data.faults import Fault, accepted, check_bad
from learnerkit.data.source import encoded
from learnerkit.fuse.cache import pack_pairs
from learnerkit.fuse.files import AS_STORED, MAPS, Reading, layer_of
from learnerkit.fuse.groups import BY_NAME, Images, find_images
from learnerkit.fuse.listing import class_folder, left_out, list_pairs, parts_named
from learnerkit.fuse.names import Classes, find_classes
from learnerkit.fuse.source import PairSource

LEAST_IMAGES = 3  # of a class: one for train, valid and test


@dataclass(frozen=True)
class PairTable:
    """What the files of a packed set say, a row a pair.

    ids: their paths below the root; numbers: of their classes, as the files have them; rows: what else each says, as
    fields of `files.Pair`. bad: a fault for each file that is not in the table. fingerprint: of all maps and numbers.
    """

    ids: list[str]
    numbers: np.ndarray
    rows: list[dict[str, Any]]
    bad: list[Fault]
    fingerprint: str

    def column(self, key: str) -> list[Any]:
        """One field of all rows."""
        return [row[key] for row in self.rows]


def read_table(pack: Path) -> PairTable:
    """The table of a packed set."""
    index = read_json(pack / "index.json")
    rows, bad = index["entries"], [Fault(entry["file"], entry["reason"]) for entry in index["faults"]]
    numbers = np.array([row["class_id"] for row in rows], dtype=np.int64)
    return PairTable([row["file"] for row in rows], numbers, rows, bad, index["digest"])


def scan_pairs(
    root: PathLike,
    layer: str | None = None,
    cache: PathLike | None = None,
    workers: int | None = None,
    least: int = LEAST_IMAGES,
    names: PathLike | None = None,
    group: str | None = None,
    how: Reading = AS_STORED,
) -> tuple[PairSource | None, list[Fault], int]:
    """The good pairs of a folder (None when there are none), every fault, and how many files there are.

    least: how many source images a class has to have, where folders name no parts; fewer cannot stand in every part.
    names: see `names.find_classes`; group: see `groups.find_images`; how: the files are read.
    """
    root = Path(root)
    files = list_pairs(root, layer)
    pack = pack_pairs(root, files, cache, workers, how)
    table = read_table(pack)
    if not table.ids:
        return None, table.bad, len(files)
    parts = parts_named(root, table.ids)
    folders = [class_folder(Path(name), bool(parts[0])) for name in table.ids]
    classes = find_classes(root, table.ids, table.numbers, table.column("class_name"), folders, names)
    images, codes = find_images(table.ids, table.column("said"), group), classes.codes(table.numbers)
    groups = merged_groups(np.array(images.names), first_copies(table.column("digest")))
    faults = table.bad + _row_faults(table, classes, images, codes)
    if not parts[0]:
        faults += _lonely_classes(table, classes.vocab, codes, groups, _good_rows(table, faults), least, images.by)
    good = _good_rows(table, faults)
    if not len(good):
        return None, faults, len(files)
    maps = np.load(pack / "maps.npy", mmap_mode="c", allow_pickle=False)
    maps = maps[:, : len(table.ids)] if len(good) == len(table.ids) else maps[:, good]
    ids = [table.ids[row] for row in good]
    source = PairSource(
        root.resolve().name,
        maps,
        codes[good],
        classes.vocab,
        ids,
        np.array([layer_of(Path(name)) for name in ids]),
        groups[good],
        sha256(table.fingerprint.encode() + encoded([*ids, *classes.vocab]))[:16],
        copies=first_copies([table.rows[row]["digest"] for row in good]),
        contents=[table.rows[row]["digest"] for row in good],
        notes=[*classes.notes, *images.notes, *_stored_notes(table, good, how)],
        parts=parts[good],
        origin={
            "names": classes.by,
            "class_numbers": classes.numbers,
            "group": images.by,
            "dtypes": [Counter(row["dtypes"][side] for row in table.rows) for side in (0, 1)],
        },
        how=how,
    )
    source.notes += _part_notes(source) + [beside for beside in [left_out(root, files[0].suffix.lower())] if beside]
    return source, faults, len(files)


def _good_rows(table: PairTable, faults: Sequence[Fault]) -> np.ndarray:
    bad = {fault.file for fault in faults}
    return np.array([row for row, name in enumerate(table.ids) if name not in bad], dtype=np.int64)


def _row_faults(table: PairTable, classes: Classes, images: Images, codes: np.ndarray) -> list[Fault]:
    """Files of another range, without a group, with a wrong number or none; then equal maps of two classes."""
    wrong = {**_other_ranges(table), **images.bad, **classes.bad}
    sound = [row for row in range(len(table.ids)) if row not in wrong]
    copies = first_copies([table.rows[row]["digest"] for row in sound])
    twofold = contradictions(copies, codes[sound], [table.ids[row] for row in sound], classes.vocab)
    return [Fault(table.ids[row], reason) for row, reason in sorted(wrong.items())] + twofold


def _other_ranges(table: PairTable) -> dict[int, str]:
    """By row, a map of whole numbers where most have fractions, or the reverse."""
    wrong = {}
    for side, key in enumerate(MAPS):
        dtypes = [row["dtypes"][side] for row in table.rows]
        fractions = ["float" in dtype for dtype in dtypes]
        most = 2 * sum(fractions) >= len(fractions)
        usual = Counter(dtype for dtype, one in zip(dtypes, fractions, strict=True) if one is most).most_common(1)[0][0]
        for row, one in enumerate(fractions):
            if one is not most:
                wrong[row] = f"{key} is {dtypes[row]}, most are {usual}: their values would be of two ranges"
    return wrong


def _lonely_classes(
    table: PairTable, vocab: list[str], codes: np.ndarray, groups: np.ndarray, good: np.ndarray, least: int, by: str
) -> list[Fault]:
    """A fault for each good file of a class that has too few source images to stand in every part."""
    faults = []
    for code in np.unique(codes[codes >= 0]):
        rows = [row for row in good if codes[row] == code]
        images = len({int(groups[row]) for row in rows})
        if rows and images < least:
            reason = (
                f"its class '{vocab[code]}' has {images} source image(s); {least} are needed, one for each part"
                + ("" if by == BY_NAME else f"; {by} says which those are, unless group= (--group) names another key")
            )
            faults += [Fault(table.ids[row], reason) for row in rows]
    return faults


def _stored_notes(table: PairTable, good: np.ndarray, how: Reading) -> list[str]:
    """What is guessed or changed of the maps as they are stored."""
    rows, notes = [table.rows[row] for row in good], []
    if (turned := sum(row["turned"] for row in rows)) and how.order is None:
        notes.append(f"maps of {turned} files are taken as [H,W,C] by their shape; order='chw' (--order) forbids it")
    if repeated := sum(row["repeated"] for row in rows):
        notes.append(f"in {repeated} files one map has one channel, which is repeated for those of the other")
    whole = {dtype for row in rows for dtype in row["dtypes"] if "float" not in dtype}
    if whole:
        notes.append(
            f"maps are stored as {', '.join(sorted(whole))} and taken as they are; stats='data' (--stats data) brings "
            "them to mean 0 and deviation 1"
        )
    return notes


def _part_notes(source: PairSource) -> list[str]:
    """Images that stand in two of the parts that folders name."""
    if not source.parts[0]:
        return []
    seen = Counter(group for group, _ in set(zip(source.groups.tolist(), source.parts.tolist(), strict=True)))
    twice = [group for group, parts in seen.items() if parts > 1]
    if not twice:
        return []
    example = source.ids[source.groups.tolist().index(twice[0])]
    return [f"{len(twice)} source image(s) stand in two parts, such as {example}; the figures of those parts flatter"]


def read_pairs(
    root: PathLike,
    layer: str | None = None,
    bad: str = "refuse",
    cache: PathLike | None = None,
    workers: int | None = None,
    least: int = LEAST_IMAGES,
    names: PathLike | None = None,
    group: str | None = None,
    how: Reading = AS_STORED,
) -> PairSource:
    """The pairs of a folder; DataError listing every bad file, unless they may be set aside.

    root: the folder; bad: 'skip' sets bad files aside.
    layer, cache, workers: see `list_pairs` and `pack_pairs`; least, names, group, how: see `scan_pairs`.
    """
    check_bad(bad)
    source, faults, n = scan_pairs(root, layer, cache, workers, least, names, group, how)
    return accepted(source, faults, n, str(root), bad)
