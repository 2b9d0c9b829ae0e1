"""Callbacks: thin classes that move tensors between the learner and the functions of `ops` and `core`.

`callbacks.orders` says where each stands beside fastai's.
"""

from learnerkit import _fastai  # noqa: F401
