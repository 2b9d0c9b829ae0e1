"""Samples that a finished run is asked about: which files, how they are called, and what is done with bad ones."""

import os
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.core.calibrated import Calibration
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.core.text import some
from learnerkit.core.warn import warn
from learnerkit.data.faults import Fault, check_bad, fault_lines, refuse_faults
from learnerkit.data.hashes import told
from learnerkit.data.walk import files_below

FACTS = "prediction.json"  # what a folder of predictions says of itself
BLOCK = 256  # samples in memory at a time
REMEDY = "leave them out: bad='skip' (--bad skip) predicts the others and lists them in left_out.csv."
Sample = Path | tuple[Path, ...]  # a file, or the files of one sample's channels


@dataclass(frozen=True)
class Wanted:
    """What is asked of a prediction.

    tta: test-time views, 0 for none; codes: class indices in place of names in the files that may hold them.
    calibration: of the weights, None where nothing was fitted for them; coverage: of the sets, None without thresholds.
    drawn: how many samples are drawn at most, where the task draws any.
    until: views are taken of samples less sure than that alone; None takes them of all.
    """

    tta: int = 0
    codes: bool = False
    calibration: Calibration | None = None
    coverage: float | None = None
    drawn: int = 0
    until: float | None = None


@dataclass
class Inputs:
    """The samples to be predicted, in order.

    samples, ids: each with its own name; bad: 'refuse' or 'skip'; faults: of samples that cannot be read.
    what: they are called in messages; given: the paths that were given, whole.
    """

    samples: list[Sample]
    ids: list[str]
    what: str
    given: list[Path]
    bad: str = "refuse"
    faults: list[Fault] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.samples)

    def blocks(self, size: int = BLOCK) -> Iterator[range]:
        """The places of the samples, so many at a time, with a line of progress where there are several blocks."""
        places = [range(start, min(start + size, len(self))) for start in range(0, len(self), size)]
        return iter(told(places, f"predicting {len(self):,} samples", len(places), 2))

    def left_out(self, place: int, reason: str) -> None:
        """Set a sample aside."""
        self.faults.append(Fault(self.shown(place), reason))

    def shown(self, place: int) -> str:
        """The file of a sample, the first of several."""
        return str(_files(self.samples[place])[0])

    @property
    def goes_on(self) -> bool:
        """Whether what is good is predicted; where a bad sample refuses them all, the rest is only looked at."""
        return self.bad != "refuse" or not self.faults

    def settle(self) -> None:
        """DataError listing every bad sample, where they may not be left out, or all of them are bad.

        More than half may be left out, unlike those of a training set: nobody learns from what is left.
        """
        if self.bad == "refuse":
            refuse_faults(self.what, self.faults, len(self), remedy=REMEDY)
        if len(self.faults) == len(self):
            raise DataError(
                f"{self.what}: none of its {len(self):,} sample(s) can be read:\n  {fault_lines(self.faults)}"
            )


def find_inputs(
    files: PathLike | Sequence[PathLike], listed: Callable[[Path], list[Sample]], bad: str = "refuse"
) -> Inputs:
    """The samples of files and folders, each once; DataError names what is not there, and what holds none.

    A link and its target are two samples: each has a name of its own.
    files: one path or several; listed: the samples of one path; bad: 'refuse' or 'skip'.
    """
    check_bad(bad)
    paths = [Path(path) for path in ([files] if isinstance(files, (str, Path)) else files)]
    if not paths:
        raise DataError("predict: which samples? Give files or a folder")
    if missing := [path for path in paths if not path.exists()]:
        raise DataError(f"{some(missing)}: no such file or folder")
    found = {tuple(map(_whole, _files(sample))): sample for path in paths for sample in listed(path)}
    samples = list(found.values())
    what = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    given = list(dict.fromkeys(map(_whole, paths)))
    return Inputs(samples, names_of([_files(sample)[0] for sample in samples], paths), what, given, bad)


def inputs_below(root: Path, suffixes: Container[str] | None = None) -> list[Path]:
    """What `files_below` has of a folder, without the folders below it that earlier predictions were written to."""
    files = files_below(root, suffixes)
    inner = {parent for file in files for parent in file.relative_to(root).parents if parent.name}
    ours = {parent for parent in inner if (root / parent / FACTS).is_file()}
    return [file for file in files if ours.isdisjoint(file.relative_to(root).parents)]


def files_or_error(path: Path, files: Sequence[Path], kinds: str) -> list[Sample]:
    """The files themselves; DataError where there is none, and a note where a folder holds others too.

    kinds: what was looked for, in words.
    """
    if not files:
        raise DataError(f"{path}: holds no {kinds}")
    return list(files)


def names_of(files: Sequence[Path], roots: Sequence[Path]) -> list[str]:
    """A name a file, unique: without suffix where that is enough, else with it, else its place below what was given.

    roots: files and folders that were given.
    """
    for names in ([file.stem for file in files], [file.name for file in files]):
        if len(set(names)) == len(names):
            return names
    inside = [next((file.relative_to(root) for root in roots if file.is_relative_to(root)), file) for file in files]
    names = [place.as_posix() for place in inside]
    return names if len(set(names)) == len(names) and "." not in names else [file.as_posix() for file in files]


def tell_left_out(path: Path, others: Sequence[Path], what: str) -> None:
    """Warn of what lies in a folder and is not predicted.

    what: they are not, in words.
    """
    if others:
        warn(f"{path}: {len(others):,} file(s) are {what} and left out: {some([file.name for file in others])}")


def _files(sample: Sample) -> tuple[Path, ...]:
    return sample if isinstance(sample, tuple) else (sample,)


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # not `resolve`, which follows links
