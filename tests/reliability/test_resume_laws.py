"""Every callback, loader and learner there is resumes bit-identically; a new one is held to it by existing."""

import pytest

import learnerkit.all as everything
from learnerkit.all import (
    Fusion,
    StochasticDepth,
    array_dls,
    detection_dls,
    digits_dls,
    folder_dls,
    fusion_learner,
    image_learner,
    saliency_dls,
)
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.classify import dls as classify
from learnerkit.classify.arrays import array_source
from learnerkit.classify.dls import image_dls
from learnerkit.detect import dls as detect
from learnerkit.detect.data.scan import read_detection
from learnerkit.detect.dls import frame_dls
from learnerkit.fuse import dls as fuse
from tests.callbacks.test_laws import BROUGHT_ALONG, MAKE, OF_DETECTORS
from tests.conftest import make_toy_dls, toy_arrays
from tests.images import image_folder, write_cifar10
from tests.pairs import make_pair_dls, write_pairs
from tests.reliability.test_kills import StopAt
from tests.reliability.toy import Child, digest, run_fork
from tests.scenes import toy_detector, write_scenes

pytestmark = pytest.mark.reliability
EPOCHS = 2
LOADERS = {
    "array_dls": lambda root: array_dls(*toy_arrays(), bs=16, crop=2, rotate=15, jitter=False, erase=0.3),
    "cifar_dls": lambda root: everything.cifar_dls(write_cifar10(root), bs=16, cutout=4),
    "digits_dls": lambda root: digits_dls(bs=64, limit=200, perspective=0.5),
    "folder_dls": lambda root: folder_dls(image_folder(root), size=12, bs=8, randaugment=(2, 9)),
    "saliency_dls": lambda root: saliency_dls(
        pairs(root), bs=8, cache=root / "cache", crop=2, noise=0.1, map_dropout=0.2
    ),
    "pair_dls": lambda root: make_pair_dls(crop=1, stats="data"),
    "image_dls": lambda root: image_dls(array_source(*toy_arrays()), bs=16),
}
LOADERS |= {
    "detection_dls": lambda root: detection_dls(
        write_scenes(root / "scenes"), scale_jitter=0.2, iou_crop=0.3, colour=0.5, modality_dropout=0.3, num_workers=2
    ),
    "frame_dls": lambda root: frame_dls(read_detection(write_scenes(root / "scenes")), bs=3),
}
CUT = {"size": 16, "bs": 8, "min_scale": 0.35, "sampler": "balanced", "erase": 0.3}
FURTHER = {  # what one of them does with other arguments
    "random boxes in memory": lambda root: folder_dls(image_folder(root), cache="memory", **CUT),
    "random boxes on disk": lambda root: folder_dls(image_folder(root), cache="disk", **CUT),
    "random boxes streamed": lambda root: folder_dls(image_folder(root), cache="stream", num_workers=1, **CUT),
    "enlarged": lambda root: digits_dls(bs=64, limit=200, size=40),
}
PAIRS = ("saliency_dls", "pair_dls")
FRAMES = ("detection_dls", "frame_dls")
LEARNERS = {
    "image_learner": lambda dls, cbs, arch: image_learner(dls, arch, cbs=cbs, seed=1),
    "fusion_learner": lambda dls, cbs, arch: fusion_learner(dls, arch, fusion="gated", cbs=cbs, seed=1),
    "detection_learner": lambda dls, cbs, arch: toy_detector(None, cbs, dls=dls),
}
TOYS = {"fusion_learner": lambda root: make_pair_dls(), "detection_learner": LOADERS["frame_dls"]}


def pairs(root):
    """A folder of pairs below `root`."""
    write_pairs(root / "pairs", n=20)
    return root / "pairs"


def train(root, loader, make_learner, callback, step=None, resume=False):
    """Fit to the end or to the polite stop after `step`; the digest."""
    data = root / "data"
    if loader != "toy":
        dls = {**LOADERS, **FURTHER}[loader](data)
    elif callback is Fusion:
        dls = make_pair_dls()
    else:
        dls = TOYS.get(make_learner, lambda root: make_toy_dls())(data)
    there = callback is None or callback in BROUGHT_ALONG or issubclass(callback, Run)
    cbs = [] if there else [MAKE[callback](root)]
    cbs += [Run(root, "a", resume=resume, checkpoint_every=5), *([StopAt(step)] if step else [])]
    learn = LEARNERS[make_learner](dls, cbs, "wrn_10_1" if callback is StochasticDepth else "tiny_cnn")
    learn.logger = lambda row: None
    learn.fit(EPOCHS, 0.05)
    return digest(learn)


def check(tmp_path, *args):
    reference = run_fork(train, tmp_path / "whole", *args)
    assert Child(train, tmp_path / "cut", *args, 3).wait()[0] == 143
    assert run_fork(train, tmp_path / "cut", *args, None, True) == reference


@pytest.mark.parametrize("callback", sorted(MAKE, key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__)
def test_every_callback_resumes(tmp_path, callback):
    check(tmp_path, "toy", "detection_learner" if callback in OF_DETECTORS else "image_learner", callback)


@pytest.mark.parametrize("loader", [*LOADERS, *FURTHER])
def test_every_loader_resumes(tmp_path, loader):
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    kind = "fusion" if loader in PAIRS else "detection" if loader in FRAMES else "image"
    check(tmp_path, loader, f"{kind}_learner", None)


@pytest.mark.parametrize("make_learner", LEARNERS)
def test_every_learner_resumes(tmp_path, make_learner):
    check(tmp_path, "toy", make_learner, None)


def test_the_laws_cover_every_public_loader_and_learner():
    public = {name for room in (classify, fuse, detect) for name in vars(room) if name.endswith("_dls")}
    assert {name for name in everything.__all__ if name.endswith("_dls")} < public
    assert public - {"evaluation_dls"} == set(LOADERS)  # nothing is trained with that one
    assert {name for name in everything.__all__ if name.endswith("_learner")} == set(LEARNERS)
