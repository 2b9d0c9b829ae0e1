"""Who was in which part of a run: kept with it, so that data which changed since are measured on the same samples."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import atomic_write
from learnerkit.core.statistics import group_codes

FILE = "members.json.gz"
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Members:
    """The names of each part's samples, in its order, and a digest of each one's content; '' where there is none.

    groups: the group of each sample, which a lot does not divide; empty where each stands alone.
    """

    ids: dict[str, list[str]]
    contents: dict[str, list[str]]
    groups: dict[str, list[str]] = field(default_factory=dict)

    def trained_on(self, contents: Sequence[str] | None) -> list[int]:
        """The rows of a set whose content stands in the training part."""
        trained = set(self.contents["train"]) - {""}
        return [row for row, content in enumerate(contents or ()) if content in trained]

    def changed(self, ids: Sequence[str], contents: Sequence[str] | None) -> list[str]:
        """Names of recorded samples whose content is another one in a set now."""
        now = dict(zip(ids, contents, strict=True)) if contents is not None else {}
        recorded = [pair for part in PARTS for pair in zip(self.ids[part], self.contents[part], strict=True)]
        return [name for name, content in recorded if content and now.get(name, content) != content]


def write_members(
    folder: Path,
    ids: Sequence[str],
    contents: Sequence[str] | None,
    rows: Mapping[str, Sequence[int]],
    groups: Sequence | None = None,
) -> None:
    """Keep the members of a split in a run folder.

    ids, contents: names and digests of a set's samples; rows: those of each part.
    groups: of a set's samples, where there are any.
    """
    contents = [""] * len(ids) if contents is None else contents
    columns = [ids, contents]
    if groups is not None and len(set(names := [str(group) for group in groups])) < len(names):
        columns.append(names)
    kept = {part: [[column[row] for column in columns] for row in rows[part]] for part in PARTS}
    atomic_write(folder / FILE, gzip.compress(json.dumps(kept).encode(), mtime=0))


def read_members(folder: Path) -> Members | None:
    """The members of a run's parts; None where the run holds none. DataError where its file is damaged."""
    file = folder / FILE
    if not file.exists():
        return None
    try:
        kept = json.loads(gzip.decompress(file.read_bytes()))
        ids, contents = ({part: [str(row[n]) for row in kept[part]] for part in PARTS} for n in (0, 1))
        groups = {part: [str(row[2]) for row in kept[part] if len(row) > 2] for part in PARTS}
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
    for part in PARTS:
        if groups[part] and len(groups[part]) != len(ids[part]):
            raise DataError(f"{file}: is damaged, of {len(ids[part])} samples {len(groups[part])} have a group")
    return Members(ids, contents, groups)


def groups_of(folder: Path, part: str, ids: Sequence[str]) -> np.ndarray | None:
    """The groups of some samples of a part of a run, int64 [N]; None where the run holds none.

    ids: names of the samples; one that the run does not know stands alone.
    """
    members = read_members(folder)
    if members is None or not members.groups.get(part):
        return None
    known = dict(zip(members.ids[part], members.groups[part], strict=True))
    return group_codes([f"in {known[name]}" if name in known else f"alone {name}" for name in ids])
