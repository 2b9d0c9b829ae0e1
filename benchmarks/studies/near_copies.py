"""Planted near copies in CIFAR-10: how many are found, of each kind and mixed, what is found besides, how long.

    python benchmarks/studies/near_copies.py DATA [--planted 200] [--seeds 1,2,3] [--sheet FILE]
    python benchmarks/studies/near_copies.py --tiny

DATA is the official CIFAR-10 python folder, or class folders in train/ and test/. Changed copies of training images are
added to the test part and looked for: recall is of the planted pairs, precision of the pairs that have a planted image.
Pairs without one are the set's own and are counted apart; --sheet draws them side by side. --tiny takes textures, for
the machinery alone. Prints a line a trial.
"""

import argparse
import io
import json
import time
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance

from learnerkit.classify.cifar import is_cifar, read_cifar
from learnerkit.classify.folder import list_folder
from learnerkit.classify.reading import read_folder
from learnerkit.data.similar import near_copies

HOW = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


def encode(image, rng):
    """As a JPEG of quality 30 to 95."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(rng.integers(30, 96)))
    return Image.open(file).convert("RGB")


def resize(image, rng):
    """To 16 to 64 pixels a side and back, bilinear or bicubic."""
    side = int(rng.integers(16, 65))
    return image.resize((side, side), HOW[rng.integers(2)]).resize(image.size, HOW[rng.integers(2)])


def shift(image, rng):
    """By 1 to 4 pixels, down or up, right or left; what is new is black, the edge or what went out at the other end."""
    pixels, (down, right) = np.asarray(image), (0, 0)
    while not (down or right):
        down, right = rng.integers(-4, 5, 2)
    fill = ("constant", "edge", "roll")[rng.integers(3)]
    if fill == "roll":
        return Image.fromarray(np.roll(pixels, (down, right), (0, 1)))
    padded = np.pad(pixels, ((4, 4), (4, 4), (0, 0)), fill)
    return Image.fromarray(padded[4 - down : 36 - down, 4 - right : 36 - right])


def mirror(image, rng):
    """Left and right exchanged."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def brighten(image, rng):
    """Brightness or contrast times .7 to 1.4."""
    kind = (ImageEnhance.Brightness, ImageEnhance.Contrast)[rng.integers(2)]
    return kind(image).enhance(rng.uniform(0.7, 1.4))


KINDS = {change.__name__: (change,) for change in (encode, resize, shift, mirror, brighten)}
TWO = {f"{a}, {b}": KINDS[a] + KINDS[b] for a, b in permutations(KINDS, 2)}


def changed(pixels, changes, rng):
    """An image uint8 [3,32,32] after some changes."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    for change in changes:
        image = change(image, rng)
    return np.asarray(image).transpose(2, 0, 1)


def trial(train, test, kinds, n, seed):
    """Plant n copies, the kinds in turn; (figures, pairs of rows of test and of train that are the set's own)."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(train), n, replace=False)
    planted = np.stack([changed(train[row], kinds[k % len(kinds)], rng) for k, row in enumerate(rows)])
    start = time.perf_counter()
    found = {(pair.first, pair.second) for pair in near_copies(np.concatenate([test, planted]), train)}
    seconds = time.perf_counter() - start
    truth = {(len(test) + k, int(row)) for k, row in enumerate(rows)}
    of_planted = {pair for pair in found if pair[0] >= len(test)}
    right = len(of_planted & truth)
    figures = {"planted": n, "found": right, "recall": right / n, "precision": right / max(1, len(of_planted))}
    own = found - of_planted
    return {**figures, "besides": len(own), "seconds": round(seconds, 1)}, own


def draw(pairs, train, test, file):
    """Pairs side by side, ten in a line."""
    sheet = Image.new("RGB", (10 * 140, 70 * ((len(pairs) + 9) // 10)), "white")
    for k, (row, other) in enumerate(sorted(pairs)):
        for x, pixels in ((0, test[row]), (66, train[other])):
            sheet.paste(Image.fromarray(pixels.transpose(1, 2, 0)).resize((64, 64)), (k % 10 * 140 + x, k // 10 * 70))
    sheet.save(file)


def textures(n, seed=0):
    """Images of noise with structure at every scale."""
    noise = [torch.from_numpy(np.random.default_rng(seed).normal(0, 30, (n, 3, side, side))) for side in (4, 8, 16, 32)]
    images = 128 + sum(torch.nn.functional.interpolate(layer, (32, 32), mode="bicubic") for layer in noise)
    return images.clip(0, 255).numpy().astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--sheet")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as a training does it
    if arguments.tiny:
        return study(textures(200), textures(40, seed=1), (1,), 20, None)
    if arguments.data is None:
        parser.error("DATA, a set of 32x32 images with the parts train and test, or --tiny")
    path = arguments.data
    source = read_cifar(path) if is_cifar(path) else read_folder(list_folder(path))
    train, test = (source.images[source.parts == part] for part in ("train", "test"))
    study(train, test, tuple(map(int, arguments.seeds.split(","))), arguments.planted, arguments.sheet)


def study(train, test, seeds, planted, sheet):
    """Each kind, all pairs of kinds, and all of these, with each seed."""
    mixtures = {name: [kind] for name, kind in KINDS.items()}
    mixtures |= {"two": list(TWO.values()), "mixed": [*KINDS.values(), *TWO.values()]}
    print(f"{len(train):,} training and {len(test):,} test images")
    for name, kinds in mixtures.items():
        for seed in seeds:
            figures, own = trial(train, test, kinds, planted, seed)
            print(json.dumps({"kind": name, "seed": seed, **figures}), flush=True)
    if sheet:
        draw(own, train, test, sheet)


if __name__ == "__main__":
    main()
