"""What a script built, recorded so that `load_run` can build it again: a function's name and its plain arguments."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any


def recorded(*skip: str) -> Callable[[Callable], Callable]:
    """Decorator: what the function returns keeps the call that made it, as its attribute `recipe`.

    skip: arguments that the caller gives again on loading, such as the data.
    """

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            made = function(*args, **kwargs)
            made.recipe = record_call(function, args, kwargs, skip)
            return made

        return call

    return decorate


def record_call(function: Callable, args: tuple, kwargs: dict[str, Any], skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """The call as a dict: 'call' its name, 'args' the plain arguments with defaults, 'lost' the names of the others.

    function: with the signature that was called; args, kwargs: what it was called with.
    skip: arguments that are left out.
    """
    bound = inspect.signature(function).bind(*args, **kwargs)
    given = set(bound.arguments)
    bound.apply_defaults()
    plain = {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in bound.arguments.items()
        if name not in skip
    }
    return {
        "call": function.__name__,
        "args": {name: value for name, value in plain.items() if is_plain(value)},
        "lost": [name for name, value in plain.items() if name in given and not is_plain(value)],
    }


def is_plain(value: Any) -> bool:
    """Whether `value` survives JSON: numbers, strings, None, paths, and lists and dicts of them."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(is_plain(item) for item in value)
    return isinstance(value, (str, int, float, bool, type(None), Path))


def fit_arguments(**arguments: Any) -> dict[str, Any]:
    """The arguments of a fit in JSON's types, for a resume to compare."""
    return {key: list(value) if isinstance(value, tuple) else _number(value) for key, value in arguments.items()}


def _number(value: Any) -> Any:
    return [value.start, value.stop] if isinstance(value, slice) else value
