"""Small detection sets that the tests share: bright squares and bars on noise, in five channels."""

import numpy as np

from learnerkit.all import detection_dls, detection_learner

NAMES = ("square", "bar")
SMALL = {"detections": 20, "proposals": (100, 50), "stochastic_depth": 0.1}


def scene(rng, side=64, channels=5):
    """A frame uint8 [side,side,channels] and its label lines."""
    frame = rng.integers(0, 80, (side, side, channels), dtype=np.uint8)
    lines = []
    for place in range(rng.integers(1, 4)):
        code = int(rng.integers(0, 2))
        width, height = (14, 14) if code == 0 else (22, 8)
        x, y = int(rng.integers(0, side - width)), 21 * place
        frame[y : y + height, x : x + width] = (230, 200, 40, 220, 128)[:channels]
        box = ((x + width / 2) / side, (y + height / 2) / side, width / side, height / side)
        lines.append(f"{code} " + " ".join(f"{value:.6f}" for value in box))
    return frame, lines


def write_scenes(root, n=10, side=64, channels=5, seed=0, parts=True):
    """A set below `root`: images/0000.npy and so on, labels, classes.txt and, with `parts`, lists of them."""
    rng = np.random.default_rng(seed)
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names = [f"{number:04d}" for number in range(n)]
    for name in names:
        frame, lines = scene(rng, side, channels)
        np.save(root / "images" / f"{name}.npy", frame)
        (root / "labels" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (root / "classes.txt").write_text("\n".join(NAMES) + "\n")
    if parts:
        bounds = {"train": names[: n - 4], "val": names[n - 4 : n - 2], "test": names[n - 2 :]}
        for part, listed in bounds.items():
            (root / f"{part}.txt").write_text("\n".join(listed) + "\n")
    return root


def toy_detector(root, cbs=None, bs=2, dls=None, **kwargs):
    """A small learner on a small set; the set is written where it is not there."""
    if dls is None:
        if not (root / "classes.txt").exists():
            write_scenes(root)
        dls = detection_dls(root, bs=bs)
    settings = {"lr": 1e-3, "opt": "adamw", "wd": 1e-4, "seed": 1, "box_batch_size_per_image": 16, "model_args": SMALL}
    learn = detection_learner(dls, "mit_b0", cbs=cbs, **{**settings, **kwargs})
    learn.logger = lambda row: None
    return learn
