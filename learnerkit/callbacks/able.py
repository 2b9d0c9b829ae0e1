"""Which callbacks offer what the rest of the package asks for: weights of their own, state, columns, a way back."""

from collections.abc import Callable, Iterable

from fastai.callback.core import Callback


def able(cbs: Iterable[Callback], method: str) -> list[tuple[Callback, Callable]]:
    """The callbacks whose class has a method of this name, each with it.

    Asked of the class: a callback answers for names that it lacks with those of its learner.
    """
    return [(cb, getattr(cb, method)) for cb in cbs if callable(getattr(type(cb), method, None))]
