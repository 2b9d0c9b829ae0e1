"""Pairs of runs that differ in one setting: how often it stands first in their diff, over the three tasks.

    python benchmarks/studies/one_setting.py [--tasks classify,fuse,detect] [--seeds 1,2,3]
    python benchmarks/studies/one_setting.py --tiny

Each run is trained as by `learnerkit train`: digits, pairs of maps, scenes of digits, all made on the spot. Beside each
base stands a repetition of it, in which nothing may differ, no loss either, and a run of another seed. Prints a line a
pair: the setting planted, what the diff names first, how many settings it names, the first step at which the losses
part; then how often the planted one stood first, and alone. Exits with 1 where one did not stand first.
"""

import argparse
import contextlib
import io
import json
import tempfile
import warnings
from pathlib import Path

import torch

warnings.simplefilter("ignore")

from learnerkit.detect.data.scenes import make_digit_scenes  # noqa: E402
from learnerkit.fuse.relations import RELATIONS  # noqa: E402
from learnerkit.runs.diff import diff_runs  # noqa: E402
from learnerkit.runs.recipes import load_recipe  # noqa: E402
from learnerkit.runs.train import train as train_recipe  # noqa: E402

TRAIN = {"lr": "0.02", "wd": "0.01", "momentum": "0.8", "opt": "adamw", "schedule": "cosine", "ema": "0.9"}
TRAIN |= {"clip": "0.5", "accumulate": "2", "epochs": "3", "limit-batches": "2"}
CLASSES = {**TRAIN, "label-smoothing": "0.3", "mixup": "0.8", "cutmix": "0.8", "arch": "simple_cnn", "tta": "3"}
DETECT = {"iou-crop": "0.9", "scale-jitter": "0.4", "colour": "1", "modality-dropout": "0.9", "size": "96", "bs": "3"}
DETECT |= {"stats": "data", "box-batch-size-per-image": "16", "detections": "40", "stochastic-depth": "0.3"}
FUSE = {"fusion": "max", "noise": "0.2", "map-dropout": "0.5", "stats": "data", "bs": "8", "limit": "20"}
SETTINGS = {
    "classify": {**CLASSES, "crop": "3", "rotate": "20", "erase": "0.9", "size": "24", "bs": "16", "split-seed": "7"},
    "fuse": {**CLASSES, **FUSE, "schedule": "one_cycle"},
    "detect": {**TRAIN, **DETECT, "opt": "sgd"},
}
FEW = {"classify": ("lr", "crop", "tta"), "fuse": ("fusion", "mixup"), "detect": ("colour",)}
SCENES = {"train": 32, "val": 6, "test": 8}
PLAIN = "--tta 0 --epochs 2 --checkpoint-every 0"


def write_pairs(root, n=24, classes=3):
    """Pairs of maps whose class is the place of a bright band."""
    for code in range(classes):
        folder = root / RELATIONS[code]
        folder.mkdir(parents=True)
        for number in range(n):
            maps = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(100 * code + number))
            maps[0, :, 4 * code : 4 * code + 4] += 1
            content = {"saliency_maps": maps[0], "cross_attention_maps": maps[1], "class_id": code}
            torch.save({**content, "class_name": RELATIONS[code], "timestep": number}, folder / f"{number:04d}.pt")
    return root


def bases(root, tiny):
    """The words of each task's base training."""
    scenes = make_digit_scenes(root / "scenes", {"train": 8, "val": 2, "test": 2} if tiny else SCENES)
    batches = ["--limit-batches", "3"] if tiny else []
    digits = ["digits", "--arch", "tiny_cnn", "--dropout", "null", "--size", "16", "--bs", "32", "--ema", "0"]
    pairs = ["saliency-wrn", "--data", write_pairs(root / "pairs"), "--arch", "tiny_cnn", "--dropout", "null"]
    frames = ["digit-scenes", "--data", scenes, "--arch", "timm:test_resnet", "--proposals", "100,50", "--bs", "2"]
    return {
        "classify": [*digits, *(["--limit", "120"] if tiny else []), *batches],
        "fuse": [*pairs, "--cache", root / "cache", "--bs", "16", *batches],
        "detect": [*frames, *batches],
    }


def train(words, folder, flags):
    """One run as the command trains it, without its page; returns its folder. flags: which stand for the base's."""
    given = dict(zip(*[iter(map(str, [*PLAIN.split(), *words[1:]]))] * 2, strict=True))
    given = {name[2:]: value for name, value in given.items()} | flags
    recipe = load_recipe(words[0], {name.replace("-", "_"): value for name, value in given.items()})
    with contextlib.redirect_stdout(io.StringIO()):
        return train_recipe(recipe, folder.parent, folder.name).path


def named(found):
    """The first setting that the diff names, as its flag; '' for none."""
    return found.settings[0].key.rsplit(".", 1)[-1].replace("_", "-") if found.telling else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="classify,fuse,detect")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    first, alone, pairs = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for task, words in bases(root, arguments.tiny).items():
            if task not in arguments.tasks.split(","):
                continue
            names = FEW[task] if arguments.tiny else SETTINGS[task]
            for seed in arguments.seeds.split(","):
                out = root / "runs" / task / f"seed{seed}"
                base = train(words, out / "base", {"seed": seed})
                planted = {"": {}, "seed": {"seed": "99"}} | {name: {name: SETTINGS[task][name]} for name in names}
                for name, flags in planted.items():
                    other = train(words, out / (name or "again"), {"seed": seed, **flags})
                    found = diff_runs(base, other, samples=0)
                    said, number = named(found), len(found.telling)
                    parted = found.course.parted and found.course.parted.step
                    row = {"task": task, "seed": int(seed), "planted": name, "named": said, "settings": number}
                    print(json.dumps({**row, "losses_part_at": parted}), flush=True)
                    pairs, first, alone = pairs + 1, first + (said == name), alone + (number == bool(name))
                    if not name and parted:
                        raise SystemExit(f"{task}: two equal runs part at step {parted}")
    print(f"the planted setting stood first in {first} of {pairs} pairs, and alone in {alone}")
    if first < pairs:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
