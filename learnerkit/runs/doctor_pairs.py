"""What `learnerkit doctor DATA` says of a folder of pairs: what is there, value ranges, faults, a batch tried."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from learnerkit.core.errors import LearnerkitError
from learnerkit.core.modes import EVERY_MODE
from learnerkit.data.pair_block import pair_dls
from learnerkit.data.pairs import PairSource, scan_pairs
from learnerkit.models.create import create_model

Line = tuple[bool, str]


def examine_pairs(path: Path) -> list[Line]:
    """Lines of (good, text) about a folder of pairs."""
    source, faults, n = scan_pairs(path)
    lines = [(False, str(fault)) for fault in faults]
    lines.append((source is not None, f"{path}: {n:,} files, {len(faults)} bad"))
    if source is None:
        return lines
    counts = Counter(source.labels.tolist())
    present = [source.vocab[code] for code in sorted(counts)]
    lines.append((True, f"{len(present)} of {len(source.vocab)} classes present: {', '.join(present[:30])}"))
    lines.append((True, f"pairs a class: {min(counts.values()):,} to {max(counts.values()):,}"))
    for layer, count in sorted(Counter(source.layers.tolist()).items()):
        of_class = Counter(source.labels[source.layers == layer].tolist())
        few, many = min(of_class.values()), max(of_class.values())
        lines.append((True, f"layer {layer or '(not named)'}: {count:,} pairs, {few:,} to {many:,} a class"))
    lines.append((True, f"{len(set(source.groups.tolist())):,} source images; maps of {source.shape}"))
    for number, name in enumerate(("saliency", "attention")):
        maps = source.maps[number][:: max(1, len(source) // 2000)]
        low, high, mean, std = maps.min(), maps.max(), maps.mean(), maps.std()
        lines.append((high > low, f"{name} maps: {low:.4g} to {high:.4g}, mean {mean:.4g}, deviation {std:.4g}"))
    return lines + _tried(source)


def _tried(source: PairSource) -> list[Line]:
    """Every fusion with a small network on one batch of the loader."""
    try:
        dls = pair_dls(source, bs=min(8, max(2, len(source) // 4)))
        first, second, codes = (part.as_subclass(torch.Tensor) for part in dls.train.one_batch())
        for mode in EVERY_MODE:
            model = create_model("tiny_cnn", source.shape[0], len(source.vocab), fusion=mode)
            loss = torch.nn.functional.cross_entropy(model(first, second), codes)
            loss.backward()
            if not np.isfinite(loss.item()):
                return [(False, f"fusion {mode}: the loss of a batch is {loss.item()}; try normalize")]
    except LearnerkitError as error:
        return [(False, str(error))]
    return [(True, f"parts {dls.split.counts}; a batch through {', '.join(EVERY_MODE)}")]
