"""Sets of images in memory: arrays, the digits."""

import numpy as np
import pytest

from learnerkit.classify.arrays import array_source
from learnerkit.classify.cifar import read_cifar
from learnerkit.classify.digits import read_digits
from learnerkit.classify.dls import array_dls
from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import DataError
from tests.conftest import toy_arrays
from tests.images import good_batch, write_cifar10


def test_digits():
    source = read_digits()
    assert source.images.shape == (1797, 1, 32, 32) and source.keeps == ("shift",)
    assert source.images.max() == 255


def test_sources_check_themselves():
    images = np.zeros((4, 3, 8, 8), np.uint8)
    with pytest.raises(DataError, match=r"label 5 of image 3 \(and 0 more\) is outside the 2 classes 0\.\.1"):
        ImageSource("s", images, np.array([0, 1, 1, 5]), ["a", "b"])
    with pytest.raises(DataError, match=r"4 images but 2 labels.*same name.*float32"):
        ImageSource("s", images.astype(np.float32), np.array([0, 1]), ["a", "a"])
    assert array_source(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1])).images.shape == (4, 3, 8, 8)
    assert array_source(np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])).images.shape == (4, 1, 8, 8)


def test_names_must_be_as_many_as_images_and_different(tmp_path):
    batch = good_batch() | {b"filenames": [b"x.png"] * 19}
    with pytest.raises(DataError, match="20 labels but 19 file names"):
        read_cifar(write_cifar10(tmp_path / "c", data_batch_1=batch))
    with pytest.raises(DataError, match="4 images but 1 different names"):
        ImageSource("s", np.zeros((4, 1, 4, 4), np.uint8), np.arange(4) % 2, ["a", "b"], ["x"] * 4)
    with pytest.raises(DataError, match="1 images have no label"):
        array_dls(np.zeros((40, 8, 8), np.uint8), np.array([-1] + [0, 1] * 19 + [0]), bs=8)


def test_labels_that_do_not_fit_the_images_are_refused_with_skip_bad_too():
    images, labels = toy_arrays()
    for wrong in (labels[:90], np.concatenate([labels, [0, 7, 9]]), np.stack([labels] * 3)):
        with pytest.raises(DataError, match="96 images but labels of shape"):
            array_source(images, wrong, ["a", "b", "c"], bad="skip")
