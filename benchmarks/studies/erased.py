"""Does a detection's share leave the modality that its object is erased from? Counted over detections and modalities.

    python benchmarks/studies/erased.py [RUN]

RUN: a finished detector's folder; without it a small detector is trained on squares and bars, in minutes. The object
is erased in two ways: its box filled in from the border, and covered with a patch of the same frame in which no object
stands. Counted are modalities with a share of at least 5 %.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from learnerkit.all import DetectionInterpretation, detection_dls, detection_learner, load_run, make_digit_scenes
from learnerkit.detect.explain import explain_detection, frame_of, modality_groups
from learnerkit.explain.shapley import filled_in

LEAST, WANTED = 0.05, 100


def covered(frame, box, channels, boxes, rng):
    """The frame with the box covered, in some channels, by a patch in which no box of `boxes` stands; None without."""
    x1, y1 = (max(0, int(value)) for value in box[:2])
    x2, y2 = min(frame.shape[2], int(box[2]) + 1), min(frame.shape[1], int(box[3]) + 1)
    wide, high = x2 - x1, y2 - y1
    for _ in range(200):
        left = int(rng.integers(0, frame.shape[2] - wide + 1))
        top = int(rng.integers(0, frame.shape[1] - high + 1))
        apart = (boxes[:, 0] > left + wide) | (boxes[:, 2] < left) | (boxes[:, 1] > top + high) | (boxes[:, 3] < top)
        if apart.all():
            changed = frame.clone()
            changed[channels, y1:y2, x1:x2] = frame[channels, top : top + high, left : left + wide]
            return changed
    return None


def cases(learn, score):
    """For each detection and modality with a share: the share before, and after the object was erased in either way."""
    groups, rng = modality_groups(learn.dls.source), np.random.default_rng(0)
    seen = DetectionInterpretation.from_learner(learn, ds_idx=2)
    for number, found in enumerate(seen.detections):
        frame, _ = frame_of(learn, seen.dl.items[number])
        sure = found[found[:, 5] >= score][:3] if len(found) else found
        boxes = torch.cat([seen.targets[number][:, :4], found[:, :4]])
        for row in sure:
            before = explain_detection(learn.model, frame, row, groups, maps=False).shares
            for place, channels in enumerate(groups.values()):
                if not before[place] >= LEAST:
                    continue
                filled = filled_in(frame[None], row[None, :4], channels)[0]
                patched = covered(frame, row.tolist(), channels, boxes, rng)
                after = [
                    None if one is None else explain_detection(learn.model, one, row, groups, maps=False).shares
                    for one in (filled, patched)
                ]
                yield place, before, after


def moved(before, after, place):
    """Whether the share of a modality is less than it was; where nothing speaks for the box, it is gone."""
    return bool(torch.nan_to_num(after[place]) < before[place])


def count(learn, score, wanted=WANTED):
    names, ways = list(modality_groups(learn.dls.source)), ("filled in", "covered")
    tried, left, least = {way: 0 for way in ways}, {way: 0 for way in ways}, {way: [] for way in ways}
    for place, before, afters in cases(learn, score):
        for way, after in zip(ways, afters, strict=True):
            if after is not None and tried[way] < wanted:
                tried[way] += 1
                left[way] += moved(before, after, place)
                least[way].append(float(before[place] - torch.nan_to_num(after[place])))
        if min(tried.values()) >= wanted:
            break
    for way in ways:
        told = f", the share fell by {np.mean(least[way]):.2f} on average" if least[way] else ""
        print(f"{way}: moved away in {left[way]} of {tried[way]} ({', '.join(names)}){told}")


def write_scenes(folder, n=120, side=64):
    """Bright squares and bars on noise, seen by all of five channels: images/*.npy, labels and names."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(n):
        frame, lines = rng.integers(0, 80, (side, side, 5), dtype=np.uint8), []
        for place in range(rng.integers(1, 4)):
            code = int(rng.integers(0, 2))
            width, height = ((14, 14), (22, 8))[code]
            x, y = int(rng.integers(0, side - width)), 21 * place
            frame[y : y + height, x : x + width] = (230, 200, 40, 220, 128)
            middle = (x + width / 2) / side, (y + height / 2) / side
            lines.append(f"{code} {middle[0]:.6f} {middle[1]:.6f} {width / side:.6f} {height / side:.6f}")
        np.save(folder / "images" / f"{number:04d}.npy", frame)
        (folder / "labels" / f"{number:04d}.txt").write_text("\n".join(lines) + "\n")
    (folder / "classes.txt").write_text("square\nbar\n")
    return folder


def trained(folder, epochs):
    """A small detector of squares and bars; prints its mAP on valid."""
    dls = detection_dls(write_scenes(folder), bs=8, split=(0.5, 0.2, 0.3))
    small = {"detections": 20, "proposals": (100, 50), "stochastic_depth": 0.1}
    settings = {"opt": "adamw", "wd": 1e-4, "seed": 1, "box_batch_size_per_image": 16, "model_args": small}
    learn = detection_learner(dls, "timm:test_resnet", **settings)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(epochs, 2e-3)
        print("valid loss, mAP, mAP50, mAP75:", *(f"{figure:.3f}" for figure in learn.validate()))
    return learn


def tiny_learner(folder):
    """A detector that has learnt nothing: the study runs, and its figures say nothing."""
    make_digit_scenes(folder, {"train": 4, "val": 2, "test": 3})
    dls = detection_dls(folder, bs=2)
    small = {"detections": 5, "proposals": (50, 20), "score_threshold": 0.0}
    return detection_learner(dls, "timm:test_resnet", model_args=small)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--score", type=float, default=0.5)
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if asked.tiny:
            count(tiny_learner(Path(place) / "scenes"), 0.0, 4)
        else:
            learn = load_run(asked.run) if asked.run else trained(Path(place) / "scenes", asked.epochs)
            count(learn, asked.score)
