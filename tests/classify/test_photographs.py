"""Photographs of any size, and sets that a model sees at another size than their own."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from learnerkit.all import (
    Run,
    array_dls,
    cifar_dls,
    digits_dls,
    evaluate_run,
    folder_dls,
    image_learner,
    load_run,
)
from learnerkit.callbacks.tta import TTA
from learnerkit.classify import reading
from learnerkit.core.errors import DataError, RecipeError
from learnerkit.core.files import read_json
from learnerkit.data.pictures import decode, resized
from tests.conftest import make_toy_dls, toy_arrays, toy_learner
from tests.images import write_cifar10

CACHES = ("memory", "disk", "stream")


def photographs(root, n=40, seed=0):
    """Class folders of pictures of many sizes and formats: bright ones and dark ones."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        height, width = rng.integers(20, 60, 2)
        coarse = rng.integers(0, 90, (5, 5, 3), dtype=np.uint8) + np.uint8(120 * (number % 2))
        picture = Image.fromarray(coarse).resize((int(width), int(height)), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:03d}.{('png', 'jpg', 'bmp')[number % 3]}")
    return root


def striped(width, height):
    """A picture whose red says the column and whose green says the row."""
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([columns, rows, np.full_like(rows, 200)], axis=2).astype(np.uint8))


# where a pixel lands


def test_crop_takes_the_middle_at_the_shorter_sides_scale():
    found = np.asarray(resized(striped(40, 20), (10, 10), "crop"))  # by half: columns 10 to 29 of 40, all 20 rows
    assert np.abs(found[0, :, 0] - (10.5 + 2 * np.arange(10))).max() <= 1
    assert np.abs(found[:, 0, 1] - (0.5 + 2 * np.arange(10))).max() <= 1
    tall = np.asarray(resized(striped(20, 40), (10, 20), "crop"))  # no scale at all: rows 15 to 24
    assert np.array_equal(tall, np.asarray(striped(20, 40))[15:25])


def test_pad_keeps_the_whole_between_black_bars():
    found = np.asarray(resized(striped(40, 20), (10, 10), "pad"))  # by a quarter: 10 wide, 5 high, from row 2 on
    assert not found[:2].any() and not found[7:].any() and (found[2:7, :, 2] == 200).all()
    assert np.abs(found[2, :, 0] - (1.5 + 4 * np.arange(10))).max() <= 1.5
    assert not np.asarray(resized(striped(8, 80), (20, 20), "pad"))[:, [0, 8, 11, 19]].any()  # 2 wide, from column 9


def test_squish_changes_the_proportions():
    found = np.asarray(resized(striped(40, 20), (10, 10), "squish"))
    assert np.abs(found[0, :, 0] - (1.5 + 4 * np.arange(10))).max() <= 1.5
    assert np.abs(found[:, 0, 1] - (0.5 + 2 * np.arange(10))).max() <= 1
    same = striped(9, 7)
    assert all(resized(same, (7, 9), how) is same for how in ("crop", "pad", "squish"))


# sets at another size than their own


@pytest.mark.parametrize("size", [48, (40, 24), 12])
def test_a_batch_is_brought_to_the_size_after_all_augmentation(size):
    height, width = (size, size) if isinstance(size, int) else size
    settings = {"crop": 2, "cutout": 4, "rotate": 10}
    plain, other = make_toy_dls(**settings), make_toy_dls(size=size, **settings)
    assert other.source.images.shape == (96, 3, 16, 16) and other.input_shape == (3, height, width)
    for part in ("train", "valid", "test"):
        torch.manual_seed(1)
        x = getattr(plain, part).new(shuffle=False).one_batch()[0].as_subclass(torch.Tensor)
        torch.manual_seed(1)
        y = getattr(other, part).new(shuffle=False).one_batch()[0].as_subclass(torch.Tensor)
        assert torch.equal(y, F.interpolate(x, (height, width), mode="bilinear", antialias=height < 16))


def test_cifar_and_digits_take_a_size(tmp_path):
    cifar = cifar_dls(write_cifar10(tmp_path / "c"), bs=8, size=64)
    assert cifar.one_batch()[0].shape == (8, 3, 64, 64) and cifar.source.shape == (3, 32, 32)
    assert cifar.facts()["shape"] == [3, 32, 32] and cifar.facts()["input_shape"] == [3, 64, 64]
    for size, kept in ((16, 16), (32, 32), (64, 32)):
        dls = digits_dls(size=size, limit=200)
        assert dls.source.shape == (1, kept, kept) and dls.one_batch()[0].shape[1:] == (1, size, size)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"min_scale": 0.35}])
