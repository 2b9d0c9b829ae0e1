"""Who was in which part of a run: kept with it, so that data which changed since are measured on the same samples."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.core.files import atomic_write

FILE = "members.json.gz"
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Members:
    """The names of each part's samples, in its order, and a digest of each one's content; '' where there is none."""

    ids: dict[str, list[str]]
    contents: dict[str, list[str]]

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
    folder: Path, ids: Sequence[str], contents: Sequence[str] | None, rows: Mapping[str, Sequence[int]]
) -> None:
    """Keep the members of a split in a run folder.

    ids, contents: names and digests of a set's samples; rows: those of each part.
    """
    contents = [""] * len(ids) if contents is None else contents
    kept = {part: [[ids[row], contents[row]] for row in rows[part]] for part in PARTS}
    atomic_write(folder / FILE, gzip.compress(json.dumps(kept).encode(), mtime=0))


def read_members(folder: Path) -> Members | None:
    """The members of a run's parts; None where the run holds none. DataError where its file is damaged."""
    file = folder / FILE
    if not file.exists():
        return None
    try:
        kept = json.loads(gzip.decompress(file.read_bytes()))
        ids, contents = ({part: [str(pair[n]) for pair in kept[part]] for part in PARTS} for n in (0, 1))
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
    return Members(ids, contents)
