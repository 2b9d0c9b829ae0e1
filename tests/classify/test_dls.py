"""DataLoaders of images."""

import copy

import numpy as np
import pytest
import torch
from fastai.learner import load_learner

from learnerkit.all import (
    array_dls,
    image_learner,
)


def test_an_exported_learner_takes_no_images_along(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2000, 3, 16, 16), dtype=np.uint8)
    dls = array_dls(images, np.arange(2000) % 2, bs=16)
    learn = image_learner(dls, "tiny_cnn", path=tmp_path)
    expected = learn.predict(images[0])[2]
    with pytest.warns():
        learn.export("e.pkl")
        loaded = load_learner(tmp_path / "e.pkl")
    assert (tmp_path / "e.pkl").stat().st_size < images.nbytes / 4
    assert torch.allclose(loaded.predict(images[0])[2], expected)
    assert copy.deepcopy(learn.dls).train.one_batch()[0].shape == (16, 3, 16, 16)