def test_all_that_takes_further_pictures_takes_them_at_the_size(tmp_path, more):
    dls = cifar_dls(write_cifar10(tmp_path / "c"), bs=16, size=40, **more)
    learn = toy_learner([Run(tmp_path, "a", report=False)], dls)
    learn.fit(1)
    learn.dls.show_batch(max_n=2)
    learn.show_results(max_n=2)
    shape = learn.dls.valid.decode_batch(learn.dls.valid.one_batch(), max_n=1)[0][0].shape
    assert tuple(shape) == (3, 40, 40)
    image = learn.dls.source.images[learn.dls.split.valid[0]]
    by_row, by_array = learn.predict(int(learn.dls.split.valid[0])), learn.predict(image)
    assert torch.equal(by_row[2], by_array[2])
    assert learn.validate(cbs=TTA(4))
    again = load_run(tmp_path / "a")
    assert again.dls.input_shape == (3, 40, 40) and again.dls.one_batch()[0].shape[1:] == (3, 40, 40)
    rows = learn.dls.source.parts == "test"
    np.savez(tmp_path / "other.npz", images=learn.dls.source.images[rows], labels=learn.dls.source.labels[rows])
    found = evaluate_run(tmp_path / "a", data=tmp_path / "other.npz")[1]
    assert found["all_log_loss"] == pytest.approx(evaluate_run(tmp_path / "a")[1]["test_log_loss"])


def test_random_boxes_of_a_set_in_memory_are_cut_at_its_own_size():
    dls = make_toy_dls(size=40, min_scale=0.35)
    assert dls.one_batch()[0].shape == (16, 3, 40, 40) and dls.valid.one_batch()[0].shape[2:] == (40, 40)
    own = make_toy_dls(min_scale=0.35)
    assert own.one_batch()[0].shape[2:] == (16, 16)
    assert torch.equal(own.valid.one_batch()[0], make_toy_dls().valid.one_batch()[0])


def test_two_kinds_of_random_crop_are_one_too_many(tmp_path):
    for make in (
        lambda **kw: make_toy_dls(**kw),
        lambda **kw: cifar_dls(write_cifar10(tmp_path / "c"), bs=8, **kw),
        lambda **kw: folder_dls(photographs(tmp_path / "p"), bs=8, size=16, **kw),
    ):
        with pytest.raises(RecipeError, match=r"crop=3 and min_scale=0\.5: both cut at random"):
            make(crop=3, min_scale=0.5)
        assert make(crop=0, min_scale=0.5)
    with pytest.raises(RecipeError, match=r"unknown key 'resident'; did you mean cache\?"):
        folder_dls(tmp_path / "p", resident=False)


# photographs


@pytest.mark.parametrize("settings", [{}, {"resize": "pad"}, {"min_scale": 0.5, "erase": 0.5, "sampler": "balanced"}])
def test_wherever_pictures_are_kept_the_batches_are_the_same(tmp_path, settings):
    root = photographs(tmp_path / "p")
    made = {cache: folder_dls(root, bs=8, size=(24, 16), cache=cache, **settings) for cache in CACHES}
    first = made["memory"]
    assert first.source.shape[1:] == ((27, 18) if "min_scale" in settings else (24, 16))
    for cache, dls in made.items():
        assert dls.facts()["kept"] == cache and dls.input_shape == (3, 24, 16)
        assert dls.source.fingerprint == first.source.fingerprint and dls.source.contents == first.source.contents
        assert dls.source.stats == first.source.stats
        for one, other in zip(dls.valid, first.valid, strict=True):
            assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    weights = []
    for dls in made.values():
        learn = toy_learner(dls=dls)
        learn.fit(2)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in learn.model.parameters()]))
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("resize", ["crop", "pad", "squish"])
@pytest.mark.parametrize("more", [{}, {"min_scale": 0.35}])
def test_further_pictures_are_brought_to_the_size_as_those_of_training(tmp_path, resize, more):
    root = photographs(tmp_path / "p")
    dls = folder_dls(root, bs=8, size=16, resize=resize, cache="disk", **more)
    row = int(dls.split.valid[0])
    file = root / dls.source.ids[row]
    size = dls.source.shape[1:]
    assert np.array_equal(dls.source.images[row], decode(file, size, resize))
    expected = dls.test_dl([row]).one_batch()[0]
    with Image.open(file) as image:
        items = [file, str(file), image.convert("RGB"), np.array(image.convert("RGB"))]
    for item in items:
        assert torch.equal(dls.test_dl([item]).one_batch()[0], expected)
    learn = toy_learner([Run(tmp_path / "runs", "a", report=False)], dls)
    learn.fit(1)
    assert read_json(tmp_path / "runs" / "a" / "run.json")["data"]["resize"] == resize
    others = photographs(tmp_path / "other", 12, seed=5)
    results = evaluate_run(tmp_path / "runs" / "a", data=others)[1]
    files = sorted(others.rglob("*.*"))
    right = [learn.predict(one)[0] == one.parent.name for one in files]
    assert results["all_accuracy"] == pytest.approx(np.mean(right))


