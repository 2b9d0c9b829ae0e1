"""Fixtures that the tests share: small sets, real sets where they are at hand, a fixed seed."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: two processes of two threads are slower than one
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from learnerkit import cli
from learnerkit.all import array_dls, image_learner
from tests.images import QUICK

matplotlib.use("Agg")

SHARED = Path(os.environ.get("LEARNERKIT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(items):
    """The commands of the README take minutes: first, so that the other worker is not idle while they end the lot."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.fixture(scope="session", autouse=True)
def _no_users_home(tmp_path_factory):
    """No test reads or writes what a user has cached."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEARNERKIT_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _exact_on_a_gpu():
    """There too the same is computed each time, and as exactly as on a CPU."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"benchmark": False, "deterministic": True, "allow_tf32": False}.items():
            patch.setattr(torch.backends.cudnn, name, value)
        yield


@pytest.fixture(autouse=True)
def _fixed_seed():
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """A function from names of real sets to a folder with them; skipped where they are absent, a failure in CI."""
    target = tmp_path_factory.mktemp("data")

    def unpack(*names):
        if not (SHARED / "unpack.py").exists():
            reason = f"the real sets are not at {SHARED} (set LEARNERKIT_TEST_DATA)"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        command = [sys.executable, str(SHARED / "unpack.py"), str(target), *names]
        subprocess.run(command, check=True, capture_output=True)
        return target

    return unpack


@pytest.fixture(scope="session")
def real_data(unpacked):
    """A folder with cifar-10-batches-py and cifar-100-python."""
    return unpacked("cifar10-mini", "cifar100-mini")


def toy_arrays(n=96, size=16, n_classes=3, seed=0):
    """Images whose class is the place of a bright square: easy, and known."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    images = rng.integers(0, 60, (n, 3, size, size), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 5 * label : 5 * label + 4, 2:8] += 150
    return images, labels


@pytest.fixture
def toy_dls():
    """DataLoaders of 96 toy images in 3 classes: 68 train, 14 valid, 14 test; batches of 16."""
    return make_toy_dls()


def make_toy_dls(bs=16, **kwargs):
    images, labels = toy_arrays()
    return array_dls(images, labels, bs=bs, vocab=["top", "middle", "bottom"], **kwargs)


def toy_learner(cbs=None, dls=None, **kwargs):
    """A tiny learner on toy data that fits an epoch in milliseconds."""
    settings = {"lr": 0.05, "seed": 1, **kwargs}
    learn = image_learner(dls or make_toy_dls(), "tiny_cnn", cbs=cbs, model_args={"width": 4}, **settings)
    learn.logger = lambda row: None
    return learn


def state_of(learn):
    """A copy of all weights and buffers."""
    return {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}


def assert_same_weights(first, second):
    """Bit for bit, wherever they are."""
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name].cpu(), second[name].cpu()), name


@pytest.fixture(scope="session")
def _digits_run(tmp_path_factory):
    """A finished run of two epochs with all its checkpoints, made once a session."""
    out = tmp_path_factory.mktemp("finished")
    words = ["train", "digits", *QUICK, "--tta", "0", "--checkpoint-every", "1", "--out", out, "--name", "a"]
    assert cli.main([str(word) for word in words]) == 0
    return out / "a"


@pytest.fixture
def digits_run(_digits_run, tmp_path):
    """A copy of a finished run, where `command` leaves its own: runs/digits/a."""
    return Path(shutil.copytree(_digits_run, tmp_path / "runs" / "digits" / "a"))


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Call the command line in a folder of its own; returns (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        code = cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
