"""Near copies across and within the parts of a set: looked for once, told in one line, listed, never regrouped."""

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.files import atomic_write, cache_folder, read_json, sha256
from learnerkit.core.members import PARTS
from learnerkit.data.similar import near_copies
from learnerkit.data.source import Source, tell
from learnerkit.data.split import Split, make_split

VERSION = 1  # of what is remembered
MOST_IMAGES = 200_000  # that are looked at
MOST_WITHIN = 20_000  # of a part that is looked through by itself, which takes seconds
MOST_TOLD = 20  # that `doctor` names
EXAMPLES = 3  # in a line
REMEMBERED_FROM = 1000  # images in memory; with fewer, looking is as quick as reading
Found = tuple[list["NearCopy"], Split | None]
PAIRS = (("valid", "train"), ("test", "train"), ("test", "valid"))


@dataclass(frozen=True)
class NearCopy:
    """A sample that shows what another shows.

    name, part: of the sample; other, other_part: of the one that it is like, which is trained or validated on, or which
        stands in the same part.
    kind: what was done to one to make the other: 'mirrored', 'shifted', 'brightness', several, or else 're-encoded'.
    score: correlation of their details, to 1.
    """

    name: str
    part: str
    other: str
    other_part: str
    kind: str
    score: float

    def __str__(self) -> str:
        return f"{self.name} ({self.part}) ~ {self.other} ({self.other_part}): {self.kind}"


def near_copies_across(source: Source, split: Split) -> list[NearCopy]:
    """The near copies between the parts of a split, the likest first; equal samples are not among them.

    [] where the set has no `thumbnails`, none that say anything, or more than `MOST_IMAGES`. What was found before is
    remembered.
    """
    if getattr(source, "thumbnails", None) is None or sum(split.counts.values()) > MOST_IMAGES:
        return []
    return _remembered(source, split, _looked_for, "near_copies")


def near_copies_within(source: Source, split: Split) -> list[NearCopy]:
    """The near copies inside each part of a split, the likest first, as `near_copies_across`; each pair stands once.

    Parts of more than `MOST_WITHIN` samples are passed over: it takes longer than looking across.
    """
    if getattr(source, "thumbnails", None) is None:
        return []
    return _remembered(source, split, _looked_for_within, "near_copies_within")


def parts_looked_through(split: Split) -> list[str]:
    """The parts that `near_copies_within` looks through."""
    return [part for part in PARTS if 1 < split.counts[part] <= MOST_WITHIN]


def _remembered(
    source: Source, split: Split, look: Callable[[Source, Split], list[NearCopy]], place: str
) -> list[NearCopy]:
    """What a search finds; what it found before is read where that is quicker. place: the folder of what is kept."""
    if len(source) < REMEMBERED_FROM and getattr(source, "in_memory", False):
        return look(source, split)
    key = sha256(f"{VERSION} {source.fingerprint} {split.hash(source.ids)}".encode())[:20]
    file = cache_folder() / place / f"{key}.json"
    with contextlib.suppress(LearnerkitError, OSError, TypeError):  # what is not there, or damaged, is made anew
        return [NearCopy(*entry) for entry in read_json(file)]
    found = look(source, split)
    with contextlib.suppress(LearnerkitError, OSError):  # a home that cannot be written costs time, nothing else
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, json.dumps([list(vars(pair).values()) for pair in found]))
    return found


def _looked_for_within(source: Source, split: Split) -> list[NearCopy]:
    found = []
    for part in parts_looked_through(split):
        rows = getattr(split, part)
        pictures = source.thumbnails(rows)
        if pictures is None:
            return []
        with _one_thread():
            alike = near_copies(pictures, pictures)
        once = {(min(pair.first, pair.second), max(pair.first, pair.second)): pair for pair in reversed(alike)}
        for (first, second), pair in once.items():
            row, other = rows[first], rows[second]
            if first != second and (source.copies is None or source.copies[row] != source.copies[other]):
                found.append(NearCopy(source.ids[row], part, source.ids[other], part, pair.kind, pair.score))
    return sorted(found, key=lambda pair: -pair.score)


def _looked_for(source: Source, split: Split) -> list[NearCopy]:
    rows = np.concatenate([getattr(split, part) for part in PARTS])
    parts = np.repeat(PARTS, list(split.counts.values()))
    pictures, found = source.thumbnails(rows), []
    if pictures is None:
        return []
    held, tested = len(split.train), len(split.train) + len(split.valid)  # where valid and where test begin
    for begin, other in ((held, 0), (tested, held)):
        with _one_thread():
            alike = near_copies(pictures[begin:], pictures[other:begin])
        for pair in alike:
            first, second = begin + pair.first, other + pair.second
            if source.copies is None or source.copies[rows[first]] != source.copies[rows[second]]:
                name, of = source.ids[rows[first]], source.ids[rows[second]]
                found.append(NearCopy(name, str(parts[first]), of, str(parts[second]), pair.kind, pair.score))
    return sorted(found, key=lambda pair: -pair.score)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The search is thousands of small products: threads that wait for one another take longer than one alone."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def near_copies_of(source: Source, labels: np.ndarray | None = None, **more: Any) -> Found:
    """The near copies of a set that is split as when nothing else is asked for, and that split; None where it has none.

    labels: to stratify by, where each sample has one; more: of `make_split`.
    """
    labels = np.zeros(len(source), np.int64) if labels is None else labels
    try:
        with warnings.catch_warnings(action="ignore"):  # nobody trains on it
            split = make_split(labels, source.parts, groups=source.copies, **more)
    except DataError:
        return [], None
    return near_copies_across(source, split), split


def told_of_near_copies(found: list[NearCopy], split: Split | None) -> list[tuple[bool, str]]:
    """Lines of (good, text) for `doctor`: how many, and the likest `MOST_TOLD` of them; they are no faults."""
    if not found or split is None:
        return []
    if len(found) <= EXAMPLES:  # the summary names them all
        return [(True, summary(found, split))]
    rest = len(found) - MOST_TOLD
    more = [f"... and {rest} more; learnerkit.all.verify(path).near_copies has all"] if rest > 0 else []
    return [(True, line) for line in (summary(found, split), *map(str, found[:MOST_TOLD]), *more)]


def summary(found: list[NearCopy], split: Split) -> str:
    """How many samples of each part are near copies of another part's, with three examples, as one line."""
    counts = []
    for part, other in PAIRS:
        names = {pair.name for pair in found if (pair.part, pair.other_part) == (part, other)}
        if names:
            counts.append(f"{len(names):,} of {split.counts[part]:,} {part} samples are near copies of {other} samples")
    examples = "; ".join(map(str, found[:EXAMPLES]))
    return f"{', '.join(counts)}, such as {examples}"


def warn_of_near_copies(source: Source, split: Split) -> None:
    """One warning where samples of valid or test are near copies of what is trained on; the set remembers them."""
    n = sum(split.counts.values())
    if getattr(source, "thumbnails", None) is not None and n > MOST_IMAGES:
        tell(source, f"near copies were not looked for among {n:,} samples; up to {MOST_IMAGES:,} they are")
    source.near_copies = near_copies_across(source, split)
    if source.near_copies:
        text = f"{summary(source.near_copies, split)}; figures measured on them flatter"
        tell(source, f"{text}. The run's near_copies.csv lists all")