def test_with_random_boxes_the_middle_is_evaluated(tmp_path):
    dls = folder_dls(photographs(tmp_path / "p"), bs=8, size=56, min_scale=0.35, stats="data")
    assert dls.source.shape == (3, 64, 64) and dls.source.view == (56, 56)
    x = dls.valid.one_batch()[0]
    shown = dls.valid.decode((x,))[0]
    whole = torch.from_numpy(dls.source.images[dls.split.valid[: len(x)]])
    assert (shown * 255 - whole[..., 4:60, 4:60]).abs().max() < 0.6


def test_auto_takes_what_has_room_and_says_so(tmp_path, monkeypatch):
    root, settings = photographs(tmp_path / "p"), {"bs": 8, "size": 16}
    assert folder_dls(root, **settings).facts()["kept"] == "memory"
    monkeypatch.setattr(reading, "MEMORY_BYTES", 40 * 3 * 16 * 16 - 1)
    with pytest.warns(UserWarning, match=r"40 images of 16x16 take 30\.7 kB.*kept in .*images \(cache='disk'\)"):
        dls = folder_dls(root, **settings)
    assert dls.facts()["kept"] == "disk" and any("cache='disk'" in note for note in dls.facts()["notes"])
    monkeypatch.setattr(reading, "free_bytes", lambda path: 2**29)
    with pytest.warns(UserWarning, match="kept in"):  # it is there already
        assert folder_dls(root, **settings).facts()["kept"] == "disk"
    with pytest.warns(UserWarning, match=r"536\.9 MB of disk .* decoded in every epoch \(cache='stream'"):
        assert folder_dls(root, **{**settings, "size": 24}).facts()["kept"] == "stream"
    for cache in ("disk", "stream"):
        with pytest.raises(DataError, match=f"cache='{cache}' needs size="):
            folder_dls(root, bs=8, cache=cache)


MEASURED = """
import sys, threading, time
import numpy as np
from learnerkit.classify.arrays import array_source

def now(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) / 1024

def watched(make):
    peak, done = [now("RssAnon")], []
    def watch():
        while not done:
            peak[0] = max(peak[0], now("RssAnon"))
            time.sleep(.002)
    thread = threading.Thread(target=watch)
    before = peak[0]
    thread.start()
    kept = make()
    done.append(1)
    thread.join()
    return peak[0] - before

def opened(images, labels):
    source = array_source(images, labels)
    source.fingerprint, source.copies, source.measured_stats(np.arange(len(source)))
    return source

rng, n = np.random.default_rng(0), 1400
images = rng.integers(0, 256, (n, 224, 224, 3), dtype=np.uint8)
if sys.argv[1] == "floats":
    images = (images[:350] / np.float32(255)).astype(np.float32)
labels = np.arange(len(images)) % 2
opened(images[:70], labels[:70])
print(watched(lambda: opened(images, labels)) / (images.nbytes / 2**20))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc says what a process takes")
@pytest.mark.parametrize(("kind", "most"), [("bytes", 0.3), ("floats", 0.55)])
def test_opening_an_array_does_not_double_it(kind, most):
    """Bytes are taken as they are, 200 MB of them; floats become bytes, a quarter of what they were."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", MEASURED, kind], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < most


def test_a_large_batch_of_arrays_of_any_layout_is_the_same():
    images, labels = toy_arrays()
    first = array_dls(images, labels, bs=16, stats="data")
    other = array_dls(images.transpose(0, 2, 3, 1).copy(), labels, bs=16, stats="data")
    assert first.source.fingerprint == other.source.fingerprint and first.source.contents == other.source.contents
    assert torch.equal(first.valid.one_batch()[0], other.valid.one_batch()[0])
    assert first.source.stats == other.source.stats
    images.setflags(write=False)
    for same in (images[..., ::-1].copy()[..., ::-1], np.asfortranarray(images), images):
        dls = array_dls(same, labels, bs=16, stats="data")
        assert dls.source.fingerprint == first.source.fingerprint
        assert torch.equal(dls.valid.one_batch()[0], first.valid.one_batch()[0])
    pixels = images / np.float64(255)
    mean, std = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3))
    measured = first.source.measured_stats(np.arange(96))
    assert np.allclose(measured, [mean, std], atol=6e-5)


def test_a_model_of_a_family_trains_on_cut_photographs(tmp_path):
    dls = folder_dls(photographs(tmp_path / "p"), bs=8, size=32, min_scale=0.35, sampler="balanced")
    learn = image_learner(dls, "tiny_cnn", cbs=[Run(tmp_path / "r", "a")], seed=1)
    learn.logger = lambda row: None
    learn.fit_one_cycle(3, 0.05)
    assert (tmp_path / "r" / "a" / "report.html").exists()
