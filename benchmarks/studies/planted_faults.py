"""Planted faults: which are named by `check` or by the diagnosis, and whether anything is told of trainings without.

    python benchmarks/studies/planted_faults.py [--faults a,b] [--tasks classify,detect] [--seeds 1,2,3] [--both]
    python benchmarks/studies/planted_faults.py --recipes [--cifar10 DATA] [--cifar100 DATA] [--frames DATA] [--seeds 1]
    python benchmarks/studies/planted_faults.py --tiny

Faults are planted into small trainings of the three tasks: the handwritten digits, pairs of maps with a bright band,
scenes of digits. Each is checked and, where that does not name the fault (with --both in any case), trained for some
epochs. A fault counts as named where a line of `check` or a sign of the training is one that says it. `--recipes` runs
the shipped recipes without any fault, on the data that are given, in small batches and few epochs: whatever is told
there is a false alarm.
"""

import argparse
import contextlib
import logging
import shutil
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fasttransform import ItemTransform
from PIL import Image
from sklearn.datasets import load_digits

from learnerkit.all import make_digit_scenes
from learnerkit.core.errors import LearnerkitError
from learnerkit.learner.wiring import fit
from learnerkit.runs.check import check
from learnerkit.runs.recipes import load_recipe
from learnerkit.tasks import get_task

SMALL = {
    "classify": ("digits", {"epochs": 8, "bs": 32, "limit": 900}),
    "fuse": ("saliency-wrn", {"epochs": 6, "bs": 16, "arch": "wrn_10_1", "stats": "data", "lr": "0.05"}),
    "detect": ("digit-scenes", {"epochs": 6, "bs": 4, "arch": "timm:test_resnet", "proposals": "100,50"}),
}
NAMING = {  # lines of check, and signs of a training, that say a fault
    "labels off by a row": {"labels", "one batch", "loss_at_chance", "valid_at_chance"},
    "labels off by a class": {"one batch", "valid_at_chance"},
    "boxes in pixels": {"data", "targets", "boxes_off"},
    "normalised twice": {"inputs", "normalised_twice"},
    "rate x 100": {"rate", "rate_too_high", "loss_at_chance", "dead_units", "one_class_predicted", "no_precision"},
    "frozen head": {"gradients", "frozen"},
    "all one class": {"targets", "one_class_trained", "one_class_predicted", "one batch"},
    "test in train": {"parts", "data"},
    "loss of probabilities": {"loss", "loss_of_probabilities"},
    "empty targets": {"targets", "empty_targets", "data"},
    "augmentation destroys": {"augmentation", "labels"},
}


class Wrong(ItemTransform):
    """A wrong transform at the end of a batch's."""

    order = 95

    def __init__(self, change, train_only=False):
        super().__init__()
        self.change = change
        self.split_idx = 0 if train_only else None

    def encodes(self, batch):
        return self.change(tuple(batch))


def with_transform(change, train_only=False):
    """A plant that changes batches."""

    def plant(task, place):
        def open_dls(recipe):
            dls = task.open_dls(recipe)
            for dl in dls.loaders[:1] if train_only else dls.loaders:
                dl.after_batch.add(Wrong(change, train_only))
            return dls

        return replace(task, open_dls=open_dls)

    return plant


def with_learner(change):
    """A plant that changes the learner."""

    def plant(task, place):
        def build_learner(recipe, dls, cbs):
            learn = task.build_learner(recipe, dls, cbs)
            change(learn)
            return learn

        return replace(task, build_learner=build_learner)

    return plant


def of_targets(change):
    return lambda batch: (*batch[:-1], change(batch[-1]))


def of_images(change):
    return lambda batch: (*(change(p) if p.ndim > 3 else p for p in batch[:-1]), batch[-1])


def shifted_row(codes):
    return codes.roll(1, 0)


def shifted_class(boxes_or_codes):
    if boxes_or_codes.ndim == 1:
        return (boxes_or_codes + 1) % 10 if boxes_or_codes.max() > 2 else (boxes_or_codes + 1) % 3
    changed = boxes_or_codes.clone()
    changed[..., 4] = torch.where(changed[..., 4] >= 0, (changed[..., 4] + 1) % 10, changed[..., 4])
    return changed


def one_class(boxes_or_codes):
    if boxes_or_codes.ndim == 1:
        return torch.zeros_like(boxes_or_codes)
    changed = boxes_or_codes.clone()
    changed[..., 4] = changed[..., 4].clamp(max=0)
    return changed


def empty(boxes):
    changed = boxes.clone()
    changed[..., 4] = -1
    return changed


def twice(task, place):
    """Normalise once more by the set's own figures."""

    def open_dls(recipe):
        dls = task.open_dls(recipe)
        mean, std = (torch.tensor(values) for values in dls.source.stats)

        def change(batch):
            parts, n = [], 0
            for part in batch[:-1]:
                if part.ndim > 3:
                    c = part.shape[1]
                    part = (part - mean[n : n + c].view(1, -1, 1, 1)) / std[n : n + c].view(1, -1, 1, 1)
                    n += c if len(mean) > c else 0
                parts.append(part)
            return (*parts, batch[-1])

        for dl in dls.loaders:
            dl.after_batch.add(Wrong(change))
        return dls

    return replace(task, open_dls=open_dls)


