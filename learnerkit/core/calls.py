"""Public calls: one signature made of several, other words refused, and what a run records of a call.

A script's `*_dls` and `*_learner` calls are kept by name and plain arguments, so that `load_run` can repeat them.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

from learnerkit.core.errors import RecipeError, check_keys, nearest
from learnerkit.core.ranges import check_ranges, plain_number, ranges_of, shown_name

NOT_THE_WEIGHTS = ("metrics", "path", "model_dir", "diagnose")  # a learner's arguments that change no weight
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def extends(*sources: Callable, **defaults: Any) -> Callable[[Callable], Callable]:
    """Decorator: the function's `**kwargs` are the arguments of `sources`, by name, in its signature and its help.

    sources: functions or dataclasses; their arguments that have a default are taken, keyword-only.
    defaults: of the arguments taken, where they differ from the source's.
    A call with an unknown keyword is a RecipeError that gives the nearest right one, and so is an argument outside the
    range that its type says, see `core.ranges`.
    """

    def decorate(function: Callable) -> Callable:
        own = {name: p for name, p in inspect.signature(function).parameters.items() if p.kind in NAMED}
        taken: dict[str, inspect.Parameter] = {}
        for source in sources:
            for name, parameter in inspect.signature(source).parameters.items():
                if parameter.default is parameter.empty or name in own or name in taken:
                    continue
                default = defaults.get(name, parameter.default)
                taken[name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=default)
        known, ranges = {**own, **taken}, {}

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs.keys() - known:
                raise RecipeError("; ".join(check_keys(kwargs, known, f"{shown_name(function)}()")))
            if not ranges:
                every = [ranges_of(source) for source in (*reversed(sources), function)]
                ranges.update({name: kind for some in every for name, kind in some.items() if name in known})
            check_ranges(shown_name(function), {**dict(zip(own, args, strict=False)), **kwargs}, ranges)
            args = [plain_number(arg) if name in ranges else arg for name, arg in zip(own, args, strict=False)]
            kwargs = {name: plain_number(value) if name in ranges else value for name, value in kwargs.items()}
            return function(*args, **{**defaults, **kwargs})

        signature = inspect.signature(function)
        call.__signature__ = signature.replace(parameters=[*own.values(), *taken.values()])
        texts = [text for source in sources for text in documented(source, taken)]
        call.__doc__ = with_lines(inspect.getdoc(function) or "", "\n".join(texts))
        return call

    return decorate


def with_arguments(cls: type) -> type:
    """Decorator: the docstring of a class goes on with the arguments that its `__init__` documents."""
    _, _, arguments = inspect.getdoc(cls.__init__).partition("\n\n")
    cls.__doc__ = with_lines(inspect.getdoc(cls), f"\n{arguments}")
    return cls


def with_lines(text: str, lines: str) -> str:
    """A docstring with lines on further arguments, behind its own and before its examples, which stay last.

    text: as `inspect.getdoc` gives it.
    """
    own, head, examples = text.partition("\n\nExamples:\n")
    return f"{own.rstrip()}\n{lines}".rstrip() + (head + examples).rstrip()


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


# what is recorded


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
    is_number = type(value).__module__ == "numpy" and not getattr(value, "shape", 1)
    return is_number or isinstance(value, (str, int, float, bool, type(None), Path))


def fit_arguments(**arguments: Any) -> dict[str, Any]:
    """The arguments of a fit in JSON's types, for a resume to compare."""
    return {key: list(value) if isinstance(value, tuple) else _number(value) for key, value in arguments.items()}


def _number(value: Any) -> Any:
    return [value.start, value.stop] if isinstance(value, slice) else value
