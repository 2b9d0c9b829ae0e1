"""Callbacks that need a learner of ours, and what follows for them from the figure that they watch."""

from typing import Any

from fastai.callback.core import Callback

from learnerkit.core.errors import LearnerkitError
from learnerkit.core.monitor import check_recorded, mode_of


class KitCallback(Callback):
    """A callback that asks of its learner what fastai's own does not offer; refused by any other learner."""

    @property
    def learn(self) -> Any:
        """The learner that the callback was added to."""
        return self.__dict__.get("_learn")

    @learn.setter
    def learn(self, learn: Any) -> None:
        if learn is not None and not hasattr(learn, "is_training_run"):
            raise LearnerkitError(
                f"{type(self).__name__}: works in a learner of learnerkit, and this is a {type(learn).__name__} of "
                "fastai. image_learner, fusion_learner and detection_learner make one; "
                "learnerkit.learner.kit.KitLearner takes the arguments of fastai's Learner"
            )
        self.__dict__["_learn"] = learn


class Watcher(KitCallback):
    """A callback that decides by a figure of each epoch, its `monitor`, by its `mode` the least or the greatest."""

    monitor: str
    mode: str | None

    def check_watched(self) -> None:
        """RecipeError where the figure is not recorded by the fit that begins."""
        watch(self.learn, self.monitor, self.mode)


def watch(learn: Any, monitor: str, mode: str | None) -> str:
    """The mode in which a callback watches a figure of the fit that begins; RecipeError where it is not recorded.

    mode: what was asked for; what follows from the figure when None.
    """
    check_recorded(monitor, learn.figure_names)
    return mode_of(monitor, mode)
