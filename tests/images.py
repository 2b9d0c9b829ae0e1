"""Small sets of images that the tests share: CIFAR files, image folders."""

import pickle

import numpy as np
from PIL import Image

from learnerkit.classify.cifar import CIFAR10

CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def good_batch(rows=20, columns=3072, labels=None):
    data = np.zeros((rows, columns), np.uint8)
    return {b"data": data, b"labels": [0] * rows if labels is None else labels}


def write_cifar10(folder, rows=20, **changes):
    """A small CIFAR-10 folder in the official layout; `changes` by file name replace a batch's content."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for file in (*CIFAR10.train, CIFAR10.test):
        batch = {
            b"data": rng.integers(0, 256, (rows, 3072), dtype=np.uint8),
            b"labels": [n % 10 for n in range(rows)],
            b"filenames": [f"{n}.png".encode() for n in range(rows)],
        }
        (folder / file).write_bytes(pickle.dumps(changes.get(file, batch), protocol=2))
    (folder / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [n.encode() for n in CIFAR10_NAMES]}, protocol=2)
    )
    return folder


def write_folder(root, classes=("a", "b"), n=4, size=(8, 8), parts=("",)):
    rng = np.random.default_rng(0)
    for part in parts:
        for name in classes:
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for k in range(n):
                Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{k}.png")
    return root


def image_folder(root, n=48, seed=0):
    """Class folders of small PNG files whose brightness is their class."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 90, (12, 12, 3), dtype=np.uint8) + np.uint8(120 * (number % 2))
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return root


QUICK = "--epochs 2 --limit-batches 3 --bs 32 --size 16 --arch tiny_cnn --dropout null".split()
