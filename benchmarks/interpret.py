"""Seconds of every verb of ImageInterpretation on predictions that a run has kept, and the memory that all take.

    python benchmarks/interpret.py [--samples 10000] [--classes 100]
    python benchmarks/interpret.py --samples 50000 --classes 1000

Predictions are drawn, a tenth of them as the valid part. Prints a line a verb, in seconds, then the greatest memory of
the process, with what it was before the predictions were read. `suspects` is timed up to 100 classes.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np

from learnerkit.all import ImageInterpretation
from learnerkit.core.files import write_json
from learnerkit.core.run_folder import RunFolder

VERBS = [
    *("summary", "per_class", "best", "worst", "averages", "confused", "most_confused", "confusion_matrix", "mistakes"),
    *("calibration", "sets", "aurc", "coverage"),
    *("plot_confusion_matrix", "plot_per_class", "plot_calibration", "plot_confidence"),
]


def written(folder, samples, classes):
    """A run folder with drawn predictions, nine in ten of them right or nearly so."""
    rng, run = np.random.default_rng(0), RunFolder.create(folder, "run")
    write_json(run.file("run.json"), {"task": "classify", "classes": []})
    write_json(run.file("class_names.json"), [f"class {code}" for code in range(classes)])
    valid = samples // 10
    targets = rng.integers(0, classes, samples + valid)
    chances = rng.standard_normal((len(targets), classes), dtype=np.float32) * 2
    chances[np.arange(len(targets)), targets] += 6
    np.exp(chances, out=chances)
    chances /= chances.sum(axis=1, keepdims=True)
    part = np.repeat(["valid", "test"], [valid, samples])
    ids = np.arange(len(targets)).astype(str)
    np.savez(run.file("predictions.npz"), ids=ids, part=part, targets=targets, probabilities=chances)
    return run.path


def megabytes():
    """The greatest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=100)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), args.samples, args.classes)
        before, seconds = megabytes(), {}
        begun = time.perf_counter()
        seen = ImageInterpretation.from_run(path)
        seconds["from_run"] = time.perf_counter() - begun
        for verb in VERBS + ["suspects"] * (args.classes <= 100):
            begun = time.perf_counter()
            getattr(seen, verb)()
            seconds[verb] = time.perf_counter() - begun
            print(f"{verb:24}{seconds[verb]:8.3f}", flush=True)
    slowest = max(seconds, key=seconds.get)
    found = {
        "samples": args.samples,
        "classes": args.classes,
        "slowest": slowest,
        "MB": megabytes(),
        "MB_before": before,
    }
    print(json.dumps({**found, "seconds": round(seconds[slowest], 3)}))


if __name__ == "__main__":
    main()
