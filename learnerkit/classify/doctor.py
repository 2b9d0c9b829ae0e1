"""What `verify` and `learnerkit doctor DATA` say of a set of images: every fault, copies, and what is there."""

import warnings
from pathlib import Path

import numpy as np

from learnerkit.classify.cifar import is_cifar, scan_cifar
from learnerkit.classify.folder import list_folder
from learnerkit.classify.look import Looked, look_at_set
from learnerkit.classify.reading import scan_folder, stream_folder
from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError
from learnerkit.core.levels import Line
from learnerkit.core.text import some
from learnerkit.data.alike import alike_lines, equal_pairs, near_pairs
from learnerkit.data.balance import balance_lines, class_counts, imbalance, parts_by_row
from learnerkit.data.faults import Report, told
from learnerkit.data.hashes import SIDE
from learnerkit.data.leftovers import unfinished_downloads
from learnerkit.data.look_facts import class_brightness, look_facts, look_lines, shortcut_lines
from learnerkit.data.near_copies import near_copies_of
from learnerkit.data.parts import parts_of
from learnerkit.data.pictures import SUFFIXES
from learnerkit.data.split import Split
from learnerkit.data.walk import holds
from learnerkit.pages.data_sections import (
    begin_section,
    class_section,
    look_section,
    pairs_section,
    parts_section,
    samples_section,
)
from learnerkit.pages.examined import Examined
from learnerkit.pages.samples import sample_rows

OF_A_RUN = " The run's near_copies.csv lists all"  # in a warning of a training
REMEDY = "; sampler='balanced' (--sampler balanced) draws them equally often"


def is_set(path: Path) -> bool:
    """Whether a path is a CIFAR set, or a folder with images somewhere below it."""
    return is_cifar(path) or (path.is_dir() and holds(path, SUFFIXES))


def verify(path: Path) -> Report:
    """All faults of a CIFAR set or of class folders, and near copies across their parts.

    Copies that contradict each other are faults of folders.
    """
    report, source = _scanned(path)
    if source is not None and report:
        report.near_copies.extend(map(str, near_copies_of(source, source.labels)[0]))
    return report


def _scanned(path: Path) -> tuple[Report, ImageSource | None]:
    """The faults of a set, and what is good of it; None where that is too little."""
    left = unfinished_downloads(path)
    if is_cifar(path):
        source, faults, rows = scan_cifar(path)
        return Report(path, source.name if source else "CIFAR", rows, left + faults), source
    listing = list_folder(path)
    report = Report(path, "image folder", len(listing.files), left + scan_folder(listing))
    if report.faults:  # they are mended first
        return report, None
    try:
        return report, stream_folder(listing, (SIDE, SIDE), bad="skip", checked=True)
    except DataError:
        return report, None


def examine(path: Path, bad: str = "refuse") -> Examined:
    """What there is to say of a set of images, and its pictures.

    bad: with 'skip' the faults are told as what would be left out.
    """
    seen = look_at_set(path)
    lines: list[Line] = told(seen.faults, seen.samples, str(path), bad)
    if not all(good for good, _ in lines):
        lines.append((False, f"{path}: {seen.samples:,} images, {len(seen.faults)} fault(s)"))
    examined = begin_section(seen.kind, seen.samples, seen.faults, lines)
    if seen.source is not None:
        _describe(examined, path, seen, seen.source)
    return examined


def _describe(examined: Examined, path: Path, seen: Looked, source: ImageSource) -> None:
    """Add what is there to what is wrong."""
    split, said = _dealt(source)
    parts, vocab = parts_by_row(split, len(source)), source.vocab
    facts, by_class = look_facts(seen.looks, source.ids), class_brightness(seen.looks, source.labels, vocab)
    size = _size_text(facts["sizes"])
    examined.lines += said
    examined.lines += [(True, f"{path}: {len(source):,} images of {size}, {len(vocab)} classes")]
    examined.facts |= {"usable": len(source), "fingerprint": source.fingerprint}
    examined.headlines[:0] = [("images", f"{len(source):,}")]
    if facts["sizes"]["distinct"] > 1:
        most = max(facts["sizes"]["common"][0][side] for side in ("width", "height"))
        text = f"its images have {facts['sizes']['distinct']} sizes in pixels; pass size= (--size), such as {most}"
        examined.lines.append((None, text))
    if split is not None:
        per_class = np.bincount(source.labels, minlength=len(vocab))
        dealt = f"images a class: {per_class.min():,} to {per_class.max():,}; parts {split.counts} by {split.by}"
        examined.lines.append((True, dealt))
        examined.add(parts_section(split.counts, split.by))
    examined.lines.append((True, f"fingerprint {source.fingerprint}"))
    classes = class_counts(source.labels, parts, vocab)
    examined.add(class_section(classes, imbalance(classes), balance_lines(classes, "images", REMEDY), "images"))
    lines = look_lines(facts) + shortcut_lines(seen.looks, source.labels, vocab)
    sides = (np.array([getattr(look, side) for look in seen.looks]) for side in ("width", "height"))
    means = np.array([look.mean for look in seen.looks])
    examined.add(look_section(facts, lines, means, parts, by_class, *sides))
    _add_alike(examined, seen, source, split, parts)
    chosen = sample_rows(source.labels)
    present = [int(source.labels[rows[0]]) for rows in chosen]
    names, counts = [vocab[code] for code in present], [classes[code]["all"] for code in present]
    examined.add(samples_section(names, counts, lambda place: [seen.picture(row) for row in chosen[place]]))


def _add_alike(examined: Examined, seen: Looked, source: ImageSource, split: Split | None, parts: np.ndarray) -> None:
    equal, near = equal_pairs(source, parts), near_pairs(source, split)
    rows = {name: row for row, name in enumerate(source.ids)}
    section = pairs_section(equal, near, alike_lines(source, equal, near, split), lambda name: seen.picture(rows[name]))
    examined.add(section)


def _dealt(source: ImageSource) -> tuple[Split | None, list[Line]]:
    """The parts as a training would deal them, None where it could not, and what it would say."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            split = parts_of(source, 1, None, 42, None, source.labels, source.groups)
        except DataError as error:
            return None, [(False, str(error))]
    said = [str(warning.message).removeprefix(f"{source.name}: ") for warning in caught]
    return split, [(None, text.removesuffix(OF_A_RUN)) for text in said]


def _size_text(sizes: dict) -> str:
    common = [f"{row['width']}x{row['height']}" for row in sizes["common"]]
    return common[0] if sizes["distinct"] == 1 else f"{sizes['distinct']} sizes ({some(common)})"