def add_softmax(learn):
    learn.model.register_forward_hook(lambda module, inputs, out: out.softmax(dim=1))


def freeze_head(learn):
    for name, parameter in learn.model.named_parameters():
        parameter.requires_grad_(name not in learn.head_names)


def same(task, place):
    return task


PLANTS = {
    "labels off by a row": {
        "classify": with_transform(of_targets(shifted_row)),
        "fuse": with_transform(of_targets(shifted_row)),
        "detect": with_transform(of_targets(shifted_row)),
    },
    "labels off by a class": {
        "classify": with_transform(of_targets(shifted_class), train_only=True),
        "fuse": with_transform(of_targets(shifted_class), train_only=True),
    },
    "boxes in pixels": {"detect": same},
    "normalised twice": {"classify": twice, "fuse": twice, "detect": twice},
    "rate x 100": {"classify": same, "fuse": same, "detect": same},
    "frozen head": {name: with_learner(freeze_head) for name in SMALL},
    "all one class": {
        "classify": with_transform(of_targets(one_class), train_only=True),
        "fuse": with_transform(of_targets(one_class), train_only=True),
    },
    "test in train": {"classify": same, "fuse": same, "detect": same},
    "loss of probabilities": {"classify": with_learner(add_softmax), "fuse": with_learner(add_softmax)},
    "empty targets": {"detect": with_transform(of_targets(empty), train_only=True)},
    "augmentation destroys": {name: with_transform(of_images(torch.randn_like), train_only=True) for name in SMALL},
}


