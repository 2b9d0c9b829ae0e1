"""One signature made of several: a function takes the arguments of another, written once, and refuses other words."""

import inspect
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from learnerkit.core.errors import RecipeError, check_keys, nearest

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def extends(*sources: Callable, but: Iterable[str] = (), **defaults: Any) -> Callable[[Callable], Callable]:
    """Decorator: the function's `**kwargs` are the arguments of `sources`, by name, in its signature and its help.

    sources: functions or dataclasses; their arguments that have a default are taken, keyword-only.
    but: names that are not taken.
    defaults: of the arguments taken, where they differ from the source's.
    A call with an unknown keyword is a RecipeError that gives the nearest right one.
    """

    def decorate(function: Callable) -> Callable:
        own = {name: p for name, p in inspect.signature(function).parameters.items() if p.kind in NAMED}
        taken: dict[str, inspect.Parameter] = {}
        for source in sources:
            for name, parameter in inspect.signature(source).parameters.items():
                if parameter.default is parameter.empty or name in own or name in but or name in taken:
                    continue
                default = defaults.get(name, parameter.default)
                taken[name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=default)
        known = {**own, **taken}

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs.keys() - known:
                raise RecipeError("; ".join(check_keys(kwargs, known, f"{function.__name__}()")))
            return function(*args, **{**defaults, **kwargs})

        signature = inspect.signature(function)
        call.__signature__ = signature.replace(parameters=[*own.values(), *taken.values()])
        texts = [text for source in sources for text in documented(source, taken)]
        call.__doc__ = "\n".join([(inspect.getdoc(function) or "").rstrip(), *texts])
        return call

    return decorate


def documented(source: Callable, names: Iterable[str]) -> list[str]:
    """The lines of a docstring that document arguments of some names, in our form `name, name: text`."""
    wanted, lines, taking = set(names), [], False
    for line in (inspect.getdoc(source) or "").splitlines():
        found = re.match(r"(\w+(?:, \w+)*): ", line)
        if found:
            taking = bool(wanted & set(found.group(1).split(", ")))
        elif not line.startswith(" "):
            taking = False
        if taking:
            lines.append(line)
    return lines


def check_options(function: Callable, options: Iterable[str], what: str) -> None:
    """RecipeError naming each option that a function does not take by keyword.

    what: how the message calls the function.
    """
    known = [name for name, p in inspect.signature(function).parameters.items() if p.default is not p.empty]
    foreign = [name for name in options if name not in known]
    if foreign:
        remedy = nearest(foreign[0], known) if known else "it has no options"
        raise RecipeError(f"{what}: has no {', '.join(foreign)}; {remedy}")
