"""What a trained learner got right and wrong."""

from learnerkit import _fastai  # noqa: F401
