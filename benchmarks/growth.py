"""How time an item and memory grow: images, classes, pairs and runs, each from few to many.

python benchmarks/growth.py [--rounds 5]

An item's time should stay flat to 10 % from the smallest to the greatest set, and memory what the forecast says.
"""

import sys
import time
from functools import partial

from input import arrays
from kit.command import main
from kit.machine import peak_mb
from kit.question import Contender, Row, Setting, Table, Target, growth
from pairs import generate, passed

FLAT = 1.1
IMAGES, CLASSES = (50_000, 200_000, 2_000_000), (10, 100, 1000)
PAIRS, RUNS = (16_800, 50_000, 100_000), (10, 100, 1000)


def smaller(n, setting: Setting):
    """The number for the size at hand: a hundredth for a trial, a tenth for a quick look."""
    return setting.of(max(600, n // 500), n // 10, n)


def images(n, setting: Setting):
    """Microseconds an image of a whole pass, crop and flip and normalised; memory beside the array's own."""
    n = smaller(n, setting)
    from learnerkit.all import array_dls

    before = peak_mb()
    pixels, labels = arrays(n)
    array = pixels.nbytes / 1e6
    dls = array_dls(pixels, labels, bs=512, crop=4, flip=True, split=(0.98, 0.01, 0.01))
    del pixels

    def run():
        start, seen = time.perf_counter(), 0
        for x, _ in dls.train:
            seen += len(x)
        seconds = time.perf_counter() - start
        held = peak_mb() - before
        return {"figure": seconds / seen * 1e6, "array": array, "held": held, "of_array": held / array}

    return run


def classes(k, setting: Setting):
    """Microseconds an image of an epoch of simple_cnn's, training and validation with its metrics."""
    n = setting.of(256, 2048, 4096)
    import numpy as np

    from learnerkit.all import array_dls, image_learner

    pixels, _ = arrays(max(n, 4 * k))
    dls = array_dls(pixels, np.arange(len(pixels)) % k, bs=128, crop=4, flip=True, split=(0.5, 0.25, 0.25))
    learn = image_learner(dls, "simple_cnn")
    learn.logger = lambda row: None
    passed_through = len(dls.train) * 128 + len(dls.valid.items)

    def run():
        with learn.no_bar():
            start = time.perf_counter()
            learn.fit(1, 0.01)
        return (time.perf_counter() - start) / passed_through * 1e6

    return run


def pairs(n, setting: Setting):
    """Microseconds a pair of a pass through the loader; the packed file's size is the forecast."""
    root, cache = setting.folder / f"pairs of {n}", setting.folder / f"cache of {n}"
    n = smaller(n, setting)
    from learnerkit.all import saliency_dls

    generate(root, n)
    start = time.perf_counter()
    dls = saliency_dls(root, bs=64, cache=cache)
    opened = (time.perf_counter() - start) / n * 1e6
    packed = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()) / 1e6

    def run():
        rate = passed(dls.train, lambda batch: len(batch[-1]))
        return {"figure": 1e6 / rate, "opened": opened, "packed": packed}

    return run


def runs(n, setting: Setting):
    """Milliseconds a run of a cold look at a folder of runs, which are made without a training."""
    root, n = setting.folder / f"runs of {n}", setting.of(max(2, n // 100), n, n)
    from many_runs import write_runs

    from learnerkit.runs.index import Index

    write_runs(root, n, 30)

    def run():
        start = time.perf_counter()
        rows = Index(root).rows()
        seconds = time.perf_counter() - start
        if len(rows) != n:
            raise RuntimeError(f"{len(rows)} runs found of {n}")
        return seconds / n * 1e3

    return run


def slowest_of(name, fact):
    """The fact of the last row, as a target's figure."""

    def figure(rows: dict[str, Row]):
        return rows[name].facts.get(fact)

    return figure


def table(title, asks, unit, make, sizes, **kwargs):
    names = [f"{n:,}" for n in sizes]
    flat = Target(f"time an item of {names[-1]}, in parts of that of {names[0]}", growth, FLAT)
    given = {"targets": [flat], **kwargs}
    contenders = {name: Contender(partial(make, n)) for name, n in zip(names, sizes, strict=True)}
    return Table(title=title, asks=asks, unit=unit, contenders=contenders, base=names[0], **given)


MEMORY = Target("memory of an opened array, in parts of it", slowest_of("2,000,000", "of_array"), 1.2)
TABLES = {
    "images": table(
        "Growth: images",
        "Does a whole pass over an array in memory (32x32, crop, flip, normalised) cost as much an image, whether "
        "there are 50,000 or 2,000,000? The forecast of memory is the array's own.",
        "us an image",
        images,
        IMAGES,
        columns={"MB of the array": "array", "MB held": "held", "in parts of it": "of_array"},
        rounds=3,
        each_alone=True,
        quick=False,
        targets=[Target("time an image of 2,000,000, in parts of that of 50,000", growth, FLAT), MEMORY],
    ),
    "classes": table(
        "Growth: classes",
        "Does an epoch of simple_cnn on 4,096 images cost as much an image with 1,000 classes as with 10, its metrics "
        "included?",
        "us an image",
        classes,
        CLASSES,
        rounds=3,
        quick=False,
    ),
    "pairs": table(
        "Growth: pairs",
        "Does a pass over packed pairs of maps cost as much a pair with 100,000 of them as with 16,800? The forecast "
        "of the disk is 24.6 kB a pair.",
        "us a pair",
        pairs,
        PAIRS,
        columns={"us a pair, first open": "opened", "MB packed": "packed"},
        rounds=3,
        each_alone=True,
        quick=False,
    ),
    "runs": table(
        "Growth: runs in a folder",
        "Does a look at a folder of runs cost as much a run, whether there are 10 or 1,000? Read anew each time.",
        "ms a run",
        runs,
        RUNS,
        rounds=3,
    ),
}

if __name__ == "__main__":
    sys.exit(main("growth"))
