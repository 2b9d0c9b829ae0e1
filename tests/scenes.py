"""Small detection sets that the tests share: bright squares and bars on noise, in five channels."""

import json
import shutil

import numpy as np
import torch
from PIL import Image
from typer.testing import CliRunner

from learnerkit.all import detection_dls, detection_learner
from learnerkit.cli import make_app
from learnerkit.core.errors import LearnerkitError
from learnerkit.detect.boxes import pack_boxes, pack_detections
from learnerkit.detect.data.scan import read_detection, scan_detection

NAMES = ("square", "bar")
TOY_BACKBONE = "timm:test_resnet"  # .4 million parameters: what is tested is around it
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


def toy_detector(root, cbs=None, bs=2, dls=None, arch=TOY_BACKBONE, **kwargs):
    """A small learner on a small set; the set is written where it is not there."""
    if dls is None:
        if not (root / "classes.txt").exists():
            write_scenes(root)
        dls = detection_dls(root, bs=bs)
    settings = {"lr": 1e-3, "opt": "adamw", "wd": 1e-4, "seed": 1, "box_batch_size_per_image": 16, "model_args": SMALL}
    learn = detection_learner(dls, arch, cbs=cbs, **{**settings, **kwargs})
    learn.logger = lambda row: None
    return learn


GOOD = "0 0.5 0.5 0.2 0.2"


BAD_LINES = {
    "outside": ("0 1.5 0.5 0.2 0.2", "lies outside the image"),
    "past the edge": ("0 0.95 0.5 0.2 0.2", "reaches past the image"),
    "pixels": ("0 120 80 30 30", "lies outside the image"),
    "zero width": ("0 0.5 0.5 0 0.2", "both must be above 0"),
    "negative height": ("0 0.5 0.5 0.2 -0.1", "both must be above 0"),
    "class beyond names": ("2 0.5 0.5 0.2 0.2", "class 2 is not in 0..1"),
    "negative class": ("-1 0.5 0.5 0.2 0.2", "class -1 is not in 0..1"),
    "half class": ("0.5 0.5 0.5 0.2 0.2", "class 0.5 is not in 0..1"),
    "not a number": ("0 0.5 a 0.2 0.2", "'a' is not a number"),
    "nan": ("0 nan 0.5 0.2 0.2", "holds nan"),
    "infinite": ("0 0.5 0.5 inf 0.2", "holds inf"),
    "extra column": ("0 0.5 0.5 0.2 0.2 0.9", "has 6 columns"),
    "missing column": ("0 0.5 0.5 0.2", "has 4 columns"),
    "duplicate": (GOOD, "is the same box as line 1"),
    "commas": ("0,0.5,0.5,0.2,0.2", "has 1 columns"),
}


def bad_frames():
    """What is written as a frame file, and a word of what is said of it."""

    def array(values):
        return lambda path: np.save(path, values)

    nan = np.zeros((64, 64, 5), np.float32)
    nan[3, 4, 3] = np.nan
    infinite = np.zeros((64, 64, 5), np.float64)
    infinite[0, 0, 0] = np.inf
    return {
        "nan": (array(nan), "NaN or infinite, the first in channel 3"),
        "infinite": (array(infinite), "NaN or infinite"),
        "float past 1": (array(np.full((64, 64, 5), 200.0, np.float32)), "floats are in 0..1"),
        "negative": (array(np.full((64, 64, 5), -0.5, np.float32)), "floats are in 0..1"),
        "int32": (array(np.zeros((64, 64, 5), np.int32)), "dtype int32"),
        "bool": (array(np.zeros((64, 64, 5), bool)), "dtype bool"),
        "complex": (array(np.zeros((64, 64, 5), complex)), "dtype complex"),
        "text": (array(np.full((64, 64, 5), "a")), "dtype <U1"),
        "objects": (array(np.array([{}], dtype=object)), "pickle"),
        "one dimension": (array(np.zeros(64, np.uint8)), "has the shape (64,)"),
        "four dimensions": (array(np.zeros((1, 64, 64, 5), np.uint8)), "has the shape (1, 64, 64, 5)"),
        "too many channels": (array(np.zeros((64, 64, 17), np.uint8)), "1 to 16"),
        "four channels": (array(np.zeros((64, 64, 4), np.uint8)), "has 4 channel(s); most have 5"),
        "empty": (lambda path: path.write_bytes(b""), ""),
        "cut": (lambda path: path.write_bytes(path.read_bytes()[:-100]), ""),
        "no npy": (lambda path: path.write_bytes(b"PK\x03\x04 nothing"), ""),
        "no pixel": (array(np.zeros((0, 64, 5), np.uint8)), "no pixel"),
    }


def reasons(path, clip=False):
    return [str(fault) for fault in scan_detection(path, clip)[1]]


def picture(path, size, value, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def write_coco(scenes, **changes):
    """The scenes with annotations.json instead of labels."""
    source = read_detection(scenes)
    content = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "square"}, {"id": 3, "name": "bar"}]}
    for row, name in enumerate(source.ids):
        entry = {"id": 100 + row, "file_name": name.removeprefix("images/"), "width": 64, "height": 64}
        content["images"].append(entry)
        for box, code in zip(source.boxes[row].tolist(), source.codes[row].tolist(), strict=True):
            place = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            annotation = {"id": len(content["annotations"]), "image_id": 100 + row, "category_id": (7, 3)[code]}
            content["annotations"].append({**annotation, "bbox": place, "iscrowd": 0})
    shutil.rmtree(scenes / "labels")
    (scenes / "annotations.json").write_text(json.dumps(content | changes))
    return source, content


def random_set(seed, images=40, classes=5):
    """Truth, and detections that are near it, doubled, missing, of another class or nowhere."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(images):
        n = int(rng.integers(0, 7))
        corner, size = rng.uniform(0, 400, (n, 2)), rng.uniform(5, 180, (n, 2))
        objects, codes = np.concatenate([corner, corner + size], 1), rng.integers(0, classes, n)
        places, kinds = [], []
        for box, code in zip(objects, codes, strict=True):
            for _ in range(rng.integers(0, 3)):
                noise = rng.normal(0, 0.08, 4) * np.tile(box[2:] - box[:2], 2)
                places.append(box + noise)
                kinds.append(code if rng.random() < 0.8 else rng.integers(0, classes))
        for _ in range(rng.integers(0, 3)):
            corner = rng.uniform(0, 400, 2)
            places.append(np.concatenate([corner, corner + rng.uniform(5, 100, 2)]))
            kinds.append(rng.integers(0, classes))
        scores = torch.from_numpy(rng.choice(np.linspace(0.05, 1, 40), len(places))).float()  # ties among them
        packed = torch.from_numpy(np.array(places).reshape(-1, 4)).float()
        found.append(pack_detections(packed, torch.tensor(np.array(kinds, dtype=np.int64)), scores, 100))
        truth.append(pack_boxes(torch.from_numpy(objects).float(), torch.from_numpy(codes), 8))
    return found, truth


def call(*words, code=0):
    """What a command prints."""
    done = CliRunner().invoke(make_app(), [str(word) for word in words])
    if isinstance(done.exception, LearnerkitError):
        return f"error: {done.exception}"
    assert done.exit_code == code, f"{words}\n{done.output}\n{done.exception!r}"
    return done.output


QUICK = ["--epochs", "1", "--bs", "2", "--lr", ".001", "--opt", "adamw", "--proposals", "100,50"]
