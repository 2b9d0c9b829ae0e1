"""DataLoaders of images."""

import copy

import numpy as np
import pytest
import torch
from fastai.learner import load_learner
from PIL import Image

from learnerkit._fastai import TensorImage
from learnerkit.all import array_dls, image_learner
from learnerkit.classify.arrays import array_source
from learnerkit.classify.dls import digits_dls, image_dls
from learnerkit.classify.transforms import NormalizeBytes
from learnerkit.core.errors import DataError
from tests.conftest import toy_arrays


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


def test_what_one_call_says_of_a_set_is_not_true_of_the_next():
    source = array_source(*toy_arrays())
    first = image_dls(source, bs=16, keeps=("mirror", "shift"), flip=True, stats="data")
    assert first.source.keeps == ("mirror", "shift") and first.source.stats is not None
    assert source.keeps == ("shift",) and source.stats is None
    assert image_dls(source, bs=16, flip=True).source.keeps == (
        "shift",
        "mirror",
    )
    with pytest.raises(DataError, match="leave one of them out"):
        image_dls(source, bs=16, flip=True, keeps=("shift",))
    with pytest.raises(DataError, match=r"digits does not keep its classes under a mirror.*keeps=\('mirror', \.\.\.\)"):
        digits_dls(flip=True)
    with pytest.raises(DataError, match="no figures are published"):
        image_dls(source, bs=16, stats="fixed")


def test_views_are_named():
    source = array_source(*toy_arrays())
    assert image_dls(source, bs=16, keeps="mirror").source.keeps == ("mirror",)
    assert image_dls(source, bs=16, keeps=()).source.keeps == ()
    with pytest.raises(DataError, match="no view is called 'miror'; mirror and shift there are"):
        image_dls(source, bs=16, keeps=("miror",))


def test_a_grey_picture_is_predicted_as_the_row_that_it_is():
    """To the last bit: grey is not taken through weights of colours that sum to .9999."""
    dls = digits_dls(bs=16, limit=48, size=16)
    row = dls.valid.items[0]
    picture = Image.fromarray(np.asarray(dls.source.images[row])[0])
    batches = [dls.test_dl([item]).one_batch()[0] for item in (row, picture, picture.convert("RGB"))]
    assert torch.equal(batches[0], batches[1]) and torch.equal(batches[0], batches[2])


@pytest.mark.parametrize("channels", [1, 3])
def test_normalising_is_the_same_bit_for_bit_in_both_layouts(channels):
    pixels = torch.randint(0, 256, (7, channels, 9, 5), dtype=torch.uint8)
    normalize = NormalizeBytes([0.49, 0.48, 0.45][:channels], [0.2, 0.21, 0.26][:channels])
    expected = pixels.float().mul_(1 / (255 * normalize.std)).sub_(normalize.mean / normalize.std)
    for layout in (torch.contiguous_format, torch.channels_last):
        given = pixels.to(memory_format=layout)
        found = normalize.encodes(TensorImage(given)).as_subclass(torch.Tensor)
        assert torch.equal(found, expected) and found.stride() == given.stride()
