"""What `verify` and `learnerkit doctor DATA` say of a folder of pairs: what is there, faults, a batch tried."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.data.faults import Report, told
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
from learnerkit.task import Line


def verify(path: Path) -> Report:
    """All faults of a folder of pairs."""
    _, faults, n = scan_pairs(path)
    return Report(path, "pairs of maps", n, faults)


def examine(path: Path, bad: str = "refuse") -> list[Line]:
    """Lines of (good, text) about a folder of pairs.

    bad: with 'skip' the faults are told as what would be left out.
    """
    source, faults, n = scan_pairs(path)
    lines = told(faults, n, str(path), bad)
    lines.append((source is not None, f"{path}: {n:,} files, {len(faults)} bad"))
    if source is None and (keys := _proposed(path)):
        source = scan_pairs(path, how=reading(keys))[0]
        lines.append((False, f"with --keys {','.join(keys)} it would be:"))
    return lines if source is None else lines + _described(source) + _tried(source)


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
    for number, name in enumerate(("saliency", "attention")):
        maps = source.maps[number][:: max(1, len(source) // 2000)]
        low, high, mean, std = maps.min(), maps.max(), maps.mean(), maps.std()
        stored = ", ".join(f"{count:,} {dtype}" for dtype, count in source.origin["dtypes"][number].items())
        spread = f"{low:.4g} to {high:.4g}, mean {mean:.4g}, deviation {std:.4g}"
        lines.append((bool(high > low), f"{name} maps: {stored}; {spread}"))
    return lines + [(True, f"note: {note}") for note in source.notes]


def _named(source: PairSource) -> str:
    by = source.origin["names"]
    return "nothing names the classes" if by == NUMBERS else f"named by {by}"


def _tried(source: PairSource) -> list[Line]:
    """Every fusion with a small network on one batch of the loader."""
    try:
        dls = pair_dls(replace(source, notes=[]), bs=min(8, max(2, len(source) // 4)))
        first, second, codes = (part.as_subclass(torch.Tensor) for part in dls.train.one_batch())
        for mode in EVERY_MODE:
            model = create_model(f"{PREFIX}tiny_cnn", source.channels, len(source.vocab), fusion=mode)
            loss = torch.nn.functional.cross_entropy(model(first, second), codes)
            loss.backward()
            if not np.isfinite(loss.item()):
                return [(False, f"fusion {mode}: the loss of a batch is {loss.item()}; try stats=data")]
    except LearnerkitError as error:
        return [(False, str(error))]
    return [(True, f"parts {dls.split.counts}; a batch through {', '.join(EVERY_MODE)}")]
