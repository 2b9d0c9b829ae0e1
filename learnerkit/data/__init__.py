"""From files to fastai DataLoaders: readers, splits, the resident loader, blocks."""

from learnerkit import _fastai  # noqa: F401
