"""What the controls say of explanations after a real training: agreement, randomised weights, deletion and insertion.

    python benchmarks/studies/explanations.py DATA [--arch wrn_16_1] [--epochs 18] [--images 256] [--weights FILE]
    python benchmarks/studies/explanations.py --tiny

DATA is the official CIFAR-10 python folder; --tiny takes an epoch on the embedded digits, for the machinery alone. A
classifier is trained on every training image; what it predicts of the first test images is explained by Grad-CAM of its
last and of a middle block and by the input's gradient. Weights are kept in FILE, and read from it the next time. Prints
a line a measure: mean, how much that is above the mean with maps of other images, its 95 % bootstrap interval. Beside
the methods an order of 8x8 blocks at random is deleted and inserted: as smooth as a map, and knowing nothing.
"""

import argparse
import functools
import time
from pathlib import Path

import torch
from torch.nn.functional import interpolate

from learnerkit.all import (
    cifar_dls,
    digits_dls,
    explanation_consistency,
    faithfulness,
    gradcam,
    image_learner,
    randomisation_control,
    saliency_map,
)
from learnerkit.core.text import formatted
from learnerkit.explain.consistency import consistency_of, variant_maps

METHODS = {
    "grad-cam": gradcam,
    "grad-cam (middle)": functools.partial(gradcam, layer="middle"),
    "gradient": saliency_map,
}


def study(learn, n, depths=5):
    """The lines that are printed."""
    images, targets = learn.dls.valid.new(shuffle=False, drop_last=False, bs=n).one_batch()
    model, images = learn.model, images.as_subclass(torch.Tensor)
    start = time.time()
    maps = variant_maps(model, images, METHODS)
    with torch.no_grad():
        right = (model.eval()(images).argmax(1) == targets.as_subclass(torch.Tensor)).float().mean()
    yield f"{len(images)} test images, {right:.1%} of them told right; maps: {time.time() - start:.0f} s"
    yield "a map with itself"
    for name, each in maps.items():
        yield from lines(consistency_of({name: each, "itself": each}), f"  {name}")
    yield "methods with each other"
    for first, second in (list(maps)[:2], list(maps)[::2]):
        yield from lines(consistency_of({name: maps[name] for name in (first, second)}), f"  {first} / {second}")
    yield "images as they are and enlarged twice, the same model"
    sizes = {images.shape[-1]: images, 2 * images.shape[-1]: interpolate(images, scale_factor=2, mode="bilinear")}
    for name, method in METHODS.items():
        yield from lines(explanation_consistency(model, sizes, method), f"  {name}")
    for name, method in METHODS.items():
        yield f"{name}: with weights drawn anew, from the head down"
        for row in randomisation_control(model, images, method, depths=depths):
            yield from lines([row], f"  {row['depth']} layers, {row['redrawn']:.1%} of the weights")
    maps["blocks at random"] = torch.rand(len(images), 8, 8, generator=torch.Generator().manual_seed(0))
    start = time.time()
    for ground in ("blur", "zero"):
        yield f"ground '{ground}': area, how much better than random orders, and than the map of another image"
        for row in faithfulness(model, images, maps, ground=ground, steps=16, bs=256).rows:
            area, *figures = (
                formatted(row[key], "{:.3f}")
                for key in ("area", "gain", "gain_low", "gain_high", "excess", "excess_low", "excess_high")
            )
            above = "{} ({} to {}), {} ({} to {})".format(*figures)
            yield f"  {row['map']}, {row['curve']}: {area}, {above}, n {row['n']}, n/a {row['n_na']}"
    yield f"  {time.time() - start:.0f} s"


def lines(rows, name):
    for row in rows:
        keys = ("mean", "excess", "excess_low", "excess_high")
        mean, excess, low, high = (formatted(row[key], "{:.3f}") for key in keys)
        counts = f"n {row['n']}, n/a {row['n_na']}"
        yield f"{name}, {row['measure']}: {mean}, above other images {excess} ({low} to {high}), {counts}"


def trained(dls, arch, epochs, weights=None):
    """A learner after its training, or with the weights of an earlier one."""
    learn = image_learner(dls, arch, wd=5e-4, label_smoothing=0.1, seed=1)
    if weights is not None and weights.exists():
        learn.model.load_state_dict(torch.load(weights, weights_only=True))
        return learn
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(epochs, 0.1)
    if weights is not None:
        torch.save(learn.model.state_dict(), weights)
    return learn


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--arch", default="wrn_16_1")
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    if arguments.tiny:
        found = study(trained(digits_dls(bs=128), "tiny_cnn", 1), 24, depths=2)
    elif arguments.data is None:
        parser.error("DATA, the official CIFAR-10 python folder, or --tiny")
    else:
        dls = cifar_dls(arguments.data, bs=64, split="test")
        found = study(trained(dls, arguments.arch, arguments.epochs, arguments.weights), arguments.images)
    for line in found:
        print(line, flush=True)


if __name__ == "__main__":
    main()
