"""Our one Learner subclass, its recorder and schedule, and the factories that build it."""

from learnerkit import _fastai  # noqa: F401
