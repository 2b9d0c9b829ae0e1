"""What must be refused before anything happens: a changed resume, malformed data, recipes that are none."""

import hashlib
import io
import itertools
import os
import pickle
import random
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from learnerkit.all import (
    EMA,
    Callback,
    Guard,
    array_dls,
    cifar_dls,
    detection_dls,
    folder_dls,
    saliency_dls,
    verify,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.classify.dls import image_dls
from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError, LearnerkitError, RecipeError, RunError
from learnerkit.runs.recipes import check_recipe, load_recipe
from tests.conftest import toy_arrays
from tests.fuse.test_pairs import KINDS, spoil
from tests.images import image_folder
from tests.pairs import write_pairs
from tests.reliability.test_kills import StopAt
from tests.reliability.toy import build, fit, stream
from tests.scenes import BAD_LINES, GOOD, bad_frames, write_scenes

pytestmark = pytest.mark.reliability


def toy(seed=0, vocab=("top", "middle", "bottom"), **kwargs):
    images, labels = toy_arrays(seed=seed)
    return array_dls(images, labels, **{"bs": 16, "crop": 2, "vocab": list(vocab), **kwargs})


CHANGES = {
    "learning rate": ("recipe", {"lr": 0.7}, None),
    "model": ("recipe", {"model_args": {"width": 8, "dropout": 0.3}}, None),
    "guard": ("recipe", {"guard": "skip"}, None),
    "optimizer": ("recipe", {"opt": "adam"}, None),
    "seed": ("seed", {"seed": 2}, None),
    "class list": ("classes", {}, lambda: toy(vocab=("a", "b", "c"))),
    "pixels": ("fingerprint", {}, lambda: toy(seed=5)),
    "split": ("split", {}, lambda: toy(split_seed=1)),
    "batch size": ("bs", {}, lambda: toy(bs=8)),
    "a callback gone": ("callback", {"drop": True}, None),
    "a callback more": ("callback", {"cbs": [EMA(0.5)]}, None),
    "epochs": ("n_epoch", {"epochs": 5}, None),
    "threads": ("threads", {"threads": True}, None),
    "versions": ("versions", {"versions": True}, None),
}


def test_resume_with_something_changed(tmp_path, gate, monkeypatch):
    held = gate(
        "resume with something changed: 14 kinds x 3 runs",
        "refused with the differing key; the run untouched",
        "fastai: `load` warns 'Could not load the optimizer state.' and trains on",
        least=36,
    )
    for base, (kind, (key, change, make)) in itertools.product(("plain", "accumulate", "mid-epoch"), CHANGES.items()):
        root = tmp_path / f"{base}-{kind}"
        own = [Accumulate(2)] if base == "accumulate" else []
        own += [EMA(0.9)] if "drop" in change else []
        with pytest.raises(KeyboardInterrupt):
            fit(build(root, cbs=[*own, StopAt(5 if base == "mid-epoch" else 4)], dls=toy()))
        before = content(root)
        settings = {k: v for k, v in change.items() if k not in ("drop", "cbs", "epochs", "threads", "versions")}
        extra = change.get("cbs", []) + ([] if "drop" in change else own)
        learn = build(root, cbs=extra, resume=True, dls=make() if make else toy(), **settings)
        with monkeypatch.context() as patch:
            if "threads" in change:
                patch.setattr(torch, "get_num_threads", lambda: 77)
            if "versions" in change:
                patch.setattr("learnerkit.core.environment.version", lambda package: "0.0")
            try:
                learn.fit_one_cycle(change.get("epochs", 3), 0.05)
                text = "went on"
            except RunError as error:
                text = str(error)
        held.trial(key in text and content(root) == before, f"{root.name}: {text}")


def content(root):
    """Hashes of everything in a folder but the lock."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "lock.json")
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# malformed data


def png(shape=(12, 12, 3), dtype=np.uint8, seed=9):
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, shape).astype(dtype)
    Image.fromarray(pixels).save(out, "TIFF" if dtype == np.float32 else "PNG")
    return out.getvalue()


def bomb():
    """A PNG whose header claims 60,000 x 60,000 pixels."""
    data = bytearray(png())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def flipped(data, place):
    changed = bytearray(data)
    changed[place] ^= 0xFF
    return bytes(changed)


IMAGES = {
    "empty": b"",
    "cut in half": png()[: len(png()) // 2],
    "cut near the end": png()[:-40],
    "not an image": b"hello",
    "a web page": b"<!DOCTYPE html><html><body>404</body></html>",
    "header only": png()[:33],
    "16-bit grey": png((12, 12), np.uint16),
    "32-bit float": png((12, 12), np.float32),
    "bomb": bomb(),
    "damaged pixels": flipped(png(), 60),
    "zeros": bytes(500),
    "a CIFAR pickle": pickle.dumps({"data": 1}),
}


CACHES = ("memory", "disk", "stream")


def image_trial(root, kind, part, skip, cache):
    """Plant two bad files; what went wrong, or ''."""
    source = image_folder(root / "train", 40)
    image_folder(root / "valid", 16, seed=1)
    bad = [f"{part}/a/000.png", f"{part}/b/003.png"]
    for name in bad:
        if kind == "a folder":
            (root / name).unlink()
            (root / name).mkdir()
        elif kind == "a dead link":
            (root / name).unlink()
            (root / name).symlink_to("nowhere.png")
        elif kind == "in two classes":
            other = {"a/000.png": "b/900.png", "b/003.png": "a/901.png"}[name.split("/", 1)[1]]
            (root / part / other).write_bytes((root / name).read_bytes())
            bad = [*bad, f"{part}/{other}"]
        else:
            (root / name).write_bytes(IMAGES[kind])
    before, everything = content(root), {str(p.relative_to(root)) for p in root.rglob("*.png")}
    assert source.exists()
    try:
        dls = folder_dls(root, size=12, bs=8, cache=cache, bad="skip" if skip else "refuse")
    except DataError as error:
        missing = [name for name in bad if name not in str(error)]
        text = f"raised {error}" if skip or missing else ""
    else:
        trained = {*dls.ids("train"), *dls.ids("valid")}
        quarantined = {fault.file for fault in dls.source.quarantine}
        good = skip and trained == everything - set(bad) and quarantined == set(bad)
        text = "" if good else f"accepted, quarantine {quarantined}"
    report = verify(root)
    if {fault.file for fault in report.faults} != set(bad):
        text += f" verify: {report}"
    return text + ("" if content(root) == before else " the source was changed")


def batch(rng, rows=12, **changes):
    pixels = rng.integers(0, 255, (rows, 3072), dtype=np.uint8)
    return {
        "data": pixels,
        "labels": [i % 2 for i in range(rows)],
        "filenames": [f"{i}.png" for i in range(rows)],
        **changes,
    }


ROWS = {  # kinds that spoil single rows, by the label planted
    "label 99": 99,
    "label -1": -1,
    "label as text": "1",
    "label True": True,
}
FILES = {  # kinds that spoil a whole file
    "label 1.7": lambda rng: batch(rng, labels=[1.7] * 12),
    "columns": lambda rng: batch(rng, data=rng.integers(0, 255, (12, 3071), dtype=np.uint8)),
    "count": lambda rng: batch(rng, labels=[0, 1]),
    "names": lambda rng: batch(rng, filenames=["a"]),
    "no labels": lambda rng: {"data": batch(rng)["data"]},
    "floats": lambda rng: batch(rng, data=np.zeros((12, 3072), np.float32)),
    "a list": lambda rng: [1, 2],
}


def cifar_trial(root, kind, part, skip):
    rng = np.random.default_rng(0)
    file = "data_batch_2" if part == "train" else "test_batch"
    contents = {f"data_batch_{i}": batch(rng) for i in range(1, 6)} | {"test_batch": batch(rng)}
    bad_rows = {f"{file}/{row}/{row}.png" for row in range(12)}
    if kind in ROWS:
        contents[file]["labels"][3] = contents[file]["labels"][4] = ROWS[kind]
        bad_rows = {f"{file}/3/3.png", f"{file}/4/4.png"}
    elif kind in FILES:
        contents[file] = FILES[kind](rng)
    root.mkdir(parents=True)
    for name, value in contents.items():
        (root / name).write_bytes(pickle.dumps(value, protocol=2))
    (root / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a", "b"]}, protocol=2))
    if kind == "cut":
        (root / file).write_bytes((root / file).read_bytes()[:-99])
    elif kind == "missing":
        (root / file).unlink()
    elif kind == "hostile":
        (root / file).write_bytes(b"cos\nsystem\n(X\x05\x00\x00\x00touchtR.")
    before = content(root)
    everything = {f"{name}/{row}/{row}.png" for name in contents for row in range(12)}
    try:
        dls = cifar_dls(root, bs=8, bad="skip" if skip else "refuse")
    except DataError as error:
        named = file in str(error) and (kind not in ROWS or ("row 3" in str(error) and "row 4" in str(error)))
        text = f"raised {error}" if skip or not named else ""
    else:
        parts = ["train", "valid", *(["test"] if len(dls.loaders) > 2 else [])]
        used = {name for part in parts for name in dls.ids(part)}
        text = "" if skip and used == everything - bad_rows else f"accepted {len(used)}"
    if not verify(root).faults:
        text += " verify found nothing"
    return text + ("" if content(root) == before else " the source was changed")


ARRAY_LABELS = {"label 99": 99, "label -5": -5, "label 1.7": 1.7, "label NaN": float("nan"), "label Inf": float("inf")}


def array_trial(kind, part, skip):
    images, labels = toy_arrays()
    labels = labels.astype(np.float64)
    rows = [4, 5] if part == "train" else [60, 61]
    labels[rows] = ARRAY_LABELS[kind]
    try:
        dls = array_dls(images, labels, bs=8, vocab=["x", "y", "z"], bad="skip" if skip else "refuse")
    except DataError as error:
        return f"raised {error}" if skip or not all(f"row {row}" in str(error) for row in rows) else ""
    used = {name for part in ("train", "valid", "test") for name in dls.ids(part)}
    return "" if skip and used == {str(i) for i in range(96)} - set(map(str, rows)) else f"accepted {len(used)}"


def naive(kind):
    """Whether what a training script does, open and convert to RGB, takes the file without a word."""
    try:
        np.asarray(Image.open(io.BytesIO(IMAGES[kind])).convert("RGB"))
    except Exception:
        return False
    return True


def pair_trial(root, kind, part, skip):
    """Plant two bad files of pairs; what went wrong, or ''."""
    files = write_pairs(root, n=20, folders=False)
    good = saliency_dls(root, bs=8)
    bad = [root / name for name in good.ids(part)[:2]]
    for file in bad:
        spoil(file, kind)
    before = content(root)
    try:
        dls = saliency_dls(root, bs=8, bad="skip" if skip else "refuse")
    except DataError as error:
        text = f"raised {error}" if skip or not all(file.name in str(error) for file in bad) else ""
    else:
        used = {name for name in dls.source.ids if name in {n for p in ("train", "valid", "test") for n in dls.ids(p)}}
        text = "" if skip and used == {f.name for f in files} - {f.name for f in bad} else f"accepted {len(used)}"
    if {fault.file for fault in verify(root).faults} != {file.name for file in bad}:
        text += " verify differs"
    return text + ("" if content(root) == before else " the source was changed")


def test_malformed_pairs(tmp_path, gate, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    held = gate(
        "malformed .pt files: 20 kinds x train, valid x raise, skip",
        "one error naming all before step 1; skip trains exactly the good; sources unchanged",
        "fastai: of 12 kinds of .pt file none named, NaN, Inf and class 99 accepted silently",
        least=80,
    )
    # equal bad files are each named for what is wrong with them, not as copies
    for kind, part, skip in itertools.product(KINDS, ("train", "valid"), (False, True)):
        text = pair_trial(tmp_path / f"{kind}-{part}-{skip}", kind, part, skip)
        held.trial(not text, f"{kind} {part} {skip}: {text}")


def detection_trial(root, kind, part, skip):
    """Plant two bad frames or two bad lines; what went wrong, or ''."""
    write_scenes(root, n=12)
    names = [Path(name).stem for name in detection_dls(root).ids(part)[:2]]
    if kind in BAD_LINES:
        places = [f"labels/{name}.txt" for name in names]
        for place in places:
            (root / place).write_text(f"{GOOD}\n{BAD_LINES[kind][0]}\n1 0.2 0.2 0.1 0.1\n")
        bad = [f"{place}: line 2" for place in places]
    else:
        bad = [f"images/{name}.npy" for name in names]
        for place in bad:
            bad_frames()[kind][0](root / place)
    before = content(root)
    try:
        dls = detection_dls(root, bad="skip" if skip else "refuse")
    except DataError as error:
        text = f"raised {error}" if skip or not all(place in str(error) for place in bad) else ""
    else:
        used = {name for p in ("train", "valid", "test") for name in dls.ids(p)}
        kept = 12 if kind in BAD_LINES else 10
        text = "" if skip and len(used) == kept else f"accepted {len(used)}"
        if kind in BAD_LINES:
            rows = [dls.source.ids.index(f"images/{name}.npy") for name in names]
            text += "" if [dls.source.codes[row].tolist() for row in rows] == [[0, 1]] * 2 else " other boxes are gone"
    if {str(fault).split(": ", 1)[0] for fault in verify(root).faults} != {place.split(":")[0] for place in bad}:
        text += " verify differs"
    return text + ("" if content(root) == before else " the source was changed")


def test_malformed_frames_and_boxes(tmp_path, gate, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    kinds = [*bad_frames(), *BAD_LINES]
    held = gate(
        f"malformed: {len(bad_frames())} kinds of .npy, {len(BAD_LINES)} of label line x train, valid x raise, skip",
        "one error naming every file and line before step 1; skip keeps every good box and image; sources unchanged",
        "a YOLO reader in ten lines: 12 of 15 kinds of line pass silently, the others end it",
        least=100,
    )
    for number, (kind, part, skip) in enumerate(itertools.product(kinds, ("train", "valid"), (False, True))):
        text = detection_trial(tmp_path / str(number), kind, part, skip)
        held.trial(not text, f"{kind} {part} {skip}: {text}")


def test_malformed_data(tmp_path, gate, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    silent = [kind for kind in IMAGES if naive(kind)]
    held = gate(
        "malformed files: 15 kinds of image (memory, disk, streaming), CIFAR 14, arrays 5 x train, valid x raise, skip",
        "one error naming all before step 1; skip trains exactly the good; sources unchanged",
        f"Pillow alone takes {len(silent)} of 12 silently ({', '.join(silent)}); fastai 15 of 37, and names 5",
        least=150,
    )
    kinds = [*IMAGES, "a folder", "a dead link", "in two classes"]
    for kind, part, skip, cache in itertools.product(kinds, ("train", "valid"), (False, True), CACHES):
        root = tmp_path / f"{kind}-{part}-{skip}-{cache}"
        text = image_trial(root, kind, part, skip, cache)
        held.trial(not text, f"{root.name}: {text}")
    for kind, part, skip in itertools.product(
        [*ROWS, *FILES, "cut", "missing", "hostile"], ("train", "test"), (False, True)
    ):
        text = cifar_trial(tmp_path / f"cifar-{kind}-{part}-{skip}", kind, part, skip)
        held.trial(not text, f"cifar {kind} {part} {skip}: {text}")
    for kind, part, skip in itertools.product(ARRAY_LABELS, ("train", "valid"), (False, True)):
        text = array_trial(kind, part, skip)
        held.trial(not text, f"arrays {kind} {part} {skip}: {text}")
    assert "16-bit grey" in silent


def rows_of(labels, parts="", seed=0):
    """A small set with these labels, and parts by the first letters in `parts`."""
    labels = np.array(labels)
    images = np.random.default_rng(seed).integers(0, 255, (len(labels), 3, 8, 8), dtype=np.uint8)
    names = {"t": "train", "v": "valid", "e": "test", "": ""}
    return images, labels, np.array([names[letter] for letter in (parts or [""] * len(labels))])


LETTERS = "t" * 24 + "v" * 12 + "e" * 12
THREE = [0, 1, 2] * 16
SPLITS = {
    "one class": (rows_of([0] * 48), {}, "one class only (a)"),
    "a class in valid alone": (rows_of([0, 1] * 12 + [0, 1, 2] * 8, LETTERS), {}, "stand in valid but not in train"),
    "a class in test alone": (rows_of([0, 1] * 18 + [0, 1, 2] * 4, LETTERS), {}, "stand in test but not in train"),
    "a class absent from valid": (
        rows_of([0, 1, 2] * 8 + [0, 1] * 6 + [0, 1, 2] * 4, LETTERS),
        {},
        "no image in valid",
    ),
    "a class absent from test": (rows_of([0, 1, 2] * 12 + [0, 1] * 6, LETTERS), {}, "no image in test"),
    "valid of nothing": (rows_of(THREE), {"split": (0.8, 0.0, 0.2)}, "valid part is empty"),
    "fractions over 1": (rows_of(THREE), {"split": (0.8, 0.2, 0.2)}, "sum to 1"),
    "fewer than a batch": (rows_of(THREE), {"bs": 64}, "make no batch of 64"),
    "a class of one": (rows_of([0, 1] * 23 + [0, 2]), {}, "cannot hold every class"),
    "unlabelled": (rows_of([*THREE[:-1], -1]), {}, "1 images have no label"),
    "copies over official parts": (rows_of(THREE, LETTERS), {"copy": True}, "stand in the training part too"),
    "nothing": (rows_of([]), {}, "there is no image"),
}


def test_splits_that_mean_nothing(gate):
    held = gate(
        "splits that cannot be trusted: 12 kinds (one class, absent classes, empty parts, copies across parts, ...)",
        "an error or a named warning",
        "fastai: one class trains to accuracy 1.0, fewer images than a batch train 0 batches, both silently",
        least=12,
    )
    for kind, ((images, labels, parts), settings, said) in SPLITS.items():
        settings = {"bs": 8, **settings}
        if settings.pop("copy", False):
            images[40] = images[1]
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                image_dls(ImageSource("s", images, labels, ["a", "b", "c"], parts=parts), **settings)
                text = " ".join(str(item.message) for item in warned)
            except DataError as error:
                text = str(error)
        held.trial(said in text, f"{kind}: {text}")


def test_the_check_of_files_is_remembered_and_sees_a_change(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    root = image_folder(tmp_path / "images", 12)
    assert verify(root)
    read = []
    plain = Image.open
    monkeypatch.setattr(Image, "open", lambda file: read.append(file) or plain(file))
    assert verify(root) and not read
    (root / "a" / "000.png").write_bytes(b"junk")
    assert len(verify(root).faults) == 1 and len(read) == 1


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_file_damaged_after_the_check_is_named(tmp_path, num_workers):
    root = image_folder(tmp_path / "images")
    learn = build(tmp_path / "runs", dls=stream(root, num_workers))
    victim = learn.dls.train.items[3]

    class Damage(Callback):
        def before_epoch(self):
            if self.epoch == 1:
                (root / learn.dls.source.ids[victim]).write_bytes(b"")

    learn.add_cb(Damage())
    with pytest.raises(DataError, match=learn.dls.source.ids[victim]):
        fit(learn)
    assert learn.run_folder.status()["state"] == "failed"


def test_more_than_half_bad_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    root = image_folder(tmp_path / "images", 20)
    for file in sorted(root.rglob("*.png"))[:11]:
        file.write_bytes(b"junk")
    with pytest.raises(DataError, match=r"more than half of the samples \(11 of 20\) are bad"):
        folder_dls(root, size=12, bs=4, bad="skip")


def test_the_quarantine_stands_in_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    root = image_folder(tmp_path / "images", 40)
    (root / "a" / "000.png").write_bytes(b"junk")
    learn = build(tmp_path / "runs", dls=folder_dls(root, size=12, bs=8, bad="skip"))
    fit(learn)
    text = learn.run_folder.file("quarantine.csv").read_text()
    assert text.splitlines()[0] == "file,place,reason" and 'a/000.png,,"is no picture, or is damaged"' in text


def test_copies(tmp_path):
    """Equal images stay in one part; where the parts are official, the warning says so."""
    images, labels = toy_arrays()
    images[1:31:3] = images[1]  # ten equal images of class 1
    dls = array_dls(images, labels, bs=8, vocab=["a", "b", "c"])
    copies = {str(row) for row in range(1, 31, 3)}
    assert sum(bool(copies & set(dls.ids(part))) for part in ("train", "valid", "test")) == 1
    root = image_folder(tmp_path / "train", 40).parent
    image_folder(tmp_path / "test", 10)
    with pytest.warns(
        UserWarning, match=r"8 of 10 test samples stand in the training part too, such as test/a/000.png"
    ):
        folder_dls(root, size=12, bs=4)


def recipes():
    """Sixty recipes that are none: (text, what the error has to say)."""
    good = {"data": {"path": "digits"}, "train": {"epochs": 1}}
    wrong = {
        "bs": [0, -1, "x", 1.5, None, [1]],
        "split": ["half", {"a": 1}, [1], [0.5, 0.3, 0.1, 0.1], [-1, 2], [0.5, 0.6]],
        "num_workers": [-1, "two"],
    }
    wrong |= {"label": ["odd"]}
    wrong_train = {"epochs": [0, -3, "many", 1.5], "lr": [0, -1, "fast"], "momentum": [1, -0.1], "wd": [-1, "none"]}
    wrong_train |= {"precision": ["fp8"], "schedule": ["zigzag"], "mode": ["up"], "ema": [1, 2], "clip": [-1]}
    wrong_train |= {"guard": ["hope"], "label_smoothing": [1, -1], "accumulate": [0], "keep_last": [0, 1]}
    wrong_train |= {"cutmix": [2], "schedule_args": [3]}
    for key, values in wrong.items():
        for value in values:
            if not (key == "bs" and value is None):
                yield yaml.safe_dump({**good, "data": {"path": "digits", key: value}}), f"data.{key}"
    for key, values in wrong_train.items():
        for value in values:
            yield yaml.safe_dump({**good, "train": {key: value}}), f"train.{key}"
    yield from [
        ("data: {path: digits, pth: x}", "did you mean path"),
        ("trian: {epochs: 1}", "did you mean train"),
        ("model: {arhc: resnet18}", "did you mean arch"),
        ("task: cook", "task"),
        ("seed: -1", "seed"),
        ("seed: nine", "seed"),
        ("evaluate: {tta: 99}", "evaluate.tta"),
        ("model: {dropout: 1}", "model.dropout"),
        ("data: [1, 2]", "data"),
        ("train: 5", "train"),
        ("- a\n- b", "mapping"),
        ("just text", "mapping"),
        ("", "mapping"),
        ("a: [", "not valid YAML"),
        ("a: !!python/object/apply:os.system ['touch canary']", "is not followed"),
        ("a: !!python/name:os.system", "is not followed"),
        ("a: !include /etc/passwd", "is not followed"),
        ("\x00\x01", "not valid YAML"),
        ("[" * 3000, "not valid YAML"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "the alias *a is not followed"),
        ("data: {path: ''}", "data.path"),
        ("data: {path: 7}", "data.path"),
    ]


def test_fuzzed_recipes(tmp_path, gate, monkeypatch):
    monkeypatch.chdir(tmp_path)
    held = gate("recipes that are none", "error naming the key or place; no folder made, nothing run", least=60)
    for number, (text, said) in enumerate(recipes()):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        before = set(tmp_path.rglob("*"))
        try:
            load_recipe(path)
            held.trial(False, f"accepted: {text[:80]!r}")
        except RecipeError as error:
            good = said in str(error) and path.name in str(error) and set(tmp_path.rglob("*")) == before
            held.trial(good, f"{text[:80]!r}: {error}")
    for name in ("../../x", "a/b", "", "..", "/abs"):
        with pytest.raises(LearnerkitError, match="must be one folder name"):
            build(tmp_path / "runs", name=name) and fit(build(tmp_path / "runs", name=name))
        held.trial(not (tmp_path / "runs").exists() or not os.listdir(tmp_path / "runs"), name)


def test_random_bytes_are_no_recipe(tmp_path):
    rng = random.Random(0)
    for number in range(40):
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 200))))
        with pytest.raises(RecipeError):
            load_recipe(path)
    with pytest.raises(RecipeError):
        check_recipe({"guard": Guard}, "x")
