"""Warnings name the user's line in a script, and are lines of text on the command line."""

import warnings

import numpy as np
import pytest

from learnerkit.classify.dls import image_dls
from learnerkit.classify.source import ImageSource
from learnerkit.core.warn import warnings_as_lines
from tests.conftest import toy_arrays


def test_a_warning_names_the_line_of_the_caller_outside_the_package():
    images, labels = toy_arrays()
    parts = np.where(np.arange(96) < 60, "train", np.where(labels == 0, "test", "valid"))
    with pytest.warns(UserWarning, match="have no image in") as caught:
        image_dls(ImageSource("toy", images, labels, ["a", "b", "c"], parts=parts), bs=8)
    assert {item.filename for item in caught} == {__file__}


def test_each_warning_is_one_line_said_once():
    lines = []
    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with warnings_as_lines(lines.append):
            for text in ("one", "two", "one"):
                warnings.warn(text, stacklevel=1)
    assert lines == ["warning: one", "warning: two"] and warnings.showwarning is before
