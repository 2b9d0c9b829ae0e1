"""Events through a table: which callbacks act at an event is found once, not at every event of every batch."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from fastai.callback.core import Callback, event
from fastai.learner import (
    CancelBackwardException,
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    CancelStepException,
    CancelTrainException,
    CancelValidException,
)
from fastcore.foundation import L
from fastcore.xtras import ContextManagers, modify_exception

from learnerkit._fastai import INNER_EVENTS, OpenLearner
from learnerkit.callbacks.guard import Guard
from learnerkit.core.errors import LearnerkitError

CANCELS = (
    CancelBatchException,
    CancelBackwardException,
    CancelEpochException,
    CancelFitException,
    CancelStepException,
    CancelTrainException,
    CancelValidException,
)
EVENTS = frozenset(name for name in vars(event) if not name.startswith("_"))


class EventLearner(OpenLearner):
    """A fastai Learner that calls the same callbacks in the same order, found once for each event, with one Guard.

    guard: policy of the Guard that it has by default; one in `cbs` takes its place, as does one that a fit is given,
        until it is removed.
    """

    def __init__(self, *args: Any, guard: str = "stop", cbs: Any = None, **kwargs: Any) -> None:
        self._table: dict[str, list[tuple[Callback, Callable]]] = {}
        self._set_aside: Guard | None = None
        given = list(L(cbs))
        own = [] if any(map(_is_guard, given)) else [Guard(guard)]
        super().__init__(*args, default_cbs=False, cbs=own + given, **kwargs)

    def add_cb(self, cb: Callback | type[Callback]) -> "EventLearner":
        """Add a callback, as fastai does; a Guard takes the place of the one that is there, until it is removed."""
        other = getattr(self, "guard", None) if _is_guard(cb) else None
        if isinstance(other, Guard):
            super().remove_cb(other)
            self._set_aside = other
        super().add_cb(cb)
        self._table = {}
        return self

    def remove_cb(self, cb: Callback | type[Callback]) -> "EventLearner":
        """Remove a callback, as fastai does; a Guard gives its place back to the one before it."""
        super().remove_cb(cb)
        if _is_guard(cb) and self._set_aside is not None:
            other, self._set_aside = self._set_aside, None
            super().add_cb(other)
        self._table = {}
        return self

    def validation_context(self, cbs: Any = None, inner: bool = False) -> ContextManagers:
        """fastai's; where a callback fails at its beginning, what was entered before it is left again, its lock too.

        cbs, inner: fastai's.
        """
        return ContextManagers([_all_of(super().validation_context(cbs, inner).default)])

    def _entries(self, name: str) -> list[tuple[Callback, Callable]]:
        """The callbacks that act at an event, in order, with the method to call."""
        if name not in EVENTS:
            raise AttributeError(f"missing {name}: not an event of the training loop")
        entries = []
        for cb in self.cbs.sorted("order"):
            if type(cb).__call__ is not Callback.__call__:
                entries.append((cb, partial(cb, name)))
            elif name in vars(cb) or hasattr(type(cb), name):
                entries.append((cb, getattr(cb, name)))
        self._table[name] = entries
        return entries

    def __call__(self, event_name: str | list[str]) -> None:
        if not isinstance(event_name, str):
            for name in event_name:
                self(name)
            return
        entries = self._table.get(event_name)
        if entries is None:
            entries = self._entries(event_name)
        inner = event_name in INNER_EVENTS
        for cb, method in entries:
            if not cb.run or (inner and not (cb.run_train if self.training else cb.run_valid)):
                continue
            try:
                method()
            except (*CANCELS, LearnerkitError):
                raise
            except Exception as error:
                note = f"Exception occurred in `{type(cb).__name__}` when calling event `{event_name}`:\n\t{error}"
                raise modify_exception(error, note, replace=True) from None
        if event_name == "after_fit":
            for cb in self.cbs:
                cb.run = True


def _is_guard(cb: Callback | type[Callback]) -> bool:
    return cb is Guard or isinstance(cb, Guard)


@contextlib.contextmanager
def _all_of(managers: Iterable[Any]) -> Iterator[None]:
    """Some context managers as one, which leaves those that it has entered where one of them fails."""
    with contextlib.ExitStack() as stack:
        for manager in managers:
            stack.enter_context(manager)
        yield