def write_pairs(folder, n=60, seed=0, leak=False):
    """Pairs whose class is the place of a bright band in both maps, in folders of parts."""
    rng = np.random.default_rng(seed)
    for part, many in (("train", n), ("valid", n // 3), ("test", n // 3)):
        for code, name in enumerate(("left", "right", "above")):
            (folder / part / name).mkdir(parents=True)
            for number in range(many):
                maps = rng.random((2, 3, 32, 32), dtype=np.float32)
                maps[:, :, 8 * code : 8 * code + 8] += 1
                pair = {"saliency_maps": torch.from_numpy(maps[0]), "cross_attention_maps": torch.from_numpy(maps[1])}
                torch.save({**pair, "class_id": code, "class_name": name}, folder / part / name / f"{part}{number}.pt")
    if leak:
        for file in sorted((folder / "test").rglob("*.pt"))[::3]:
            shutil.copy(file, folder / "train" / file.parent.name / f"again_{file.name}")
    return folder


def write_digits(folder):
    """The digits as class folders, some of the test part in the training part as well."""
    digits = load_digits()
    for number, (image, code) in enumerate(zip(digits.images[:900], digits.target, strict=False)):
        part = ("train", "train", "train", "valid", "test")[number % 5]
        place = folder / part / str(code)
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((image * 15.9).astype(np.uint8)).resize((32, 32), Image.Resampling.NEAREST)
        picture.convert("RGB").save(place / f"{number}.png")
        if part == "test" and number % 3 == 0:
            (folder / "train" / str(code)).mkdir(parents=True, exist_ok=True)
            picture.convert("RGB").save(folder / "train" / str(code) / f"again{number}.png")
    return folder


def write_scenes(folder, in_pixels=False, leak=False):
    """Scenes of digits; boxes in pixels where YOLO's shares are due, or test frames in the training part as well."""
    make_digit_scenes(folder, {"train": 120, "val": 24, "test": 24})
    if in_pixels:
        for file in (folder / "labels").rglob("*.txt"):
            rows = [line.split() for line in file.read_text().splitlines()]
            file.write_text("".join(" ".join([r[0], *(str(64 * float(v)) for v in r[1:])]) + "\n" for r in rows))
    if leak:
        lists = {part: (folder / f"{part}.txt").read_text().split() for part in ("train", "val", "test")}
        for name in lists["test"][::3]:
            for below in ("images", "labels"):
                for file in (folder / below).glob(f"{Path(name).stem}.*"):
                    shutil.copy(file, file.with_name(f"again_{file.name}"))
            lists["train"].append(name.replace(Path(name).stem, f"again_{Path(name).stem}"))
        (folder / "train.txt").write_text("\n".join(lists["train"]) + "\n")
    return folder


def data_of(task, fault, place, seed):
    """Where the data of a case are, made where they are not."""
    folder = place / f"{task}-{fault.replace(' ', '_') if fault in ('boxes in pixels', 'test in train') else 'good'}"
    if task == "classify":
        if fault != "test in train":
            return "digits"
        return str(folder if folder.exists() else write_digits(folder))
    if not folder.exists():
        leak = fault == "test in train"
        write_pairs(folder, leak=leak) if task == "fuse" else write_scenes(folder, fault == "boxes in pixels", leak)
    return str(folder)


def told_by(recipe, task, names=(), both=True):
    """Names and words of what `check` and a training say; a training that is refused says why.

    names: that say the fault, without which in the check it is trained all the same; both: it is trained in any case.
    """
    found = [(line.check, f"check, {line.check}: {line.text}") for line in check(recipe, task).lines if not line.good]
    if not both and any(name in names for name, _ in found):
        return found
    logging.getLogger("learnerkit").setLevel(logging.ERROR)
    learn = None
    with warnings.catch_warnings(action="ignore"):
        try:
            learn = task.build_learner(recipe, task.open_dls(recipe), [])
            with learn.no_bar(), learn.no_logging():
                fit(recipe, learn)
        except LearnerkitError as error:
            if learn is None:
                found.append(("data", f"training: {error}"))
    records = [] if learn is None else learn.diagnose.records
    return found + [(one["sign"], f"epoch {one['epoch']}, {one['sign']}: {one['text']}") for one in records]


def planted(args, place):
    """Every fault on every task and seed; prints a line a case and the table."""
    table = {}
    for seed in args.seeds:
        for fault in args.faults:
            for name, plant in PLANTS[fault].items():
                if name not in args.tasks:
                    continue
                recipe, settings = SMALL[name]
                path = data_of(name, fault, place, seed)
                settings = {**settings, "data": path, "seed": seed}
                if name == "fuse":
                    settings["cache"] = str(place / "cache")
                if name == "classify" and path != "digits":
                    settings.pop("limit")
                loaded = load_recipe(recipe, settings)
                if fault == "rate x 100":
                    loaded = load_recipe(recipe, {**settings, "lr": 100 * loaded.train.lr})
                plants = plant(replace(get_task(name), check_s=args.check_s), place)
                told = told_by(loaded, plants, NAMING[fault], args.both)
                naming = [text for key, text in told if key in NAMING[fault]]
                where = sorted({"check" if text.startswith("check") else "training" for text in naming})
                table.setdefault((fault, name), []).append(" and ".join(where) or "NOT NAMED")
                print(f"{fault} | {name} | seed {seed} | {table[fault, name][-1]}", flush=True)
                for text in naming[:3] or [text for _, text in told]:
                    print(f"    {text[:240]}", flush=True)
    print("\nfault | task | named by")
    for (fault, name), said in table.items():
        print(
            f"{fault} | {name} | {'; '.join(f'{said.count(one)} of {len(said)} {one}' for one in dict.fromkeys(said))}"
        )
    missed = sum(said.count("NOT NAMED") for said in table.values())
    print(f"{missed} of {sum(map(len, table.values()))} cases not named")


def shipped(args, place):
    """The shipped recipes without a fault; whatever is told is a false alarm."""
    small = {"epochs": 2, "bs": 16, "limit": 1000}
    pairs, scenes = place / "pairs", place / "scenes"
    write_pairs(pairs)
    write_scenes(scenes)
    cases = {"digits": {"epochs": 8}, "digit-scenes": {"data": str(scenes), "epochs": 8}}
    cases["saliency-wrn"] = {**small, "data": str(pairs), "cache": str(place / "cache"), "arch": "wrn_16_2"}
    for name in ("cifar10-hybrid", "cifar10-randaugment", "cifar10-se-resnet"):
        cases |= {name: {**small, "data": args.cifar10}} if args.cifar10 else {}
    if args.cifar10:
        cases["resolution-sweep"] = {**small, "data": args.cifar10, "size": 64, "precision": "fp32"}
    if args.cifar100:
        cases["cifar100-resnet18"] = {**small, "data": args.cifar100, "limit": 2000}
    if args.frames:
        cases["rgbx-mit"] = {"data": args.frames, "epochs": 3}
    runs = alarms = 0
    for seed in args.seeds:
        for name, settings in cases.items():
            own = load_recipe(name)
            fewer = settings.get("bs", own.data.bs) / own.data.bs  # the rate goes with the batch
            recipe = load_recipe(name, {**settings, "seed": seed, "lr": own.train.lr * fewer})
            told = told_by(recipe, get_task(recipe.task))
            runs, alarms = runs + 1, alarms + bool(told)
            print(f"{name} | seed {seed} | {len(told)} told", flush=True)
            for _, text in told:
                print(f"    {text[:240]}", flush=True)
    print(f"{alarms} of {runs} runs of shipped recipes with a false alarm")


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=lambda text: text.split(","), default=list(PLANTS))
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(SMALL))
    parser.add_argument("--seeds", type=numbers, default=[1, 2, 3])
    parser.add_argument("--check-s", type=float, default=3.0, help="seconds that a check's learning of a batch takes")
    parser.add_argument("--both", action="store_true", help="train where the check has named the fault, too")
    parser.add_argument("--recipes", action="store_true")
    for name in ("cifar10", "cifar100", "frames"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    if args.tiny:
        args.faults, args.tasks, args.seeds, args.check_s = ["normalised twice", "frozen head"], ["classify"], [1], 1.0
        args.both = True
        SMALL["classify"][1].update(epochs=1, limit=200)
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        (shipped if args.recipes else planted)(args, Path(folder))


if __name__ == "__main__":
    main()
