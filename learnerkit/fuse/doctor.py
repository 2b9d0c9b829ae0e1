"""What `verify` and `learnerkit doctor DATA` say of a folder of pairs: what is there, faults, a batch tried."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.levels import Line
from learnerkit.data.alike import alike_lines, equal_pairs
from learnerkit.data.balance import balance_lines, class_counts, imbalance, parts_by_row
from learnerkit.data.faults import Report, told
from learnerkit.data.leftovers import unfinished_downloads
from learnerkit.data.split import Split
from learnerkit.fuse.content import proposed_keys
from learnerkit.fuse.dls import pair_dls
from learnerkit.fuse.files import Pair, read_content, read_pair, reading
from learnerkit.fuse.groups import BY_NAME
from learnerkit.fuse.listing import list_pairs
from learnerkit.fuse.model import PREFIX
from learnerkit.fuse.modes import EVERY_MODE
from learnerkit.fuse.names import NUMBERS, ranges
from learnerkit.fuse.scan import scan_pairs
from learnerkit.fuse.source import PairSource
from learnerkit.models.create import create_model
from learnerkit.pages.data_sections import begin_section, class_section, pairs_section, parts_section, samples_section
from learnerkit.pages.examined import Examined
from learnerkit.pages.page import Table
from learnerkit.pages.samples import sample_rows

KIND, SIDES, RANGE = "pairs of maps", ("saliency", "attention"), ("low", "high", "mean", "deviation")
A_CLASS = 5  # pairs of a class that are shown
WIDE = 3.0  # of two maps beside one another
SHOWN = "Samples of each class, saliency left and attention right"
REMEDY = "; class_weights='balanced' (--class-weights balanced) weighs the loss"


def verify(path: Path) -> Report:
    """All faults of a folder of pairs."""
    _, faults, n = scan_pairs(path)
    return Report(path, KIND, n, unfinished_downloads(path) + faults)


def examine(path: Path, bad: str = "refuse") -> Examined:
    """What there is to say of a folder of pairs, and its pictures.

    bad: with 'skip' the faults are told as what would be left out.
    """
    source, faults, n = scan_pairs(path)
    faults = unfinished_downloads(path) + faults
    lines: list[Line] = told(faults, n, str(path), bad)
    lines.append((source is not None, f"{path}: {n:,} files, {len(faults)} bad"))
    if source is None and (keys := _proposed(path)):
        source = scan_pairs(path, how=reading(keys))[0]
        lines.append((False, f"with --keys {','.join(keys)} it would be:"))
    examined = begin_section(KIND, n, faults, lines)
    if source is not None:
        examined.lines += _described(source)
        tried, split = _tried(source)
        _add_facts(examined, source, split)
        examined.lines += tried
    return examined


def _add_facts(examined: Examined, source: PairSource, split: Split | None) -> None:
    """Add the numbers and pictures of a set to what is said of it."""
    parts = parts_by_row(split, len(source))
    classes = class_counts(source.labels, parts, source.vocab)
    images = len(set(source.groups.tolist()))
    examined.headlines[:0] = [("pairs", f"{len(source):,}"), ("source images", f"{images:,}")]
    examined.facts |= {
        "usable": len(source),
        "fingerprint": source.fingerprint,
        "shape": list(source.shape),
        "source_images": images,
        "groups_by": source.origin["group"],
        "layers": _layer_counts(source),
        "maps": {name: _range(source, number) for number, name in enumerate(SIDES)},
    }
    if split is not None:
        examined.add(parts_section(split.counts, split.by))
    examined.add(class_section(classes, imbalance(classes), balance_lines(classes, "pairs", REMEDY), "pairs"))
    rows, equal = {name: row for row, name in enumerate(source.ids)}, equal_pairs(source, parts)

    def picture(row: int) -> np.ndarray:
        return source.pictures(np.array([row]))[0]

    examined.add(pairs_section(equal, None, alike_lines(source, equal, [], None), lambda name: picture(rows[name])))
    examined.tables += [*_layer_table(examined.facts["layers"]), _map_table(examined.facts["maps"])]
    chosen = sample_rows(source.labels, A_CLASS)
    present = [int(source.labels[some[0]]) for some in chosen]
    names, counts = [source.vocab[code] for code in present], [classes[code]["all"] for code in present]
    examined.add(samples_section(names, counts, lambda place: [picture(row) for row in chosen[place]], SHOWN, WIDE))


def _layer_counts(source: PairSource) -> dict[str, dict[str, int]]:
    """Pairs of each class by the layer that their maps are of, '' where no name says one."""
    found = {}
    for layer in np.unique(source.layers).tolist():
        counts = np.bincount(source.labels[source.layers == layer], minlength=len(source.vocab)).tolist()
        found[layer] = dict(zip(source.vocab, counts, strict=True))
    return found


def _layer_table(layers: dict[str, dict[str, int]]) -> list[Table]:
    if len(layers) < 2:
        return []
    rows = [(name, *(f"{counts[name]:,}" for counts in layers.values())) for name in next(iter(layers.values()))]
    return [Table("Pairs of each class by layer", ("class", *layers), rows, long=len(rows) > 20)]


def _map_table(maps: dict[str, dict]) -> Table:
    rows = [(name, *(f"{found[key]:.4g}" for key in RANGE), ", ".join(found["stored"])) for name, found in maps.items()]
    return Table("Values of the maps", ("map", *RANGE, "stored as"), rows)


def _range(source: PairSource, number: int) -> dict[str, Any]:
    """Ends, mean and deviation of the saliency (0) or attention (1) maps of at most 2,000 pairs, and stored types."""
    maps = source.maps[number][:: max(1, len(source) // 2000)]
    values = (float(getattr(maps, way)()) for way in ("min", "max", "mean", "std"))
    return {**dict(zip(RANGE, values, strict=True)), "stored": dict(source.origin["dtypes"][number])}


def _proposed(path: Path) -> tuple[str, str, str] | None:
    """Keys that the first file could be read by; None where it is in doubt, or read as it is."""
    file = list_pairs(path)[0]
    if isinstance(read_pair(file), Pair):
        return None
    try:
        return proposed_keys(read_content(file))
    except DataError:
        return None


def _described(source: PairSource) -> list[Line]:
    counts = Counter(source.labels.tolist())
    present = [source.vocab[code] for code in sorted(counts)]
    lines = [(True, f"{len(present)} of {len(source.vocab)} classes present: {', '.join(present[:30])}")]
    lines.append((True, f"class numbers in the files: {ranges(source.origin['class_numbers'])}; {_named(source)}"))
    lines.append((True, f"pairs a class: {min(counts.values()):,} to {max(counts.values()):,}"))
    for layer, count in sorted(Counter(source.layers.tolist()).items()):
        of_class = Counter(source.labels[source.layers == layer].tolist())
        few, many = min(of_class.values()), max(of_class.values())
        lines.append((True, f"layer {layer or '(not named)'}: {count:,} pairs, {few:,} to {many:,} a class"))
    images, by = len(set(source.groups.tolist())), source.origin["group"]
    what = "the files' names" if by == BY_NAME else by
    lines.append((True, f"{len(source):,} files, {images:,} source images, by {what}; maps of {source.shape}"))
    if source.parts[0]:
        lines.append((True, f"parts by their folders: {dict(Counter(source.parts.tolist()))}"))
    for number, name in enumerate(SIDES):
        found = _range(source, number)
        stored = ", ".join(f"{count:,} {dtype}" for dtype, count in found["stored"].items())
        spread = "{low:.4g} to {high:.4g}, mean {mean:.4g}, deviation {deviation:.4g}".format(**found)
        lines.append((found["high"] > found["low"], f"{name} maps: {stored}; {spread}"))
    return lines + [(True, f"note: {note}") for note in source.notes]


def _named(source: PairSource) -> str:
    by = source.origin["names"]
    return "nothing names the classes" if by == NUMBERS else f"named by {by}"


def _tried(source: PairSource) -> tuple[list[Line], Split | None]:
    """Every fusion with a small network on one batch of the loader, and the parts as they are dealt."""
    try:
        dls = pair_dls(replace(source, notes=[]), bs=min(8, max(2, len(source) // 4)))
        first, second, codes = (part.as_subclass(torch.Tensor) for part in dls.train.one_batch())
        for mode in EVERY_MODE:
            model = create_model(f"{PREFIX}tiny_cnn", source.channels, len(source.vocab), fusion=mode)
            model.to(first.device)
            loss = torch.nn.functional.cross_entropy(model(first, second), codes)
            loss.backward()
            if not np.isfinite(loss.item()):
                return [(False, f"fusion {mode}: the loss of a batch is {loss.item()}; try stats=data")], dls.split
    except LearnerkitError as error:
        return [(False, str(error))], None
    return [(True, f"parts {dls.split.counts}; a batch through {', '.join(EVERY_MODE)}")], dls.split
