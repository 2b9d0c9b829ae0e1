"""The first import of fastai, with the deprecation notes of its own imports silenced, in this one place.

Modules outside the packages that import this on their own (data, callbacks, metrics, learner, interpret) take fastai's
names from here.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all  # noqa: F401
    from fastai.callback.channelslast import ChannelsLast
    from fastai.callback.core import Callback
    from fastai.callback.training import GradientAccumulation, GradientClip
    from fastai.data.block import CategoryBlock, DataBlock
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.interpret import ClassificationInterpretation
    from fastai.learner import Learner

__all__ = [
    "Callback",
    "CategoryBlock",
    "ChannelsLast",
    "ClassificationInterpretation",
    "DataBlock",
    "DataLoader",
    "DataLoaders",
    "GradientAccumulation",
    "GradientClip",
    "Learner",
]
