"""The first import of fastai, with the deprecation notes of its own imports silenced, in this one place."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all  # noqa: F401
