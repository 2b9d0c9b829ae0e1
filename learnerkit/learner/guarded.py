"""One Guard at a time: a learner has one by default, and one that is given takes its place."""

from fastai.callback.core import Callback

from learnerkit.callbacks.guard import Guard
from learnerkit.learner.events import EventLearner


class GuardedLearner(EventLearner):
    """An EventLearner in which a second Guard replaces the first until it is removed."""

    _set_aside: Guard | None = None

    def add_cb(self, cb: Callback | type[Callback]) -> "GuardedLearner":
        """Add a callback; a Guard takes the place of the one that is there, until it is removed."""
        other = getattr(self, "guard", None) if cb is Guard or isinstance(cb, Guard) else None
        if isinstance(other, Guard):
            super().remove_cb(other)
            self._set_aside = other
        return super().add_cb(cb)

    def remove_cb(self, cb: Callback | type[Callback]) -> "GuardedLearner":
        """Remove a callback; a Guard gives its place back to the one before it."""
        super().remove_cb(cb)
        if self._set_aside is not None and (cb is Guard or isinstance(cb, Guard)):
            other, self._set_aside = self._set_aside, None
            super().add_cb(other)
        return self
