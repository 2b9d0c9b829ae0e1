"""Metrics that fastai computes differently or not at all."""

from learnerkit import _fastai  # noqa: F401
