"""Questions to the predictions of a run: fastai and learnerkit on the same, then every verb of ImageInterpretation.

python benchmarks/interpret.py [--rounds 5]
"""

import sys
import time
from functools import partial

from kit.command import main
from kit.question import Contender, Setting, Table

VERBS = [
    *("summary", "per_class", "best", "worst", "averages", "confused", "most_confused", "confusion_matrix", "mistakes"),
    *("calibration", "sets", "aurc", "coverage"),
    *("plot_confusion_matrix", "plot_per_class", "plot_calibration", "plot_confidence"),
]


def drawn(samples, classes):
    """Classes [n] and probabilities [n,K] of which nine in ten are right or nearly so."""
    import numpy as np

    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, samples)
    chances = rng.standard_normal((samples, classes), dtype=np.float32) * 2
    chances[np.arange(samples), targets] += 6
    np.exp(chances, out=chances)
    return targets, chances / chances.sum(axis=1, keepdims=True)


def run_of(folder, samples, classes):
    """A run folder with drawn predictions, a tenth as many for the valid part."""
    import numpy as np

    from learnerkit.core.files import write_json
    from learnerkit.core.run_folder import RunFolder

    run = RunFolder.create(folder, f"run{classes}")
    write_json(run.file("run.json"), {"task": "classify", "classes": []})
    write_json(run.file("class_names.json"), [f"class {code}" for code in range(classes)])
    both = zip(drawn(samples, classes), drawn(samples // 10, classes), strict=True)
    targets, chances = (np.concatenate(columns) for columns in both)
    part = np.repeat(["test", "valid"], [samples, samples // 10])
    ids = np.arange(len(targets)).astype(str)
    np.savez(run.file("predictions.npz"), ids=ids, part=part, targets=targets, probabilities=chances)
    return run.path


def bare(setting: Setting):
    import numpy as np

    samples, classes = setting.of((300, 10), (10_000, 100), (10_000, 100))
    targets, chances = drawn(samples, classes)

    def run():
        start = time.perf_counter()
        said = chances.argmax(axis=1)
        matrix = np.bincount(targets * classes + said, minlength=classes**2).reshape(classes, classes)
        off = matrix - np.diag(np.diag(matrix))
        np.argsort(off, axis=None)[::-1][:20]
        losses = -np.log(chances[np.arange(samples), targets])
        np.argsort(losses)[::-1][:9]
        return {"figure": time.perf_counter() - start, "right": int(np.trace(matrix))}

    return run


def fastai(setting: Setting):
    import torch
    from fastai.vision.all import (
        ClassificationInterpretation,
        CrossEntropyLossFlat,
        DataLoader,
        DataLoaders,
        Learner,
        nn,
    )

    samples, classes = setting.of((300, 10), (10_000, 100), (10_000, 100))
    targets, chances = drawn(samples, classes)

    class Rows(list):
        vocab = [list(range(classes))]  # of inputs and targets, of which fastai takes the last

    rows = Rows(zip(torch.from_numpy(chances).log(), torch.from_numpy(targets), strict=True))
    dl = DataLoader(rows, bs=512, num_workers=0)
    dls = DataLoaders(dl, dl, device=torch.device("cpu"))
    model = nn.Identity()
    model.register_parameter("nothing", nn.Parameter(torch.zeros(())))  # fastai asks a parameter where the model is
    learn = Learner(dls, model, CrossEntropyLossFlat())

    def run():
        with learn.no_bar():
            start = time.perf_counter()
            seen = ClassificationInterpretation.from_learner(learn)
            matrix = seen.confusion_matrix()
            seen.most_confused(2)
            seen.top_losses(9)
            return {"figure": time.perf_counter() - start, "right": int(matrix.trace())}

    return run


def learnerkit(setting: Setting):
    from learnerkit.all import ImageInterpretation

    path = run_of(setting.folder, *setting.of((300, 10), (10_000, 100), (10_000, 100)))

    def run():
        start = time.perf_counter()
        seen = ImageInterpretation.from_run(path, "test")
        matrix = seen.confusion_matrix()
        seen.most_confused(2)
        seen.worst(9)
        return {"figure": time.perf_counter() - start, "right": int(matrix.trace())}

    return run


def verbs(samples, classes, setting: Setting):
    from learnerkit.all import ImageInterpretation

    path = run_of(setting.folder, samples, classes)

    def run():
        import matplotlib.pyplot as plt

        seconds, seen = {}, ImageInterpretation.from_run(path)
        for verb in VERBS + ["suspects"] * (classes <= 100):
            start = time.perf_counter()
            getattr(seen, verb)()
            seconds[verb] = time.perf_counter() - start
            plt.close("all")
        slowest = max(seconds, key=seconds.get)
        return {"figure": seconds[slowest], "slowest": slowest, "all": sum(seconds.values())}

    return run


TABLES = {
    "answers": Table(
        title="Interpretation of 10,000 predictions of 100 classes",
        asks="How long do the confusion matrix, the most confused classes and the nine worst samples take? "
        "fastai passes the data through a model, here one that does nothing, each time it is asked; learnerkit reads a "
        "run.",
        unit="s",
        contenders={
            "numpy by hand": Contender(bare),
            "fastai": Contender(fastai),
            "learnerkit": Contender(learnerkit, "reads the run's files as well"),
        },
        base="fastai",
        columns={"right": "right"},
    ),
    "verbs": Table(
        title="Every verb of an interpretation",
        asks="Which of the 18 verbs of `ImageInterpretation` is the slowest, and how long do all take?",
        unit="s, the slowest",
        contenders={
            "10,000 x 100": Contender(partial(verbs, 10_000, 100)),
            "50,000 x 1,000": Contender(partial(verbs, 50_000, 1000), "without `suspects`"),
        },
        base="10,000 x 100",
        columns={"which": "slowest", "s, all": "all"},
        rounds=3,
        warm=False,
        quick=False,
    ),
}

if __name__ == "__main__":
    sys.exit(main("interpret"))
