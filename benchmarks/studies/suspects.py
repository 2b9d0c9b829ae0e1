"""Planted wrong labels: how many of them the suspects are, from predictions out of fold.

    python benchmarks/studies/suspects.py [DATA] [--flipped .05] [--epochs 6] [--arch simple_cnn] [--seeds 0,1,2]
    python benchmarks/studies/suspects.py --tiny

DATA is the official CIFAR-10 python folder, whose training part is taken; the handwritten digits of scikit-learn
without it. A share of the labels is changed into other classes, five models are trained, each without one fold, and the
suspects are compared with what was planted. Prints a line a seed: suspects, recall, precision, and the precision of the
first 250 (of as many as were planted, where those are fewer) with how many times the base rate it is.
"""

import argparse
import json
import warnings

import numpy as np
from sklearn.datasets import load_digits

from learnerkit.all import array_dls, image_learner
from learnerkit.classify.cifar import read_cifar
from learnerkit.classify.suspects import find_suspects


def images_and_labels(data):
    """Training images uint8 [N,C,H,W] and labels of CIFAR-10, or the digits at 16 pixels."""
    if data is None:
        digits = load_digits()
        return (digits.images[:, None] * 15.9).astype(np.uint8).repeat(2, 2).repeat(2, 3), digits.target
    source = read_cifar(data)
    rows = np.flatnonzero(source.parts == "train")
    return source.images[rows], source.labels[rows]


def trial(images, labels, args, seed):
    """Plant, train five models, look for the suspects."""
    rng, labels = np.random.default_rng(seed), labels.copy()
    planted = rng.choice(len(labels), round(args.flipped * len(labels)), replace=False)
    labels[planted] = (labels[planted] + rng.integers(1, 10, len(planted))) % 10
    few = {"bs": 64, "keeps": ("mirror",) if args.data else (), "flip": bool(args.data), "crop": 2}

    def fitted(names):
        learn = image_learner(array_dls(images, labels, split=names, **few), args.arch, seed=seed)
        with learn.no_bar(), learn.no_logging():
            learn.fit_one_cycle(args.epochs, 0.05)
        return learn

    dls = array_dls(images, labels, split=(0.85, 0.15, 0.0), **few)
    table, _ = find_suspects(dls, fitted, None, folds=args.folds, seed=seed)
    found = np.isin(table["id"].astype(int), planted)
    first = min(250, len(planted))
    precision = float(found[:first].mean())
    return {
        "seed": seed,
        "samples": len(labels),
        "planted": len(planted),
        "suspects": len(table),
        "recall": round(float(found.sum() / len(planted)), 3),
        "precision": round(float(found.mean()), 3),
        f"precision_of_first_{first}": round(precision, 3),
        "times_the_base_rate": round(precision / args.flipped, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--flipped", type=float, default=0.05)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--arch", default="simple_cnn")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    if args.tiny:
        args.data, args.epochs, args.arch, args.folds, args.seeds = None, 1, "tiny_cnn", 2, "0"
    images, labels = images_and_labels(args.data)
    warnings.simplefilter("ignore")  # of copies and of what a fold leaves out
    for seed in map(int, args.seeds.split(",")):
        print(json.dumps(trial(images, labels, args, seed)), flush=True)


if __name__ == "__main__":
    main()
